"""The tables of the pod and of the documents around it."""

from __future__ import annotations

from typing import Any

from vmpod.spec.fields import noted, refused, silent, table, works

EMPTY: tuple[Any, ...] = ([], {})
ONE_NODE = "the pod runs on this one host, so there is nothing to choose"
NO_API = "there is no API server, so nothing else reads it"
BY_SERVER = "an API server sets this; vmpod sets its own"
NO_MOVES = "nothing moves a pod away from this host"

_TYPE = works("apiVersion", "kind", "metadata")

POD = table("Pod", _TYPE, works("spec"), silent("status", why="it says what was, not what is to be"))
CONFIG_MAP = table(
    "ConfigMap", _TYPE, works("data", "binaryData"), silent("immutable", why="nothing changes it anyway")
)
SECRET = table(
    "Secret",
    _TYPE,
    works("data", "stringData"),
    works("type", text="the keys that a known type requires are checked"),
    silent("immutable", why="nothing changes it anyway"),
)
LIST = table("List", _TYPE, works("items", text="each item is read as a document of its own"))
LIST_META = table(
    "metadata of a List",
    silent("resourceVersion", "selfLink", "continue", "remainingItemCount", why=BY_SERVER),
)

METADATA = table(
    "metadata",
    works("name", "labels", "annotations"),
    works("namespace", text="a part of the pod's name; `default` if not given"),
    refused("generateName", why="a pod needs a name that later commands can use; write metadata.name"),
    noted("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", why=BY_SERVER),
    noted("deletionGracePeriodSeconds", "selfLink", "managedFields", why=BY_SERVER),
    noted("ownerReferences", "finalizers", why="there is no API server that would follow it", absent=EMPTY),
)

POD_SPEC = table(
    "PodSpec",
    works("containers", "initContainers", "volumes", "restartPolicy"),
    works("hostname", text="the pod's name, cut to 63 characters, if not given"),
    works("terminationGracePeriodSeconds", text="30 if not given"),
    works("securityContext", text="see below"),
    works(
        "dnsPolicy",
        text="names are always resolved as the host resolves them (`Default`); "
        "`ClusterFirst` is accepted with a note, `None` is refused",
    ),
    refused("ephemeralContainers", why="the API adds these to a pod that runs already", absent=EMPTY),
    works("activeDeadlineSeconds"),
    refused("readinessGates", "hostAliases", "dnsConfig", absent=EMPTY),
    refused("resources", "resourceClaims", "subdomain", "hostnameOverride", absent=("", *EMPTY)),
    refused("shareProcessNamespace", "setHostnameAsFQDN", absent=(False,)),
    refused(
        "hostNetwork",
        why="the pod is a machine with a network of its own; publish ports with hostPort",
        absent=(False,),
    ),
    refused(
        "hostPID", "hostIPC", why="the pod is a machine; it cannot see the host's processes", absent=(False,)
    ),
    refused(
        "imagePullSecrets",
        why="vmpod pulls with the user's own registry logins; use `skopeo login` or `podman login`",
        absent=EMPTY,
    ),
    works("os", text="`linux`"),
    refused("schedulingGates", why="nothing would ever open the gate", absent=EMPTY),
    noted("nodeSelector", "affinity", "tolerations", why=ONE_NODE, absent=EMPTY),
    noted("topologySpreadConstraints", "workloadRef", "schedulingGroup", why=ONE_NODE, absent=EMPTY),
    noted("nodeName", why=ONE_NODE, absent=("",)),
    noted("schedulerName", why=ONE_NODE, absent=("", "default-scheduler")),
    noted("priority", why="no pod has to make room for another", absent=(0,)),
    noted("priorityClassName", why="no pod has to make room for another", absent=("",)),
    noted("preemptionPolicy", why="no pod has to make room for another", absent=("PreemptLowerPriority",)),
    noted("evictionResponders", why=NO_MOVES, absent=EMPTY),
    noted("overhead", why="it serves a scheduler's sums only", absent=EMPTY),
    noted("runtimeClassName", why="every pod runs in a machine made by vmpod", absent=("",)),
    noted(
        "hostUsers",
        why="the pod's users are those of its own machine, never the host's",
        absent=(True,),
    ),
    noted(
        "serviceAccountName",
        "serviceAccount",
        why="there is no API server to be somebody for",
        absent=("", "default"),
    ),
    noted(
        "automountServiceAccountToken",
        why="there is no API server, so no token is mounted",
        absent=(False,),
    ),
    silent("enableServiceLinks", why="there are no Services whose addresses could be told"),
)

OS = table("os", works("name", text="`linux`"))

POD_SECURITY = table(
    "securityContext of a pod",
    works("runAsUser", "runAsGroup"),
    refused("runAsNonRoot", absent=(False,)),
    refused("supplementalGroups", "sysctls", "seLinuxOptions", absent=EMPTY),
    refused("fsGroup"),
    refused("supplementalGroupsPolicy", absent=("", "Merge")),
    refused("seccompProfile", "appArmorProfile", absent=({"type": "Unconfined"},)),
    refused("windowsOptions", why="only Linux pods run"),
    noted("fsGroupChangePolicy", why="it only means something with fsGroup"),
    noted("seLinuxChangePolicy", why="it only means something with seLinuxOptions"),
)

TABLES = (POD, METADATA, POD_SPEC, OS, POD_SECURITY)
