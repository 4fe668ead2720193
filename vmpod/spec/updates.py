"""How a workload would replace its pods: nothing here does it, but no cluster takes what contradicts itself.

Source: the Kubernetes API reference, DeploymentSpec and StatefulSetUpdateStrategy.
"""

from __future__ import annotations

from vmpod.spec.reader import Place, Record

_NOTHING = (0, "0", "0%")
_PROGRESS_DEADLINE = 600  # seconds, where a Deployment does not say


def check_updates(spec: Record, kind: str) -> None:
    """Report fields that have no effect, but do not go together."""
    if kind == "Deployment":
        _check_strategy(_inside(spec.place, "strategy"), alone="Recreate")
        _check_deadline(spec.place)
    elif kind == "StatefulSet":
        _check_strategy(_inside(spec.place, "updateStrategy"), alone="OnDelete")


def _check_strategy(strategy: Place | None, *, alone: str) -> None:
    """alone: the type that has nothing to say of how pods are replaced one after the other."""
    rolling = _inside(strategy, "rollingUpdate")
    if rolling is None:
        return
    if _value(strategy, "type") == alone:
        rolling.wrong(f"must not be given where the type is {alone}")
    unavailable = _inside(rolling, "maxUnavailable")
    if unavailable and unavailable.node.value in _NOTHING and _value(rolling, "maxSurge") in _NOTHING:
        unavailable.wrong("must not be 0 where maxSurge is 0: no pod could ever be replaced")


def _check_deadline(spec: Place) -> None:
    deadline, ready = _value(spec, "progressDeadlineSeconds"), _value(spec, "minReadySeconds")
    end, least = deadline if deadline is not None else _PROGRESS_DEADLINE, ready if ready is not None else 0
    if isinstance(end, int) and isinstance(least, int) and end <= least:
        spec.child("progressDeadlineSeconds").wrong("must be more than minReadySeconds")


def _inside(place: Place | None, name: str) -> Place | None:
    """A field, whether it has an effect or not; None where it is not given."""
    if place is None:
        return None
    found = place.child(name)
    return None if found.node is place.node or found.node.value is None else found


def _value(place: Place | None, name: str) -> object:
    found = _inside(place, name)
    return found.node.value if found else None
