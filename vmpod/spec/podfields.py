"""The tables of the pod and of the documents around it."""

from __future__ import annotations

from typing import Any

from vmpod.spec import apishapes as api
from vmpod.spec.containerfields import (
    HUGE_PAGES,
    MORE_CPUS,
    MORE_MEMORY,
    NO_APPARMOR,
    NO_LARGER_PAGES,
    NO_SELINUX,
    UNCONFINED,
)
from vmpod.spec.fields import differs, noted, refused, silent, table, works
from vmpod.spec.shapes import Many, Text, Whole

EMPTY: tuple[Any, ...] = ([], {})
ONE_NODE = "the pod runs on this one host, so there is nothing to choose"
BY_SERVER = "an API server sets this; vmpod sets its own"
NO_MOVES = "nothing moves a pod away from this host"
NO_ROOM = "no pod has to make room for another"

_TYPE = works("apiVersion", "kind", "metadata")

POD = table("Pod", _TYPE, works("spec"), silent("status", why="it says what was, not what is to be"))
CONFIG_MAP = table(
    "ConfigMap",
    _TYPE,
    works("data", "binaryData"),
    works(
        "immutable",
        text="`vmpod apply` refuses to change it for a pod that has it; `--replace` makes the pod anew",
    ),
)
SECRET = table(
    "Secret",
    _TYPE,
    works("data", "stringData"),
    works("type", text="the keys that a known type requires are checked"),
    differs(
        "immutable",
        text="`vmpod apply` refuses to take it back for a pod that has the Secret; other values are not "
        "noticed, as the host keeps none that they could be compared with",
    ),
)
LIST = table("List", _TYPE, works("items", text="each item is read as a document of its own"))
LIST_META = table(
    "metadata of a List",
    silent("resourceVersion", "selfLink", "continue", "remainingItemCount", why=BY_SERVER),
)

METADATA = table(
    "metadata",
    works("name"),
    works("labels", text="of a Pod, `vmpod apply` changes them in place"),
    works(
        "annotations",
        text="of a Pod, `vmpod apply` changes them in place, but `vmpod/machine-memory` and "
        "`vmpod/machine-cpus`, which make the machine larger than the pod needs",
    ),
    works("namespace", text="a part of the pod's name; `default` if not given"),
    differs(
        "generateName",
        text="of a Pod or a Job without a name: `vmpod run` adds five letters, as `kubectl create` does; "
        "`apply`, `diff` and `delete` need a name that can be found again, and so do other kinds",
    ),
    noted("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", why=BY_SERVER),
    noted("deletionGracePeriodSeconds", "selfLink", "managedFields", why=BY_SERVER),
    noted("ownerReferences", "finalizers", why="there is no API server that would follow it", absent=EMPTY),
)

