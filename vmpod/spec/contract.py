"""The contract: what becomes of every field of every kind, by its path.

The tables say it of each type; here they hang together.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmpod.dataclass import dataclass
from vmpod.errors import NotFoundError
from vmpod.spec import claimfields as k
from vmpod.spec import containerfields as c
from vmpod.spec import jobfields as j
from vmpod.spec import persistentfields as pv
from vmpod.spec import podfields as p
from vmpod.spec import volumefields as v
from vmpod.spec import workloadfields as w
from vmpod.spec.fields import Field, Table
from vmpod.spec.words import nearest

KINDS: dict[str, Table] = {
    "Pod": p.POD,
    "ConfigMap": p.CONFIG_MAP,
    "Secret": p.SECRET,
    "PersistentVolumeClaim": k.CLAIM,
    "PersistentVolume": pv.PERSISTENT_VOLUME,
    "Deployment": w.DEPLOYMENT,
    "ReplicaSet": w.DEPLOYMENT,
    "StatefulSet": w.STATEFUL_SET,
    "DaemonSet": w.DAEMON_SET,
    "ReplicationController": w.REPLICATION_CONTROLLER,
    "Job": j.JOB,
    "List": p.LIST,
}

_SHORT = {"deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet"}
_SHORT |= {"po": "Pod", "pods": "Pod", "cm": "ConfigMap", "configmaps": "ConfigMap", "secrets": "Secret"}
_SHORT |= {"pvc": "PersistentVolumeClaim", "pv": "PersistentVolume"}
_SHORT |= {"jobs": "Job", "rc": "ReplicationController"}

_INSIDE: tuple[tuple[Table, dict[str, Table]], ...] = (
    (p.POD, {"metadata": p.METADATA, "spec": p.POD_SPEC}),
    (p.CONFIG_MAP, {"metadata": p.METADATA}),
    (p.SECRET, {"metadata": p.METADATA}),
    (k.CLAIM, {"metadata": p.METADATA, "spec": k.CLAIM_SPEC}),
    (k.CLAIM_TEMPLATE, {"metadata": p.METADATA, "spec": k.CLAIM_SPEC}),
    (pv.PERSISTENT_VOLUME, {"metadata": p.METADATA, "spec": pv.VOLUME_SPEC}),
    (
        pv.VOLUME_SPEC,
        {"capacity": pv.CAPACITY, "hostPath": v.HOST_PATH, "local": pv.LOCAL, "claimRef": pv.CLAIM_REF},
    ),
    (k.CLAIM_SPEC, {"resources": k.CLAIM_RESOURCES}),
    (k.CLAIM_RESOURCES, {"requests": k.CLAIM_AMOUNTS, "limits": k.CLAIM_AMOUNTS}),
    (p.LIST, {"metadata": p.LIST_META}),
    (w.DEPLOYMENT, {"metadata": p.METADATA, "spec": w.DEPLOYMENT_SPEC}),
    (w.STATEFUL_SET, {"metadata": p.METADATA, "spec": w.STATEFUL_SET_SPEC}),
    (w.DAEMON_SET, {"metadata": p.METADATA, "spec": w.DAEMON_SET_SPEC}),
    (w.DEPLOYMENT_SPEC, {"template": w.TEMPLATE, "selector": w.SELECTOR}),
    (
        w.STATEFUL_SET_SPEC,
        {
            "template": w.TEMPLATE,
            "selector": w.SELECTOR,
            "ordinals": w.ORDINALS,
            "persistentVolumeClaimRetentionPolicy": w.RETENTION,
            "volumeClaimTemplates": k.CLAIM_TEMPLATE,
        },
    ),
    (w.DAEMON_SET_SPEC, {"template": w.TEMPLATE, "selector": w.SELECTOR}),
    (w.REPLICATION_CONTROLLER, {"metadata": p.METADATA, "spec": w.REPLICATION_CONTROLLER_SPEC}),
    (w.REPLICATION_CONTROLLER_SPEC, {"template": w.TEMPLATE}),
    (w.SELECTOR, {"matchExpressions": w.EXPRESSION}),
    (j.JOB, {"metadata": p.METADATA, "spec": j.JOB_SPEC}),
    (
        j.JOB_SPEC,
        {"template": w.TEMPLATE, "podFailurePolicy": j.FAILURE_POLICY, "successPolicy": j.SUCCESS_POLICY},
    ),
    (j.FAILURE_POLICY, {"rules": j.FAILURE_RULE}),
    (j.FAILURE_RULE, {"onExitCodes": j.EXIT_CODES, "onPodConditions": j.POD_CONDITION}),
    (j.SUCCESS_POLICY, {"rules": j.SUCCESS_RULE}),
    (w.TEMPLATE, {"metadata": p.METADATA, "spec": p.POD_SPEC}),
    (
        p.POD_SPEC,
        {
            "containers": c.CONTAINER,
            "initContainers": c.CONTAINER,
            "volumes": v.VOLUME,
            "securityContext": p.POD_SECURITY,
            "os": p.OS,
            "hostAliases": p.HOST_ALIAS,
            "dnsConfig": p.DNS_CONFIG,
            "resources": p.POD_RESOURCES,
        },
    ),
    (p.POD_RESOURCES, {"requests": p.POD_AMOUNTS, "limits": p.POD_AMOUNTS}),
    (p.DNS_CONFIG, {"options": p.DNS_OPTION}),
    (p.POD_SECURITY, {"sysctls": p.SYSCTL, "seccompProfile": c.SECCOMP}),
    (
        c.CONTAINER,
        {
            "env": c.ENV,
            "envFrom": c.ENV_FROM,
            "ports": c.PORT,
            "resources": c.RESOURCES,
            "volumeMounts": c.MOUNT,
            "volumeDevices": c.DEVICE,
            "securityContext": c.CONTAINER_SECURITY,
            "livenessProbe": c.PROBE,
            "readinessProbe": c.PROBE,
            "startupProbe": c.PROBE,
            "lifecycle": c.LIFECYCLE,
            "restartPolicyRules": c.RESTART_RULE,
            "resizePolicy": c.RESIZE_POLICY,
        },
    ),
    (c.CONTAINER_SECURITY, {"capabilities": c.CAPABILITIES, "seccompProfile": c.SECCOMP}),
    (c.ENV, {"valueFrom": c.ENV_SOURCE}),
    (
        c.ENV_SOURCE,
        {
            "configMapKeyRef": c.KEY_REF,
            "secretKeyRef": c.KEY_REF,
            "fieldRef": c.FIELD_REF,
            "resourceFieldRef": c.RESOURCE_REF,
            "fileKeyRef": c.FILE_KEY_REF,
        },
    ),
    (c.ENV_FROM, {"configMapRef": c.ENV_FROM_REF, "secretRef": c.ENV_FROM_REF}),
    (c.RESOURCES, {"requests": c.AMOUNTS, "limits": c.AMOUNTS}),
    (c.PROBE, {"exec": c.EXEC, "httpGet": c.HTTP_GET, "tcpSocket": c.TCP_SOCKET, "grpc": c.GRPC}),
    (c.LIFECYCLE, {"postStart": c.HOOK, "preStop": c.HOOK}),
    (c.HOOK, {"exec": c.EXEC, "httpGet": c.HTTP_GET, "sleep": c.SLEEP}),
    (c.HTTP_GET, {"httpHeaders": c.HTTP_HEADER}),
    (c.RESTART_RULE, {"exitCodes": c.EXIT_CODES}),
    (
        v.VOLUME,
        {
            "emptyDir": v.EMPTY_DIR,
            "hostPath": v.HOST_PATH,
            "configMap": v.CONFIG_MAP_VOLUME,
            "secret": v.SECRET_VOLUME,
            "downwardAPI": v.DOWNWARD,
            "projected": v.PROJECTED,
            "image": v.IMAGE,
            "ephemeral": v.EPHEMERAL,
            "persistentVolumeClaim": k.CLAIM_VOLUME,
        },
    ),
    (v.CONFIG_MAP_VOLUME, {"items": v.ITEM}),
    (v.SECRET_VOLUME, {"items": v.ITEM}),
    (v.DOWNWARD, {"items": v.DOWNWARD_ITEM}),
    (v.DOWNWARD_SOURCE, {"items": v.DOWNWARD_ITEM}),
    (v.DOWNWARD_ITEM, {"fieldRef": c.FIELD_REF, "resourceFieldRef": c.RESOURCE_REF}),
    (v.PROJECTED, {"sources": v.PROJECTED_SOURCE}),
    (
        v.PROJECTED_SOURCE,
        {"configMap": v.PROJECTED_OBJECT, "secret": v.PROJECTED_OBJECT, "downwardAPI": v.DOWNWARD_SOURCE},
    ),
    (v.PROJECTED_OBJECT, {"items": v.ITEM}),
    (v.EPHEMERAL, {"volumeClaimTemplate": v.CLAIM_TEMPLATE}),
    (v.CLAIM_TEMPLATE, {"metadata": v.CLAIM_META, "spec": v.CLAIM}),
    (v.CLAIM, {"resources": k.CLAIM_RESOURCES}),
)
_BY_TITLE = {table.title: inside for table, inside in _INSIDE}


def inside(table: Table, field: str) -> Table | None:
    """The type of what a field holds, None for plain values and for what is refused as a whole."""
    return _BY_TITLE.get(table.title, {}).get(field)


@dataclass(frozen=True)
class Entry:
    """A field by its path; the kind itself has neither path nor field."""

    kind: str
    path: str = ""
    table: Table | None = None
    field: Field | None = None

    def fields(self) -> Iterator[Entry]:
        """What stands inside it."""
        holds = KINDS[self.kind]
        if self.field:
            assert self.table
            found = inside(self.table, self.field.name)
            if found is None:
                return
            holds = found
        for each in holds.fields:
            yield Entry(self.kind, f"{self.path}.{each.name}".lstrip("."), holds, each)


def find(text: str) -> Entry:
    """The field of a path such as 'pod.spec.containers.image', the kind in any case. Raises NotFoundError."""
    word, *names = text.split(".")
    kinds = {kind.lower(): kind for kind in KINDS} | _SHORT
    kind = kinds.get(word.lower())
    if kind is None:
        near = nearest(word.lower(), list(kinds))
        raise NotFoundError(f"there is no kind {word!r} that vmpod reads{near}")
    found = Entry(kind)
    for name in names:
        # As a path of a manifest is written.
        name = name.partition("[")[0]  # noqa: PLW2901
        fields = {each.field.name: each for each in found.fields() if each.field}
        if name not in fields:
            where = f"{kind}.{found.path}".rstrip(".")
            raise NotFoundError(f"{where} has no field {name!r}{nearest(name, list(fields))}")
        found = fields[name]
    return found


def everything(entry: Entry) -> Iterator[Entry]:
    """All that stands inside, at any depth, each before what it holds."""
    for each in entry.fields():
        yield each
        yield from everything(each)
