"""The tables of the kinds that make pods."""

from __future__ import annotations

from vmpod.spec.apishapes import (
    DAEMON_SET_UPDATES,
    DEPLOYMENT_UPDATES,
    STATEFUL_SET_UPDATES,
    TRUTH,
    WHOLE,
)
from vmpod.spec.fields import Table, differs, noted, silent, table, works
from vmpod.spec.podfields import EMPTY

_TYPE = works("apiVersion", "kind", "metadata", "spec")
_STATUS = silent("status", why="it says what was, not what is to be")
_NOBODY = "nobody watches the pods once they are there"
_AT_ONCE = "what has changed is made anew by `vmpod apply --replace`, all at once"
_SELECTOR = works("selector", text="has to fit the template's labels, and does nothing else")
_REPLICAS = differs(
    "replicas", text="machines, called NAME-0, NAME-1, ...; `vmpod apply` removes what is beyond"
)

DEPLOYMENT = table("Deployment, ReplicaSet", _TYPE, _STATUS)
STATEFUL_SET = table("StatefulSet", _TYPE, _STATUS)
DAEMON_SET = table("DaemonSet", _TYPE, _STATUS)
REPLICATION_CONTROLLER = table("ReplicationController", _TYPE, _STATUS)

DEPLOYMENT_SPEC = table(
    "spec of Deployment, ReplicaSet",
    works("template"),
    _REPLICAS,
    _SELECTOR,
    noted("strategy", why=_AT_ONCE, absent=EMPTY, shape=DEPLOYMENT_UPDATES),
    noted("minReadySeconds", why=_NOBODY, absent=(0,), shape=WHOLE),
    noted("paused", why=_NOBODY, absent=(False,), shape=TRUTH),
    noted("progressDeadlineSeconds", why=_NOBODY, shape=WHOLE),
    noted("revisionHistoryLimit", why="no earlier versions are kept", shape=WHOLE),
)
STATEFUL_SET_SPEC = table(
    "spec of StatefulSet",
    works("template", "serviceName"),
    _REPLICAS,
    _SELECTOR,
    works(
        "podManagementPolicy",
        text="`OrderedReady`: one that does not become ready holds up the next; `Parallel`",
    ),
    works("ordinals"),
    noted("updateStrategy", why=_AT_ONCE, absent=EMPTY, shape=STATEFUL_SET_UPDATES),
    noted("minReadySeconds", why=_NOBODY, absent=(0,), shape=WHOLE),
    noted("revisionHistoryLimit", why="no earlier versions are kept", shape=WHOLE),
    works("volumeClaimTemplates", text="a claim for each pod, NAME-POD, which stays when the pod goes"),
    works(
        "persistentVolumeClaimRetentionPolicy",
        text="claims stay if not given; those of a pod that was removed by its own name always do",
    ),
)
DAEMON_SET_SPEC = table(
    "spec of DaemonSet",
    differs("template", text="one pod, of the set's own name: there is one node"),
    _SELECTOR,
    noted("updateStrategy", why=_AT_ONCE, absent=EMPTY, shape=DAEMON_SET_UPDATES),
    noted("minReadySeconds", why=_NOBODY, absent=(0,), shape=WHOLE),
    noted("revisionHistoryLimit", why="no earlier versions are kept", shape=WHOLE),
)
REPLICATION_CONTROLLER_SPEC = table(
    "spec of ReplicationController",
    works("template"),
    _REPLICAS,
    works("selector", text="labels, which the template has to have; all of the template's if not given"),
    noted("minReadySeconds", why=_NOBODY, absent=(0,), shape=WHOLE),
)
SELECTOR = table("selector", works("matchLabels", "matchExpressions"))
EXPRESSION = table("matchExpressions", works("key", "operator", "values"))
TEMPLATE = table("template", works("metadata", "spec"))
ORDINALS = table("ordinals", works("start"))
RETENTION = table(
    "persistentVolumeClaimRetentionPolicy",
    works("whenDeleted", text="`Delete`: `vmpod delete -f` removes the claims after the pods; `Retain`"),
    works("whenScaled", text="`Delete`: with fewer replicas `vmpod apply` removes claims, too; `Retain`"),
)

TABLES: tuple[Table, ...] = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, DEPLOYMENT_SPEC, STATEFUL_SET_SPEC)
TABLES += (DAEMON_SET_SPEC, REPLICATION_CONTROLLER, REPLICATION_CONTROLLER_SPEC)
TABLES += (SELECTOR, EXPRESSION, TEMPLATE, ORDINALS, RETENTION)
