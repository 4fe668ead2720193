"""The tables of containers and of what stands inside them."""

from __future__ import annotations

from typing import Any

from vmpod.spec.fields import noted, refused, table, works

EMPTY: tuple[Any, ...] = ([], {})

CONTAINER = table(
    "Container (also in initContainers)",
    works("name", "image", "command", "args", "ports", "env", "envFrom", "resources", "volumeMounts"),
    works("workingDir", text="an absolute path"),
    works("imagePullPolicy", text="`Always` for the tag latest or no tag, else `IfNotPresent`"),
    works("securityContext", text="see below"),
    refused("restartPolicy", why="containers that run beside the init steps are not possible yet"),
    refused("restartPolicyRules", "volumeDevices", absent=EMPTY),
    refused("livenessProbe", "readinessProbe", "startupProbe", why="vmpod cannot probe containers yet"),
    refused("lifecycle", why="vmpod cannot run hooks yet", absent=({},)),
    refused("terminationMessagePath", absent=("", "/dev/termination-log")),
    refused("terminationMessagePolicy", absent=("", "File")),
    works("stdin", text="`vmpod attach` writes to it"),
    works("stdinOnce", text="the standard input ends when the first `vmpod attach` does"),
    refused("tty", absent=(False,)),
    noted("resizePolicy", why="a running pod's resources cannot be changed", absent=EMPTY),
)

CONTAINER_SECURITY = table(
    "securityContext of a container",
    works("runAsUser", "runAsGroup", text="the pod's if not given, else the image's"),
    refused("runAsNonRoot", "privileged", "readOnlyRootFilesystem", absent=(False,)),
    refused("allowPrivilegeEscalation", absent=(True,)),
    refused("capabilities", absent=({}, {"add": [], "drop": []}, {"add": []}, {"drop": []})),
    refused("procMount", absent=("", "Default")),
    refused("seccompProfile", "appArmorProfile", absent=({"type": "Unconfined"},)),
    refused("seLinuxOptions", absent=({},)),
    refused("windowsOptions", why="only Linux pods run"),
)

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
    refused("fieldRef", "resourceFieldRef", "fileKeyRef"),
)
KEY_REF = table("configMapKeyRef, secretKeyRef", works("name", "key", "optional"))
ENV_FROM = table("envFrom", works("prefix", "configMapRef", "secretRef"))
ENV_FROM_REF = table("configMapRef, secretRef", works("name", "optional"))

RESOURCES = table("resources", works("requests", "limits"), refused("claims", absent=EMPTY))
AMOUNTS = table(
    "requests, limits",
    works("cpu", "memory"),
    refused("ephemeral-storage", "hugepages-2Mi", "hugepages-1Gi"),
    unknown="unknown resource: a machine has cpu and memory",
)

MOUNT = table(
    "volumeMounts",
    works("name", "mountPath", "readOnly"),
    works("subPath", text="a relative path without `..`"),
    refused("subPathExpr", absent=("",)),
    refused("recursiveReadOnly", absent=("", "Disabled")),
    refused("mountPropagation", absent=("", "None")),
)

# Refused as wholes by the tables above; listed so that the documentation is complete.
PROBE = table(
    "livenessProbe, readinessProbe, startupProbe",
    refused("exec", "httpGet", "tcpSocket", "grpc"),
    refused("initialDelaySeconds", "timeoutSeconds", "periodSeconds"),
    refused("successThreshold", "failureThreshold", "terminationGracePeriodSeconds"),
)
LIFECYCLE = table("lifecycle", refused("postStart", "preStop", "stopSignal"))
HOOK = table("postStart, preStop", refused("exec", "httpGet", "tcpSocket", "sleep"))

TABLES = (
    CONTAINER,
    CONTAINER_SECURITY,
    PORT,
    ENV,
    ENV_SOURCE,
    KEY_REF,
    ENV_FROM,
    ENV_FROM_REF,
    RESOURCES,
    AMOUNTS,
    MOUNT,
    PROBE,
    LIFECYCLE,
    HOOK,
)
