"""What ConfigMaps and Secrets say now reaches a pod that runs, as a kubelet would bring it there.

So do its labels and annotations, as far as it is told of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vmpod.client.session import Session, session
from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError
from vmpod.oci.model import ImageConfig
from vmpod.plan import containers
from vmpod.plan.forward import called
from vmpod.plan.make import facts_for
from vmpod.plan.volumes import boot_volumes
from vmpod.runtime.context import Runtime
from vmpod.runtime.documents import config_maps, immutable_secrets
from vmpod.runtime.facts import host_facts
from vmpod.spec.containermodel import Container
from vmpod.spec.environment import resolve_env
from vmpod.spec.facts import Facts
from vmpod.spec.model import Manifest, Pod
from vmpod.state.record import Record
from vmpod.state.store import PodEntry
from vmpod.wire import messages

if TYPE_CHECKING:
    from vmpod.wire.boot import Value

    Json = dict[str, Any]

_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class Updated:
    """What has changed in the machine: volumes at once, variables when their containers are started again."""

    volumes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()


def update(runtime: Runtime, entry: PodEntry, pod: Pod, manifest: Manifest) -> Updated:
    """Bring the pod's volumes of files and the variables of its containers up to date. Raises VmpodError.

    What is written down of the pod is then what the manifest says.
    """
    facts = facts_for(
        pod, entry.record.uid, host_facts(entry.record.accelerator, manifest, runtime.paths.pods)
    )
    told = {
        "volumes": _volumes(pod, manifest, facts),
        "containers": [
            _variables(each, pod, manifest, facts, image)
            for each in pod.every_container
            if (image := _image_config(runtime, entry, each))
        ],
    }
    updated = Updated()
    if entry.alive():
        runtime.pods.find_awake(entry.record.called)
        with session(entry.record.sockets) as found:
            answer = found.request(messages.UPDATE, {}, body=messages.dump(told), timeout=_TIMEOUT)
        updated = Updated(
            tuple(messages.get_list(answer, "volumes", str)),
            tuple(messages.get_list(answer, "containers", str)),
        )
    _write_down(runtime, entry, pod, manifest)
    return updated


def _write_down(runtime: Runtime, entry: PodEntry, pod: Pod, manifest: Manifest) -> None:
    if _as_said(entry.record, pod, manifest) == entry.record:
        return
    key = entry.record.key
    with runtime.pods.locked(key):
        # Another command may have stopped it meanwhile; but what it is must be what was compared.
        now = runtime.pods.lookup(key)
        if now is None or _what(now.record) != _what(entry.record):
            raise ConflictError(
                f"another command has changed the pod {called(key)} meanwhile", hint="apply it again"
            )
        runtime.pods.save(replace(now, record=_as_said(now.record, pod, manifest)))


def _what(record: Record) -> tuple[str, Mapping[str, Any]]:
    return record.uid, record.document


def _as_said(record: Record, pod: Pod, manifest: Manifest) -> Record:
    return replace(
        record,
        document=pod.document,
        config=config_maps(manifest, pod.namespace),
        immutable_secrets=immutable_secrets(manifest),
    )


def tell_again(runtime: Runtime, entry: PodEntry, pod: Pod, found: Session) -> None:
    """Bring those files of volumes up to date that the pod is given with; others stay. Raises VmpodError."""
    if not pod.volumes:
        return
    manifest = Manifest(pods=(pod,))
    host = host_facts(entry.record.accelerator, manifest, runtime.paths.pods)
    told = {"parts": _volumes(pod, manifest, facts_for(pod, entry.record.uid, host))}
    found.request(messages.UPDATE, {}, body=messages.dump(told), timeout=_TIMEOUT)


def _volumes(pod: Pod, manifest: Manifest, facts: Facts) -> list[Json]:
    secrets: dict[str, str] = {}
    # Which image a volume shows is decided once.
    volumes = boot_volumes(pod, manifest, secrets, facts=facts, number=lambda _name: -1, kinds={})
    return [
        {
            "name": each["name"],
            "files": [file | {"base64": _text(file["base64"], secrets)} for file in each["files"]],
        }
        for each in volumes
        if each["kind"] == "files"
    ]


def _variables(container: Container, pod: Pod, manifest: Manifest, facts: Facts, config: ImageConfig) -> Json:
    """The command line goes with them, as `$(NAME)` in it stands for a variable."""
    secrets: dict[str, str] = {}
    variables = resolve_env(container, manifest, facts)
    argv = containers.argv(container, config, variables, secrets)
    env = containers.env(container, config, variables, pod, secrets)
    return {
        "name": container.name,
        "argv": [_text(word, secrets) for word in argv],
        "env": [[_text(word, secrets) for word in pair] for pair in env],
    }


def _image_config(runtime: Runtime, entry: PodEntry, container: Container) -> ImageConfig | None:
    """Of the image that the container runs, whatever has its name by now."""
    image = runtime.images.find(entry.record.image_ids.get(container.name, ""))
    return image.config if image else None


def _text(value: Value, secrets: Mapping[str, str]) -> str:
    return value if isinstance(value, str) else secrets[value["secret"]]
