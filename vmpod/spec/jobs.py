"""One Job document. The rules are those of the API server (batch/v1, ValidateJobSpec)."""

from __future__ import annotations

from vmpod.spec import names
from vmpod.spec.containermodel import RestartPolicy
from vmpod.spec.jobfields import JOB_SPEC, MAX_COMPLETIONS, MAX_PARALLELISM
from vmpod.spec.jobmodel import NO_LIMIT, Job
from vmpod.spec.jobpolicies import read_failure_policy, read_success_policy
from vmpod.spec.metadata import Metadata, read_metadata, read_template_metadata
from vmpod.spec.model import Pod
from vmpod.spec.pod import read_pod
from vmpod.spec.reader import Record
from vmpod.spec.references import References
from vmpod.spec.workloadfields import TEMPLATE

_RETRIES = 6
_INDEXED = "Indexed"
_REPLACEMENTS = ("TerminatingOrFailed", "Failed")


def read_job(document: Record, references: References) -> Job | None:
    """A Job; None if it makes no sense. Its notes are left for the caller to add."""
    metadata = read_metadata(document, generates=True)
    place = document.require("spec")
    spec = place.record(JOB_SPEC) if place else None
    given = spec.require("template") if spec else None
    template = given.record(TEMPLATE) if given else None
    if spec is None or template is None:
        return None
    pod = read_pod(template, read_template_metadata(template, metadata), references)
    if pod is None:
        return None
    _check_restart_policy(spec, template, pod)
    completions, parallelism = _amounts(spec)
    indexed = spec.choice("completionMode", ("NonIndexed", _INDEXED), "NonIndexed") == _INDEXED
    if indexed:
        _check_indexed(document, spec, metadata, completions)
    per_index = spec.integer("backoffLimitPerIndex", 0, NO_LIMIT)
    limit = spec.integer("backoffLimit", 0, NO_LIMIT)
    if limit is None:
        limit = _RETRIES if per_index is None else NO_LIMIT
    return Job(
        name=metadata.name,
        namespace=metadata.namespace,
        template=pod,
        labels=metadata.labels,
        annotations=metadata.annotations,
        completions=completions,
        parallelism=parallelism,
        indexed=indexed,
        backoff_limit=limit,
        backoff_limit_per_index=per_index,
        max_failed_indexes=_max_failed_indexes(spec, completions, per_index, indexed=indexed),
        active_deadline=spec.integer("activeDeadlineSeconds", 0, NO_LIMIT),
        ttl=spec.integer("ttlSecondsAfterFinished", 0, NO_LIMIT),
        suspend=spec.boolean("suspend"),
        failure_rules=read_failure_policy(spec, pod, per_index=per_index is not None),
        success_rules=read_success_policy(spec, completions if indexed else None),
        document=document.place.node.plain(),
    )


def _amounts(spec: Record) -> tuple[int | None, int]:
    """How many pods have to succeed, and how many may run at a time."""
    completions = spec.integer("completions", 0, MAX_COMPLETIONS)
    parallelism = spec.integer("parallelism", 0, MAX_PARALLELISM)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        completions = 1
    return completions, 1 if parallelism is None else parallelism


def _check_restart_policy(spec: Record, template: Record, pod: Pod) -> None:
    place = template.place.child("spec").child("restartPolicy")
    if pod.restart_policy is RestartPolicy.ALWAYS:
        place.wrong("the restartPolicy in a Job must be OnFailure or Never")
    elif pod.restart_policy is not RestartPolicy.NEVER and spec.get("podFailurePolicy"):
        place.wrong("must be Never where there is a podFailurePolicy")
    policy = spec.choice("podReplacementPolicy", _REPLACEMENTS, "Failed")
    if policy != "Failed" and spec.get("podFailurePolicy"):
        spec.wrong("podReplacementPolicy", "must be Failed where there is a podFailurePolicy")


def _check_indexed(document: Record, spec: Record, metadata: Metadata, completions: int | None) -> None:
    if completions is None and spec.get("completions") is None:
        spec.wrong("completions", "is required where the completionMode is Indexed")
    last = f"{metadata.name}-{(completions or 1) - 1}"
    if metadata.name and names.dns_label(last):
        place = document.place.child("metadata").child("name")
        place.wrong(f"with an index it is to be a host name, {last!r}, which {names.dns_label(last)}")


def _max_failed_indexes(
    spec: Record, completions: int | None, per_index: int | None, *, indexed: bool
) -> int | None:
    found = spec.integer("maxFailedIndexes", 0, NO_LIMIT)
    if per_index is not None and not indexed:
        spec.wrong("backoffLimitPerIndex", "needs the completionMode Indexed")
    if found is not None and per_index is None:
        spec.wrong("maxFailedIndexes", "needs a backoffLimitPerIndex")
    if found is not None and completions is not None and found > completions:
        spec.wrong("maxFailedIndexes", f"must not be greater than completions, {completions}")
    return found
