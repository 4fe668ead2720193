"""What is refused in a container, where, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, container, faults, only_fault, pod, secret

CONTAINER: list[tuple[dict[str, Any], str]] = [
    ({"name": "C"}, "name: 'C' must be at most 63"),
    ({"name": None}, "name: is required"),
    ({"image": ""}, "image: is required"),
    ({"image": 5}, 'image: must be a string, not a number: write it in quotes ("5")'),
    ({"command": "sh"}, "command: must be a list, not a string"),
    ({"args": ["a", None]}, "args[1]: must be a string, not nothing"),
    ({"args": ["a\0"]}, "args[0]: must not contain the character NUL"),
    ({"workingDir": "w"}, "workingDir: 'w' must be an absolute path"),
    ({"livenessProbe": {}}, "livenessProbe: needs exec or httpGet or tcpSocket or grpc"),
    ({"livenessProbe": {"exec": {}}}, "livenessProbe.exec.command: is required"),
    (
        {"livenessProbe": {"tcpSocket": {"port": 1}, "grpc": {"port": 1}}},
        "livenessProbe.grpc: must not be given together with tcpSocket",
    ),
    (
        {"livenessProbe": {"tcpSocket": {"port": "web"}}, "ports": [{"name": "wep", "containerPort": 1}]},
        "livenessProbe.tcpSocket.port: the container has no port 'web'; did you mean wep?",
    ),
    (
        {"livenessProbe": {"tcpSocket": {"port": 0}}},
        "livenessProbe.tcpSocket.port: must be between 1 and",
    ),
    (
        {"livenessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2}},
        "livenessProbe.successThreshold: must be 1 for a livenessProbe",
    ),
    (
        {"readinessProbe": {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 2}},
        "readinessProbe.terminationGracePeriodSeconds: must not be set for a readinessProbe",
    ),
    (
        {"readinessProbe": {"httpGet": {"port": 1, "httpHeaders": [{"name": "a b"}]}}},
        "readinessProbe.httpGet.httpHeaders[0].name: 'a b' is no name of an HTTP header",
    ),
    (
        {"readinessProbe": {"httpGet": {"port": 1, "path": "/\r\nHost: x"}}},
        "readinessProbe.httpGet.path: '/\\r\\nHost: x' must be printable characters without spaces",
    ),
    (
        {"readinessProbe": {"httpGet": {"port": 1, "scheme": "http"}}},
        "readinessProbe.httpGet.scheme: must be HTTP or HTTPS, not 'http'",
    ),
    ({"lifecycle": {"preStop": {}}}, "lifecycle.preStop: needs exec or httpGet or sleep"),
    (
        {"lifecycle": {"preStop": {"tcpSocket": {"port": 1}}}},
        "lifecycle.preStop.tcpSocket: is not supported: Kubernetes has given it up",
    ),
    ({"lifecycle": {"preStop": {"sleep": {}}}}, "lifecycle.preStop.sleep.seconds: is required"),
    ({"lifecycle": {"stopSignal": "SIGNONE"}}, "lifecycle.stopSignal: must be SIGABRT, "),
    ({"restartPolicy": "Sometimes"}, "restartPolicy: must be Always, OnFailure or Never, not 'Sometimes'"),
    (
        {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]},
        "restartPolicyRules: needs the container's own restartPolicy",
    ),
    (
        {
            "restartPolicy": "Never",
            "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [256]}}],
        },
        "restartPolicyRules[0].exitCodes.values[0]: must be between 0 and 255, not 256",
    ),
    (
        {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]},
        "restartPolicyRules[0].exitCodes: is required",
    ),
    ({"terminationMessagePath": "log"}, "terminationMessagePath: 'log' must be an absolute path"),
    ({"terminationMessagePolicy": "Logs"}, "terminationMessagePolicy: must be File or FallbackToLogsOnError"),
    ({"tty": "yes"}, "tty: must be true or false"),
    (
        {"securityContext": {"allowPrivilegeEscalation": False, "privileged": True}},
        "securityContext.allowPrivilegeEscalation: cannot be false for a container that is privileged",
    ),
    (
        {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"add": ["CAP_SYS_ADMIN"]}}},
        "securityContext.allowPrivilegeEscalation: cannot be false for a container that has",
    ),
    (
        {"securityContext": {"capabilities": {"drop": ["NET_ROW"]}}},
        "securityContext.capabilities.drop[0]: 'NET_ROW' is no capability; did you mean NET_RAW?",
    ),
    ({"securityContext": {"procMount": "None"}}, "securityContext.procMount: must be Default or Unmasked"),
    ({"env": [{"value": "x"}]}, "env[0].name: is required"),
    ({"env": [{"name": "é"}]}, "env[0].name: 'é' must be printable ASCII"),
    (
        {"env": [{"name": "A", "value": True}]},
        'env[0].value: must be a string, not a boolean: write it in quotes ("true")',
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]},
        "env[0].valueFrom.fieldRef.fieldPath: is required",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "x"}}}]},
        "env[0].valueFrom.configMapKeyRef.key: ConfigMap 'm' has no key 'x'",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "bin"}}}]},
        "env[0].valueFrom.configMapKeyRef.key: ConfigMap 'm' has no key 'bin'",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "raw"}}}]},
        "env[0].valueFrom.secretKeyRef.key: the value of 'raw' is not UTF-8 text",
    ),
    ({"env": [{"name": "A", "value": "x" * 200_000}]}, "env: the variable A is longer than 131071 bytes"),
    (
        {"env": [{"name": "A", "value": "x" * 100_000}], "args": ["$(A)$(A)"]},
        "args: grows beyond 131071 bytes",
    ),
    ({"envFrom": [{}]}, "envFrom[0]: needs configMapRef or secretRef"),
    (
        {"envFrom": [{"configMapRef": {"name": "m"}, "secretRef": {"name": "s"}}]},
        "envFrom[0].secretRef: must not be given together with configMapRef",
    ),
    (
        {"envFrom": [{"configMapRef": {"name": "mm"}}]},
        "envFrom[0].configMapRef.name: no ConfigMap 'mm' in this manifest, in the pod's namespace; did you",
    ),
    (
        {"envFrom": [{"prefix": "=", "configMapRef": {"name": "m"}}]},
        "envFrom[0].prefix: '=' must be printable ASCII",
    ),
    ({"ports": [{"containerPort": 0}]}, "ports[0].containerPort: must be between 1 and 65535, not 0"),
    ({"ports": [{"containerPort": 80.5}]}, "ports[0].containerPort: must be a whole number, not 80.5"),
    ({"ports": [{"containerPort": 80, "name": "8080"}]}, "ports[0].name: '8080' must be at most 15"),
    (
        {"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]},
        "ports[1].name: 'a' names another",
    ),
    (
        {"ports": [{"containerPort": 80, "hostIP": "localhost"}]},
        "ports[0].hostIP: 'localhost' must be an IP address",
    ),
    (
        {"ports": [{"containerPort": 80, "hostIP": "::1"}]},
        "ports[0].hostIP: '::1' is an IPv6 address, whose ports QEMU cannot publish",
    ),
    (
        {
            "ports": [
                {"containerPort": 80, "hostPort": 8},
                {"containerPort": 81, "hostPort": 8, "hostIP": "127.0.0.1"},
            ]
        },
        "ports[1].hostPort: TCP port 8 is published twice",
    ),
    (
        {"volumeMounts": [{"name": "v", "mountPath": "/."}]},
        "volumeMounts[0].mountPath: '/.' must not be the root",
    ),
    (
        {"volumeMounts": [{"name": "v", "mountPath": "/a:b"}]},
        "volumeMounts[0].mountPath: '/a:b' must not contain ':'",
    ),
    (
        {"volumeDevices": [{"name": "none", "devicePath": "/dev/a"}]},
        "volumeDevices[0].name: the pod has no volume 'none'",
    ),
    (
        {"volumeDevices": [{"name": "v", "devicePath": "/dev/a"}]},
        "volumeDevices[0].name: is no claim: only a persistentVolumeClaim can be a device",
    ),
    (
        {"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "/b"}]},
        "volumeMounts[0].subPath: '/b' must be a relative",
    ),
    (
        {"volumeMounts": [{"name": "v", "mountPath": "/a", "subPathExpr": "$(A)"}]},
        "volumeMounts[0].subPathExpr: the container has no variable A",
    ),
    (
        {"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a/"}]},
        "volumeMounts[1].mountPath: another volume is mounted at '/a'",
    ),
    (
        {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": 2}}},
        "resources.requests.cpu: must not be more than the limit",
    ),
    ({"resources": {"limits": {"memory": "512m"}}}, "resources.limits.memory: '512m' is a part of a byte"),
    ({"resources": {"limits": {"memory": True}}}, "resources.limits.memory: must be a quantity such as"),
    (
        {"resources": {"limits": {"hugepages-1Gi": "1Gi"}}},
        "resources.limits.hugepages-1Gi: is not supported: the guest has huge pages of 2 MiB alone",
    ),
    (
        {"resources": {"limits": {"hugepages-2Mi": "4Mi"}}},
        "resources.limits.hugepages-2Mi: who asks for huge pages must ask for cpu or memory",
    ),
    (
        {"resources": {"limits": {"hugepages-2Mi": "3Mi", "cpu": 1}}},
        "resources.limits.hugepages-2Mi: must be whole pages, a multiple of 2Mi",
    ),
    (
        {"resources": {"requests": {"hugepages-2Mi": "4Mi", "cpu": 1}}},
        "resources.requests.hugepages-2Mi: the limit and the request must be the same",
    ),
    (
        {"resources": {"requests": {"hugepages-2Mi": "2Mi"}, "limits": {"hugepages-2Mi": "4Mi", "cpu": 1}}},
        "resources.limits.hugepages-2Mi: the limit and the request must be the same",
    ),
    (
        {"securityContext": {"cgroupOptions": {"mountMode": "ReadWrite"}}},
        "securityContext.cgroupOptions: is not supported: a container reads its cgroup",
    ),
    (
        {"resources": {"limits": {"memroy": "1Gi"}}},
        "resources.limits.memroy: unknown resource: a machine has cpu, memory, ephemeral-storage and",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), CONTAINER)
def test_container(fields: dict[str, Any], expected: str) -> None:
    objects = (
        config_map(data={"k": "v"}, binaryData={"bin": "AA=="}),
        secret(data={"raw": "/w=="}),
    )
    found = only_fault(pod(container(**fields), volumes=[{"name": "v"}]), *objects)
    assert found.startswith(f"spec.containers[0].{expected}")


def test_references_stay_in_the_namespace() -> None:
    elsewhere = config_map() | {"metadata": {"name": "m", "namespace": "elsewhere"}}
    found = only_fault(pod(container(envFrom=[{"configMapRef": {"name": "m"}}])), elsewhere)
    assert "no ConfigMap 'm' in this manifest, in the pod's namespace" in found


def test_a_probe_that_asks_nothing_is_read_to_its_end() -> None:
    assert len(faults(pod(container(livenessProbe={"periodSeconds": "1", "timeoutSeconds": -1})))) == 3
