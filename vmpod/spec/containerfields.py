"""The tables of containers and of what stands inside them."""

from __future__ import annotations

from typing import Any

from vmpod.spec.apishapes import SELINUX
from vmpod.spec.fields import differs, noted, refused, table, works

EMPTY: tuple[Any, ...] = ([], {})
NO_APPARMOR = "the guest has no AppArmor profiles; the machine is the boundary, and seccompProfile works"
NO_SELINUX = "the guest has no SELinux policy, as many a node; the machine is the boundary"
UNCONFINED: tuple[Any, ...] = ({"type": "Unconfined"}, {})

CONTAINER = table(
    "Container (also in initContainers)",
    works("name", "image", "command", "args", "ports", "env", "envFrom", "resources", "volumeMounts"),
    works("workingDir", text="an absolute path"),
    works("imagePullPolicy", text="`Always` for the tag latest or no tag, else `IfNotPresent`"),
    works("securityContext"),
    works("volumeDevices"),
    works(
        "restartPolicy",
        text="an init container with `Always` is a sidecar: what comes next starts once it has started, and "
        "it ends last",
    ),
    works("restartPolicyRules"),
    works("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
    works("terminationMessagePath", text="`/dev/termination-log` if not given"),
    works("terminationMessagePolicy", text="`File` or `FallbackToLogsOnError`"),
    works("stdin", text="`vmpod attach` writes to it"),
    works("stdinOnce", text="the standard input ends when the first `vmpod attach` does"),
    works("tty", text="`vmpod attach` gives it the size of its own terminal; Ctrl-P Ctrl-Q leaves it"),
    works("resizePolicy", text="what `vmpod resize` does"),
)

CONTAINER_SECURITY = table(
    "securityContext of a container",
    works("runAsUser", "runAsGroup", text="the pod's if not given, else the image's"),
    works(
        "runAsNonRoot",
        text="an image whose user is root, or has no number, is refused before anything starts",
    ),
    works(
        "privileged",
        text="all rights in the machine, which is the boundary: its devices, and all of /proc and /sys",
    ),
    works("readOnlyRootFilesystem"),
    works("allowPrivilegeEscalation", text="`false`: no program gives more rights than its caller has"),
    works(
        "capabilities",
        text="with or without CAP_; ALL stands for every one; a name wins over ALL, `drop` over `add`",
    ),
    works("procMount", text="`Default`, or `Unmasked`"),
    differs(
        "seccompProfile",
        text="`Unconfined` if not given; a Localhost profile is read from the directory seccomp where vmpod "
        "keeps its data; under a profile programs of 32 bits do not run",
    ),
    refused("appArmorProfile", why=NO_APPARMOR, absent=UNCONFINED),
    noted("seLinuxOptions", why=NO_SELINUX, absent=({},), shape=SELINUX),
    refused("windowsOptions", why="only Linux pods run"),
    refused(
        "cgroupOptions",
        why="a container reads its cgroup, and only a privileged one writes to it",
        absent=({"mountMode": "ReadOnly"}, {}),
    ),
)

RESIZE_POLICY = table("resizePolicy", works("resourceName", "restartPolicy"))
CAPABILITIES = table("capabilities", works("add", "drop"))
SECCOMP = table("seccompProfile", works("type", "localhostProfile"))

PORT = table(
    "ports",
    works("name", "containerPort"),
    works("protocol", text="`TCP` or `UDP`"),
    works("hostPort", text="the port is published on the host"),
    works("hostIP", text="the host's address to publish on; all if not given"),
)

ENV = table("env", works("name", "value", "valueFrom"))
ENV_SOURCE = table(
    "valueFrom of env",
    works("configMapKeyRef", "secretKeyRef"),
    differs(
        "fieldRef",
        text="the node is the host; `status.hostIP` is where the pod reaches it, 10.0.2.2, and in "
        "`vmpod get` where the host reaches what the pod publishes, 127.0.0.1",
    ),
    works("resourceFieldRef", text="without a limit: what the machine has"),
    differs("fileKeyRef", text="read when the container starts; `$(NAME)` does not stand for it"),
)
FIELD_REF = table("fieldRef", works("apiVersion", text="`v1`"), works("fieldPath"))
RESOURCE_REF = table("resourceFieldRef", works("containerName", "resource", "divisor"))
FILE_KEY_REF = table("fileKeyRef", works("volumeName", "path", "key", "optional"))
KEY_REF = table("configMapKeyRef, secretKeyRef", works("name", "key", "optional"))
ENV_FROM = table("envFrom", works("prefix", "configMapRef", "secretRef"))
ENV_FROM_REF = table("configMapRef, secretRef", works("name", "optional"))

RESOURCES = table(
    "resources",
    works("requests", "limits"),
    refused("claims", why="there are no devices to claim", absent=EMPTY),
)
MORE_CPUS = "where that is more than the host has, the machine has what the host has, and that is said"
MORE_MEMORY = (
    "requests beyond the host's memory are refused; of limits beyond it, the machine has what there is"
)
HUGE_PAGES = "set aside when the machine starts, which is as much larger; the host need not have any"
NO_LARGER_PAGES = "the guest has huge pages of 2 MiB alone; ask for hugepages-2Mi"
AMOUNTS = table(
    "requests, limits",
    works("cpu", text=MORE_CPUS),
    works("memory", text=MORE_MEMORY),
    works(
        "ephemeral-storage",
        text="what is written outside of volumes; beyond its limit the pod is Evicted",
    ),
    works("hugepages-2Mi", text=HUGE_PAGES),
    refused("hugepages-1Gi", why=NO_LARGER_PAGES),
    unknown="unknown resource: a machine has cpu, memory, ephemeral-storage and hugepages-2Mi",
)

MOUNT = table(
    "volumeMounts",
    works("name", "mountPath", "readOnly"),
    works("subPath", text="a relative path without `..`"),
    differs("subPathExpr", text="`$(NAME)` stands for variables of the container, but not for Secrets"),
    works("bindMountOptions", text="`noexec`, `nodev`, `nosuid`"),
    works("recursiveReadOnly", text="`Disabled`, `IfPossible` or `Enabled`"),
    differs(
        "mountPropagation",
        text="`None`, or `HostToContainer`, which is what a hostPath does anyway; `Bidirectional` is refused",
    ),
)
DEVICE = table(
    "volumeDevices",
    works("name", text="a volume that is a claim whose volumeMode is Block"),
    works("devicePath", text="who is not root may use it as one of the group 6 (disk)"),
)

PROBE = table(
    "livenessProbe, readinessProbe, startupProbe",
    works("exec", text="a command in the container; what it writes is told when it fails"),
    works("httpGet", "tcpSocket", "grpc", text="asked by the agent: nothing is needed in the image"),
    works("initialDelaySeconds", text="0 if not given"),
    works("timeoutSeconds", text="1 if not given; what takes longer is killed"),
    works("periodSeconds", text="10 if not given"),
    works("successThreshold", text="1 if not given"),
    works("failureThreshold", text="3 if not given"),
    works("terminationGracePeriodSeconds", text="the pod's if not given"),
)
LIFECYCLE = table(
    "lifecycle",
    works("postStart", "preStop"),
    works("stopSignal", text="the image's, or `SIGTERM`, if not given; the pod has to name its os"),
)
HOOK = table(
    "postStart, preStop",
    works("exec", "httpGet", "sleep"),
    refused("tcpSocket", why="Kubernetes has given it up, and does nothing for it; use httpGet or exec"),
)
EXEC = table("exec", works("command"))
HTTP_GET = table(
    "httpGet",
    works("path", text="`/` if not given"),
    works("port", text="a number, or the name of a port of the container"),
    works("host", text="the pod's address if not given"),
    works("scheme", text="`HTTP`, or `HTTPS`, whose certificate is not checked"),
    works("httpHeaders"),
    refused("protocol", why="probes speak HTTP/1.1"),
)
HTTP_HEADER = table("httpHeaders", works("name", "value"))
TCP_SOCKET = table(
    "tcpSocket",
    works("port", text="a number, or the name of a port of the container"),
    works("host", text="the pod's address if not given"),
)
GRPC = table(
    "grpc",
    works("port", "service"),
    works("mode", text="`Plaintext`, or `TLS`, whose certificate is not checked"),
)
SLEEP = table("sleep", works("seconds"))
RESTART_RULE = table("restartPolicyRules", works("action", "exitCodes"))
EXIT_CODES = table("exitCodes", works("operator", "values"))

TABLES = (
    CONTAINER,
    CONTAINER_SECURITY,
    CAPABILITIES,
    RESIZE_POLICY,
    SECCOMP,
    PORT,
    ENV,
    ENV_SOURCE,
    KEY_REF,
    FIELD_REF,
    RESOURCE_REF,
    FILE_KEY_REF,
    ENV_FROM,
    ENV_FROM_REF,
    RESOURCES,
    AMOUNTS,
    MOUNT,
    DEVICE,
    PROBE,
    LIFECYCLE,
    HOOK,
    EXEC,
    HTTP_GET,
    HTTP_HEADER,
    TCP_SOCKET,
    GRPC,
    SLEEP,
    RESTART_RULE,
    EXIT_CODES,
)
