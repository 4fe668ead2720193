"""The pods of a Job: its template under a name of its own, with the labels that Kubernetes gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vmpod.spec import names
from vmpod.spec.containermodel import Container, EnvVar
from vmpod.spec.jobmodel import Job
from vmpod.spec.machine import OWNER
from vmpod.spec.model import Pod
from vmpod.spec.naming import full_name

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
UID, JOB_NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_OLD_UID, _OLD_JOB_NAME = "controller-uid", "job-name"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_FIELD = f"metadata.annotations['{INDEX}']"

SUFFIX = 5
"""Letters at the end of a pod's name that no other pod of the Job has."""

_NO_UID = "00000000-0000-0000-0000-000000000000"
_MAX_STEM = 63 - SUFFIX


def owner(job: str) -> str:
    """What the annotation OWNER says of a Job's pods."""
    return f"Job/{job}"


def pod_name(job: Job, index: int | None, suffix: str) -> str:
    """As Kubernetes names them: JOB-SUFFIX, JOB-INDEX-SUFFIX."""
    end = "-" if index is None else f"-{index}-"
    return f"{job.name[: _MAX_STEM - len(end)]}{end}{suffix}"


def first_pod(job: Job) -> Pod:
    """A pod as the Job would make it first, to be looked at."""
    index = 0 if job.indexed else None
    return job_pod(job, _NO_UID, pod_name(job, index, "x" * SUFFIX), index)


def job_pod(job: Job, uid: str, name: str, index: int | None, failures: int = 0) -> Pod:
    """The pod of that name. uid: the Job's; failures: how often the index has failed."""
    pod = job.template
    labels = dict(pod.labels) | {UID: uid, _OLD_UID: uid, JOB_NAME: job.name, _OLD_JOB_NAME: job.name}
    annotations = dict(pod.annotations) | {OWNER: owner(job.name)}
    spec: dict[str, Any] = dict(pod.document["spec"])
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        if job.backoff_limit_per_index is not None:
            annotations[FAILURES] = str(failures)
        spec = _indexed_spec(spec, f"{job.name}-{index}")
        pod = replace(
            pod,
            containers=tuple(map(_told_index, pod.containers)),
            init_containers=tuple(map(_told_index, pod.init_containers)),
        )
    metadata = {"name": name, "namespace": job.namespace, "labels": labels, "annotations": annotations}
    hostname, fqdn = _names(spec, name, job.namespace)
    return replace(
        pod,
        name=name,
        labels=labels,
        annotations=annotations,
        hostname=hostname,
        fqdn=fqdn,
        document={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        source=job.source,
    )


def _names(spec: dict[str, Any], name: str, namespace: str) -> tuple[str, str]:
    """The host's name, and its full one, as naming.py reads them of a pod's spec."""
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"]), ""
    hostname = str(spec.get("hostname") or names.default_hostname(name))
    full = full_name(hostname, str(spec.get("subdomain") or ""), namespace)
    return (full if full and spec.get("setHostnameAsFQDN") else hostname), full


def _told_index(container: Container) -> Container:
    if any(each.name == INDEX_VARIABLE for each in container.env):
        return container
    return replace(container, env=(*container.env, EnvVar(INDEX_VARIABLE, field_ref=_FIELD)))


def _indexed_spec(spec: dict[str, Any], hostname: str) -> dict[str, Any]:
    """The spec with what an index adds to it: the host's name, and a variable in every container."""
    variable = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": _FIELD}}}
    found: dict[str, Any] = {}
    for group in ("initContainers", "containers"):
        if spec.get(group):
            found[group] = [_with_variable(each, variable) for each in spec[group]]
    return spec | {"hostname": hostname} | found


def _with_variable(container: dict[str, Any], variable: dict[str, Any]) -> dict[str, Any]:
    env = container.get("env") or []
    if any(each.get("name") == INDEX_VARIABLE for each in env):
        return container
    return container | {"env": [*env, variable]}