POD_SPEC = table(
    "PodSpec",
    works("containers", "initContainers", "volumes", "restartPolicy"),
    works("hostname", text="the pod's name, cut to 63 characters, if not given"),
    works("terminationGracePeriodSeconds", text="30 if not given"),
    works("securityContext"),
    differs(
        "dnsPolicy",
        text="names are resolved as the host resolves them (`Default`), or as dnsConfig says (`None`); "
        "`ClusterFirst` is accepted with a note",
    ),
    works("dnsConfig", text="added to what the host has, or all there is with dnsPolicy `None`"),
    works("hostAliases"),
    differs("subdomain", text="in /etc/hosts; there is no cluster DNS to ask"),
    works("setHostnameAsFQDN", "hostnameOverride"),
    works("shareProcessNamespace"),
    differs("hostPID", text="the machine's processes, its agent among them"),
    differs("hostIPC", text="the machine's IPC, which all containers of a pod share anyway"),
    differs(
        "hostNetwork",
        text="the machine's network, which a pod's containers share anyway; ports are published on the host",
    ),
    refused("ephemeralContainers", why="they are added to a pod that runs: vmpod debug", absent=EMPTY),
    works("activeDeadlineSeconds"),
    refused("readinessGates", why="nothing here would ever set the condition", absent=EMPTY),
    works(
        "resources",
        text="the machine is as large as the pod's limits, which its containers share; `vmpod resize --pod` "
        "gives others",
    ),
    refused("resourceClaims", why="there are no devices to claim", absent=EMPTY),
    noted(
        "imagePullSecrets",
        why="images are pulled with the user's own registry logins",
        absent=EMPTY,
        shape=Many(api.REFERENCE),
    ),
    works("os", text="`linux`"),
    refused("schedulingGates", why="nothing would ever open the gate", absent=EMPTY),
    noted("nodeSelector", why=ONE_NODE, absent=EMPTY, shape=api.LABELS),
    noted("affinity", why=ONE_NODE, absent=EMPTY, shape=api.AFFINITY),
    noted("tolerations", why=ONE_NODE, absent=EMPTY, shape=Many(api.TOLERATION)),
    noted("topologySpreadConstraints", why=ONE_NODE, absent=EMPTY, shape=Many(api.SPREAD)),
    noted("workloadRef", why=ONE_NODE, absent=EMPTY),
    noted("schedulingGroup", why=ONE_NODE, absent=EMPTY, shape=api.SCHEDULING_GROUP),
    noted("nodeName", why=ONE_NODE, absent=("",), shape=api.NAME),
    noted("schedulerName", why=ONE_NODE, absent=("", "default-scheduler"), shape=api.NAME),
    noted("priority", why=NO_ROOM, absent=(0,), shape=Whole(-(2**31))),
    noted("priorityClassName", why=NO_ROOM, absent=("",), shape=api.NAME),
    noted(
        "preemptionPolicy",
        why=NO_ROOM,
        absent=("PreemptLowerPriority",),
        shape=Text(("PreemptLowerPriority", "Never")),
    ),
    noted("evictionResponders", why=NO_MOVES, absent=EMPTY, shape=Many(api.EVICTION_RESPONDER)),
    noted("overhead", why="it serves a scheduler's sums only", absent=EMPTY, shape=api.AMOUNTS),
    noted("runtimeClassName", why="every pod runs in a machine made by vmpod", absent=("",), shape=api.NAME),
    noted(
        "hostUsers",
        why="the pod's users are those of its own machine, never the host's",
        absent=(True,),
        shape=api.TRUTH,
    ),
    noted(
        "serviceAccountName",
        "serviceAccount",
        why="there is no API server to be somebody for",
        absent=("", "default"),
        shape=api.NAME,
    ),
    noted(
        "automountServiceAccountToken",
        why="there is no API server, so no token is mounted",
        absent=(False,),
        shape=api.TRUTH,
    ),
    silent("enableServiceLinks", why="Services have no addresses that could be told", shape=api.TRUTH),
)

OS = table("os", works("name", text="`linux`"))

POD_SECURITY = table(
    "securityContext of a pod",
    works("runAsUser", "runAsGroup", "runAsNonRoot", text="for containers that do not say it themselves"),
    works("supplementalGroups"),
    works(
        "supplementalGroupsPolicy",
        text="`Merge`, or `Strict`: without the groups that the image gives to the user",
    ),
    works("fsGroup", text="volumes that belong to the pod alone get this group; hostPath ones do not"),
    works(
        "fsGroupChangePolicy",
        text="`Always` if not given: a claim's files are given to the group before the containers start; "
        "`OnRootMismatch`: only if its top directory is not the group's",
    ),
    works(
        "sysctls", text="all of them, also those that Kubernetes calls unsafe: the kernel is the pod's own"
    ),
    works("seccompProfile", text="for containers that do not say it themselves"),
    refused("appArmorProfile", why=NO_APPARMOR, absent=UNCONFINED),
    noted("seLinuxOptions", why=NO_SELINUX, absent=EMPTY, shape=api.SELINUX),
    refused("windowsOptions", why="only Linux pods run"),
    noted(
        "seLinuxChangePolicy",
        why="it only means something with seLinuxOptions",
        shape=Text(("Recursive", "MountOption")),
    ),
)
SYSCTL = table("sysctls", works("name", "value"))
POD_RESOURCES = table(
    "resources of a pod",
    works("requests", "limits"),
    refused("claims", why="there are no devices to claim", absent=EMPTY),
)
POD_AMOUNTS = table(
    "requests, limits of a pod",
    works("cpu", text=MORE_CPUS),
    works("memory", text=MORE_MEMORY),
    works("hugepages-2Mi", text=f"{HUGE_PAGES}; containers that say no limit of their own share them"),
    refused("hugepages-1Gi", why=NO_LARGER_PAGES),
    works("pids", text="a limit alone, 128 to 16384: of processes and threads of all containers together"),
    unknown="unknown resource: a pod has cpu, memory, hugepages-2Mi and pids",
)
HOST_ALIAS = table("hostAliases", works("ip", "hostnames"))
DNS_CONFIG = table("dnsConfig", works("nameservers", "searches", "options"))
DNS_OPTION = table("options of dnsConfig", works("name", "value"))

TABLES = (
    POD,
    METADATA,
    POD_SPEC,
    OS,
    POD_RESOURCES,
    POD_AMOUNTS,
    HOST_ALIAS,
    DNS_CONFIG,
    DNS_OPTION,
    POD_SECURITY,
    SYSCTL,
)
