"""The tables of a Job."""

from __future__ import annotations

from vmpod.spec.apishapes import LABEL_SELECTOR, TRUTH
from vmpod.spec.fields import Table, differs, noted, refused, silent, table, works
from vmpod.spec.podfields import EMPTY, ONE_NODE

MAX_COMPLETIONS = 10_000
"""The most pods of a Job that may have to succeed: each is kept until its Job is removed."""

MAX_PARALLELISM = 100

JOB = table(
    "Job",
    works("apiVersion", "kind", "metadata", "spec"),
    silent("status", why="it says what was, not what is to be"),
)

JOB_SPEC = table(
    "spec of Job",
    works("template", text="its restartPolicy must be OnFailure or Never"),
    works("completions", text=f"at most {MAX_COMPLETIONS}"),
    works("parallelism", text=f"machines at a time, at most {MAX_PARALLELISM}"),
    works("completionMode", text="`NonIndexed`, `Indexed`"),
    works(
        "backoffLimit", text="6 if not given; a pod follows a failed one after 10 s, 20 s, ... up to 6 min"
    ),
    works("backoffLimitPerIndex", "maxFailedIndexes", "podFailurePolicy", "successPolicy"),
    differs(
        "activeDeadlineSeconds", text="kept as long as somebody attends to the Job; time runs on without, too"
    ),
    differs(
        "ttlSecondsAfterFinished",
        text="the process that attended to the Job waits for it if it is ten minutes at most; else the next "
        "`vmpod get jobs`, `apply`, `run` or `prune` removes the Job",
    ),
    differs("suspend", text="`vmpod apply` with another value stops the Job's pods, or goes on with it"),
    differs(
        "podReplacementPolicy",
        text="a pod's place is taken when its machine has ended (`Failed`), also with `TerminatingOrFailed`",
    ),
    noted("selector", why="a Job's pods are those that it has made", absent=EMPTY, shape=LABEL_SELECTOR),
    noted("manualSelector", why="a Job's pods are those that it has made", absent=(False,), shape=TRUTH),
    refused(
        "managedBy",
        why="there is no other controller than vmpod's own",
        absent=("", "kubernetes.io/job-controller"),
    ),
    noted("scheduling", why=ONE_NODE, absent=EMPTY),
)
FAILURE_POLICY = table("podFailurePolicy", works("rules"))
FAILURE_RULE = table(
    "rules of podFailurePolicy",
    works("action", text="`FailJob`, `FailIndex`, `Ignore`, `Count`"),
    works("onExitCodes"),
    works(
        "onPodConditions",
        text="`DisruptionTarget` is true of a pod whose machine died, as when the host is started anew",
    ),
)
EXIT_CODES = table("onExitCodes of podFailurePolicy", works("containerName", "operator", "values"))
POD_CONDITION = table("onPodConditions of podFailurePolicy", works("type", "status"))
SUCCESS_POLICY = table("successPolicy", works("rules"))
SUCCESS_RULE = table("rules of successPolicy", works("succeededIndexes", "succeededCount"))

TABLES: tuple[Table, ...] = (JOB, JOB_SPEC, FAILURE_POLICY, FAILURE_RULE, EXIT_CODES, POD_CONDITION)
TABLES += (SUCCESS_POLICY, SUCCESS_RULE)
