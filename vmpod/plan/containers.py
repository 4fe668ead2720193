"""Containers as the agent runs them: the manifest and the image put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, MutableMapping, Sequence
from typing import TYPE_CHECKING

from vmpod.errors import Problem
from vmpod.oci.model import ImageConfig
from vmpod.plan import size
from vmpod.plan.claims import read_only_volumes
from vmpod.plan.host import Request
from vmpod.plan.life import life
from vmpod.plan.security import security
from vmpod.spec.containermodel import Container, ResolvedVar
from vmpod.spec.environment import expand, expand_words, from_files, resolve_env
from vmpod.spec.facts import Facts
from vmpod.spec.model import Pod

if TYPE_CHECKING:
    from vmpod.wire.boot import BootContainer, BootDevice, BootMount, EnvFile, Value

UNKNOWN_COMMAND = "<the image's command>"
"""Stands in a plan for the command of an image that is not on this host yet."""


def boot_container(
    container: Container,
    pod: Pod,
    request: Request,
    *,
    facts: Facts,
    image: int,
    secrets: MutableMapping[str, str],
) -> BootContainer:
    """One container; the values of Secrets are added to `secrets`. facts: what it may be told of its pod."""
    found = request.images.get(container.image)
    config = found.config if found else ImageConfig(cmd=(UNKNOWN_COMMAND,))
    variables = resolve_env(container, request.manifest, facts)
    resources, read_only = container.resources, read_only_volumes(pod, request)
    return {
        "name": container.name,
        "first_run": request.runs.get(container.name, 0),
        "image": image,
        "argv": argv(container, config, variables, secrets),
        "env": env(container, config, variables, pod, secrets),
        "env_files": _env_files(container),
        "cwd": container.working_dir or config.working_dir or "/",
        "user": user_of(container, config),
        "mounts": _mounts(container, variables, read_only),
        "devices": _devices(container, read_only),
        "memory": resources.memory_limit or 0,
        "cpu": resources.cpu_limit or 0,
        "cpu_request": resources.cpu_request or resources.cpu_limit or 0,
        "storage": resources.storage_limit or 0,
        # Where the pod has none, the machine's groups do not count them.
        "huge_pages": (resources.huge_pages or pod.resources.huge_pages or 0) if size.huge_pages(pod) else -1,
        "stop_signal": container.lifecycle.stop_signal or config.stop_signal or "SIGTERM",
        "stdin": container.stdin,
        "stdin_once": container.stdin_once,
        "tty": container.tty,
        **life(container),
        "security": security(container, pod, request),
    }


def command_problems(pod: Pod, request: Request, source: str) -> list[Problem]:
    """Containers that neither the manifest nor the image gives a command."""
    return [
        Problem(source, 0, f"{path}.command", f"the image {container.image} has none either")
        for path, container in pod.placed()
        if (found := request.images.get(container.image)) and not any(_words(container, found.config))
    ]


def user_problems(pod: Pod, request: Request, source: str) -> list[Problem]:
    """Containers that must not run as root, and would, or nobody can tell."""
    return [
        Problem(source, 0, f"{path}.securityContext.runAsNonRoot", fault)
        for path, container in pod.placed()
        if container.security.run_as_non_root and (fault := _root_fault(container, request))
    ]


def _root_fault(container: Container, request: Request) -> str | None:
    found = request.images.get(container.image)
    if container.security.run_as_user is None and found is None:
        return None  # the image is not here yet
    user = user_of(container, found.config if found else ImageConfig()).partition(":")[0]
    if user in ("", "0", "root"):
        return "the container would run as root; give it a runAsUser"
    if not user.isdecimal():
        return f"the image's user {user!r} has no number, so nobody knows if it is root; give it a runAsUser"
    return None


def _words(container: Container, config: ImageConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line: the image's words, and then the manifest's.

    Kubernetes' rule: a command replaces entrypoint and cmd, args replace the cmd alone.
    """
    if container.command:
        return (), container.command + container.args
    if container.args:
        return config.entrypoint, container.args
    return config.entrypoint + config.cmd, ()


def argv(
    container: Container,
    config: ImageConfig,
    variables: Sequence[ResolvedVar],
    secrets: MutableMapping[str, str],
) -> list[Value]:
    """The command line of a container; the values of Secrets are added to `secrets`."""
    images, own = _words(container, config)
    # Only what the manifest says is expanded: the image's own words are taken as they are.
    words = [(word, False) for word in images] + expand_words(own, variables)
    return [
        _value(text, sensitive, f"argv/{container.name}/{index}", secrets)
        for index, (text, sensitive) in enumerate(words)
    ]


def env(
    container: Container,
    config: ImageConfig,
    variables: Iterable[ResolvedVar],
    pod: Pod,
    secrets: MutableMapping[str, str],
) -> list[list[Value]]:
    """Its variables; the values of Secrets are added to `secrets`."""
    found: dict[str, Value] = {"HOSTNAME": pod.hostname or pod.name}
    found |= dict(config.env)
    for variable in variables:
        name = f"env/{container.name}/{variable.name}"
        found[variable.name] = _value(variable.value, variable.sensitive, name, secrets)
    return [[name, value] for name, value in found.items()]


def _env_files(container: Container) -> list[EnvFile]:
    return [
        {
            "name": name,
            "volume": ref.volume_name,
            "path": ref.path,
            "key": ref.key,
            "optional": ref.optional,
        }
        for name, ref in from_files(container)
    ]


def _value(text: str, sensitive: bool, name: str, secrets: MutableMapping[str, str]) -> Value:
    if not sensitive:
        return text
    secrets[name] = text
    return {"secret": name}


def user_of(container: Container, config: ImageConfig) -> str:
    """'user' or 'user:group', by name or number, '' for the image's root."""
    user, group = container.security.run_as_user, container.security.run_as_group
    base = config.user if user is None else str(user)
    return base if group is None else f"{base.partition(':')[0] or '0'}:{group}"


def _devices(container: Container, read_only: Collection[str]) -> list[BootDevice]:
    return [
        {"volume": device.name, "path": device.path, "read_only": device.name in read_only}
        for device in container.volume_devices
    ]


def _mounts(
    container: Container, variables: Sequence[ResolvedVar], read_only: Collection[str]
) -> list[BootMount]:
    """Outer mounts before inner ones, so that none hides another. read_only: volumes that nobody writes."""
    return [
        {
            "volume": mount.name,
            "path": mount.mount_path,
            "sub_path": mount.sub_path or expand(mount.sub_path_expr, variables)[0],
            "read_only": mount.read_only or mount.name in read_only,
            "recursive": mount.recursive_read_only,
            "options": list(mount.bind_mount_options),
        }
        for mount in sorted(container.volume_mounts, key=lambda each: each.mount_path.count("/"))
    ]
