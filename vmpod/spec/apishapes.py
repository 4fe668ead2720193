"""Types of the API whose values have no effect, as shapes.

Source: the API reference, and the schemas that come with it, which a test holds these against.
"""

from __future__ import annotations

from vmpod.spec import names
from vmpod.spec.shapes import MAX_PORT, Amount, Free, Known, Many, Shape, Share, Target, Text, Truth, Whole

TEXT, WHOLE, TRUTH, TEXTS = Text(), Whole(), Truth(), Many(Text())
NAME = Text(rule=names.dns_subdomain)
AMOUNTS = Free(Amount())

_KEY = Text(rule=names.qualified_name)
_EXISTENCE = ("In", "NotIn", "Exists", "DoesNotExist")


def _requirement(operators: tuple[str, ...]) -> Known:
    return Known({"key": _KEY, "operator": Text(operators), "values": TEXTS}, ("key", "operator"))


LABELS = Free(Text(rule=names.label_value))
LABEL_SELECTOR = Known({"matchLabels": LABELS, "matchExpressions": Many(_requirement(_EXISTENCE))})

_NODE_REQUIREMENTS = Many(_requirement((*_EXISTENCE, "Gt", "Lt")))
_NODE_TERM = Known({"matchExpressions": _NODE_REQUIREMENTS, "matchFields": _NODE_REQUIREMENTS})
_NODE_SELECTOR = Known({"nodeSelectorTerms": Many(_NODE_TERM)}, ("nodeSelectorTerms",))
VOLUME_AFFINITY = Known({"required": _NODE_SELECTOR})
_POD_TERM = Known(
    {
        "labelSelector": LABEL_SELECTOR,
        "namespaceSelector": LABEL_SELECTOR,
        "namespaces": TEXTS,
        "topologyKey": _KEY,
        "matchLabelKeys": TEXTS,
        "mismatchLabelKeys": TEXTS,
    },
    ("topologyKey",),
)
_MUST = "requiredDuringSchedulingIgnoredDuringExecution"
_SHOULD = "preferredDuringSchedulingIgnoredDuringExecution"


def _affinity(must: Shape, term: str, should: Shape) -> Known:
    weighed = Known({"weight": Whole(1, 100), term: should}, ("weight", term))
    return Known({_MUST: must, _SHOULD: Many(weighed)})


_OF_PODS = _affinity(Many(_POD_TERM), "podAffinityTerm", _POD_TERM)
AFFINITY = Known(
    {
        "nodeAffinity": _affinity(_NODE_SELECTOR, "preference", _NODE_TERM),
        "podAffinity": _OF_PODS,
        "podAntiAffinity": _OF_PODS,
    }
)
TOLERATION = Known(
    {
        "key": _KEY,
        "operator": Text(("", "Exists", "Equal", "Lt", "Gt")),
        "value": TEXT,
        "effect": Text(("", "NoSchedule", "PreferNoSchedule", "NoExecute")),
        "tolerationSeconds": Whole(-(2**63), 2**63 - 1),
    }
)
_POLICY = Text(("Honor", "Ignore"))
SPREAD = Known(
    {
        "maxSkew": Whole(1),
        "topologyKey": _KEY,
        "whenUnsatisfiable": Text(("DoNotSchedule", "ScheduleAnyway")),
        "labelSelector": LABEL_SELECTOR,
        "matchLabelKeys": TEXTS,
        "minDomains": Whole(1),
        "nodeAffinityPolicy": _POLICY,
        "nodeTaintsPolicy": _POLICY,
    },
    ("maxSkew", "topologyKey", "whenUnsatisfiable"),
)
SELINUX = Known(dict.fromkeys(("user", "role", "type", "level"), TEXT))
REFERENCE = Known({"name": TEXT})
SCHEDULING_GROUP = Known({"podGroupName": NAME})
EVICTION_RESPONDER = Known({"name": _KEY, "priority": Whole(0, 100_000)}, ("name", "priority"))


def _updates(other: str, rolling: dict[str, Shape]) -> Known:
    """How pods are replaced. other: the type beside RollingUpdate; rolling: what that may say."""
    return Known({"type": Text(("RollingUpdate", other)), "rollingUpdate": Known(rolling)})


_SURGE: dict[str, Shape] = {"maxSurge": Share(), "maxUnavailable": Share()}
DEPLOYMENT_UPDATES = _updates("Recreate", _SURGE)
DAEMON_SET_UPDATES = _updates("OnDelete", _SURGE)
STATEFUL_SET_UPDATES = _updates("OnDelete", {"maxUnavailable": Share(), "partition": WHOLE})

SERVICE_TYPE = Text(("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"))
SERVICE_PORT = Known(
    {
        "name": Text(rule=names.dns_label),
        "protocol": Text(("TCP", "UDP", "SCTP")),
        "appProtocol": TEXT,
        "port": Whole(1, MAX_PORT),
        "targetPort": Target(),
        "nodePort": Whole(0, MAX_PORT),
    },
    ("port",),
)
