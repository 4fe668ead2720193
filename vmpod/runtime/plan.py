"""Plans for their own sake: nothing is pulled, built, written or started."""

from __future__ import annotations

import uuid
from dataclasses import replace

from vmpod.oci.model import Image
from vmpod.plan.forward import pod_key
from vmpod.plan.host import Host, Request
from vmpod.plan.make import make_plan
from vmpod.plan.model import Plan
from vmpod.plan.security import profiles
from vmpod.runtime.claims import storage
from vmpod.runtime.context import Runtime
from vmpod.runtime.facts import host_facts, read_profiles
from vmpod.runtime.start import Options
from vmpod.spec.model import Manifest, Pod
from vmpod.state.record import Record


def plan_pods(runtime: Runtime, manifest: Manifest, options: Options) -> list[Plan]:
    """The plan of every pod of a manifest. Raises ManifestError, ConflictError."""
    host = host_facts(options.accelerator, manifest, runtime.paths.pods)
    return [_plan(runtime, pod, manifest, host, options) for pod in manifest.pods]


def _plan(runtime: Runtime, pod: Pod, manifest: Manifest, host: Host, options: Options) -> Plan:
    # A pod gets its real uid when it is run; this one is always the same, so that plans can be compared.
    uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{pod.name}.{pod.namespace}"))
    request = replace(_request(runtime, pod, manifest, host, uid), publish=options.publish)
    return make_plan(pod, request, source=options.source).plan


def plan_again(runtime: Runtime, record: Record, manifest: Manifest) -> Plan:
    """The plan of a pod that is there, as it would be made now from its manifest. Raises ManifestError."""
    pod = next(each for each in manifest.pods if pod_key(each.namespace, each.name) == record.key)
    host = host_facts(record.accelerator, manifest, runtime.paths.pods)
    request = replace(
        _request(runtime, pod, manifest, host, record.uid),
        sockets=record.sockets,
        publish=record.forwards,
        logs=record.logs,
        boot=record.boot,
    )
    return make_plan(pod, request, source=record.key).plan


def _request(runtime: Runtime, pod: Pod, manifest: Manifest, host: Host, uid: str) -> Request:
    """As for a first start, with what is there: what is not is told as missing."""
    return Request(
        manifest=manifest,
        uid=uid,
        host=host,
        guest=runtime.guests.describe(),
        profiles=read_profiles(runtime.paths.seccomp, profiles(pod)),
        claims=storage(runtime, pod, manifest),
        images=_images(runtime, pod),
        state=runtime.pods.directory(pod_key(pod.namespace, pod.name)),
        sockets=runtime.pods.sockets(uid),
    )


def _images(runtime: Runtime, pod: Pod) -> dict[str, Image | None]:
    return {name: runtime.images.find(name) for name in pod.images()}
