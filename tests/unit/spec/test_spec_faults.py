"""What is refused, where, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, container, faults, pod, read, secret
from vmpod.errors import ManifestError
from vmpod.spec.load import load


def only(document: dict[str, Any], *others: dict[str, Any]) -> str:
    (fault,) = faults(document, *others)
    return fault


RESTARTING = {"resourceName": "cpu", "restartPolicy": "RestartContainer"}


def amount(of: str) -> dict[str, Any]:
    return {"resourceFieldRef": {"containerName": of, "resource": "limits.cpu"}}


SPEC: list[tuple[dict[str, Any], str]] = [
    ({"hostNetwork": 0}, "spec.hostNetwork: must be true or false, not a number"),
    (
        {
            "hostNetwork": True,
            "containers": [container(ports=[{"containerPort": 80, "hostPort": 8080}])],
        },
        "spec.containers[0].ports[0].hostPort: must be the containerPort where hostNetwork is true",
    ),
    (
        {"hostPID": True, "shareProcessNamespace": True},
        "spec.shareProcessNamespace: must not be true together with hostPID",
    ),
    ({"dnsPolicy": "None"}, "spec.dnsConfig: must name a server where dnsPolicy is None"),
    ({"dnsConfig": {"nameservers": ["x"]}}, "spec.dnsConfig.nameservers[0]: 'x' must be an IP address"),
    ({"dnsConfig": {"nameservers": ["1.1.1.1"] * 4}}, "spec.dnsConfig.nameservers: must be at most 3"),
    ({"dnsConfig": {"searches": ["a b"]}}, "spec.dnsConfig.searches[0]: 'a b' must be at most 253"),
    ({"dnsConfig": {"options": [{"value": "1"}]}}, "spec.dnsConfig.options[0].name: is required"),
    ({"hostAliases": [{"ip": "1.2.3", "hostnames": ["a"]}]}, "spec.hostAliases[0].ip: '1.2.3' must be an IP"),
    (
        {"hostAliases": [{"ip": "::1", "hostnames": ["A"]}]},
        "spec.hostAliases[0].hostnames[0]: 'A' must",
    ),
    ({"subdomain": "a.b"}, "spec.subdomain: 'a.b' must be at most 63"),
    (
        {"subdomain": "s" * 60, "setHostnameAsFQDN": True},
        "spec.setHostnameAsFQDN: makes the host name 'p.sss",
    ),
    ({"hostnameOverride": "x" * 65}, "spec.hostnameOverride: must be at most 64 characters"),
    (
        {"securityContext": {"sysctls": [{"name": "../x", "value": "1"}]}},
        "spec.securityContext.sysctls[0].name",
    ),
    (
        {"securityContext": {"sysctls": [{"name": "a/b", "value": "1"}, {"name": "a.b", "value": "1"}]}},
        "spec.securityContext.sysctls[1].name: 'a.b' is set twice",
    ),
    (
        {"securityContext": {"supplementalGroups": [-1]}},
        "spec.securityContext.supplementalGroups[0]: must",
    ),
    (
        {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
        "spec.securityContext.seccompProfile.localhostProfile: is required",
    ),
    (
        {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}}},
        "spec.securityContext.seccompProfile.localhostProfile: '../x' must not contain",
    ),
    (
        {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}},
        "spec.securityContext.appArmorProfile: is not supported: the guest has no AppArmor profiles",
    ),
    (
        {"hostnameOverride": "a", "hostNetwork": True},
        "spec.hostnameOverride: must not be given together with",
    ),
    ({"hostUsers": False, "hostPID": True}, "spec.hostPID: must not be true where hostUsers is false"),
    ({"dnsConfig": {"searches": ["_tcp.example.", ".", "a..b"]}}, "spec.dnsConfig.searches[2]: 'a..b' must"),
    (
        {"restartPolicy": "Never", "containers": [container(resizePolicy=[RESTARTING])]},
        "spec.containers[0].resizePolicy: RestartContainer is not for a pod whose restartPolicy is Never",
    ),
    (
        {"volumes": [{"name": "v", "downwardAPI": {"items": [{"path": "a"} | amount("d")]}}]},
        "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: the pod has no container 'd'",
    ),
    (
        {"containers": [container(env=[{"name": "A", "valueFrom": amount("d")}])]},
        "spec.containers[0].env[0].valueFrom.resourceFieldRef.containerName: the pod has no container 'd'",
    ),
    ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: must be between 1 and"),
    ({"dnsPolicy": "none"}, "spec.dnsPolicy: must be Default, ClusterFirst, ClusterFirstWithHostNet or None"),
    ({"os": {"name": "windows"}}, "spec.os.name: must be linux: only Linux pods run"),
    (
        {"containers": [container(lifecycle={"preStop": {"sleep": {"seconds": 31}}})]},
        "spec.containers[0].lifecycle.preStop.sleep.seconds: must be at most 30, the pod's termination",
    ),
    (
        {"nodeSelector": {"disk": "ssd", "kubernetes.io/os": "windows"}},
        "spec.nodeSelector['kubernetes.io/os']: must be linux: only Linux pods run",
    ),
    *(
        (
            {"resources": {"limits": {"pids": pids}}},
            "spec.resources.limits.pids: must be a whole number from 128",
        )
        for pids in (127, 16385, "128500m")
    ),
    ({"resources": {"limits": {"pids": "many"}}}, "spec.resources.limits.pids: 'many' must be a quantity"),
    (
        {"resources": {"requests": {"pids": 200}, "limits": {"pids": 200}}},
        "spec.resources.requests.pids: processes can be limited, and not requested",
    ),
    (
        {
            "resources": {"limits": {"memory": "1Gi", "hugepages-2Mi": "4Mi"}},
            "containers": [
                container(name=name, resources={"limits": {"memory": "1Mi", "hugepages-2Mi": "4Mi"}})
                for name in "ab"
            ],
        },
        "spec.resources.requests.hugepages-2Mi: must not be less than what the containers request together",
    ),
    (
        {
            "resources": {"limits": {"memory": "1Gi"}},
            "containers": [container(resources={"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi"}})],
        },
        "spec.containers[0].resources.limits.memory: must not be more than the pod's own limit",
    ),
    (
        {"containers": [container(lifecycle={"stopSignal": "SIGUSR1"})]},
        "spec.os: must be given where a container has a stopSignal",
    ),
    ({"container": []}, "spec.container: unknown field; did you mean containers?"),
    ({"RESTARTPOLICY": "Never"}, "spec.RESTARTPOLICY: unknown field; did you mean restartPolicy?"),
    ({"x" * 500: 1}, "spec." + "x" * 295 + ": unknown field"),
    ({"hostname": "a.b"}, "spec.hostname: 'a.b' must be at most 63 lower-case letters"),
    ({"terminationGracePeriodSeconds": -1}, "spec.terminationGracePeriodSeconds: must be between 0 and"),
    (
        {"securityContext": {"runAsUser": "0"}},
        "spec.securityContext.runAsUser: must be a whole number, not a string: write it without",
    ),
    ({"securityContext": {"runAsNonRoot": 1}}, "spec.securityContext.runAsNonRoot: must be true or false"),
    ({"securityContext": []}, "spec.securityContext: must be a mapping, not a list"),
    ({"volumes": {}}, "spec.volumes: must be a list, not a mapping"),
    (
        {"volumes": [{"name": "v"}, {"name": "v"}]},
        "spec.volumes[1].name: another volume has the name 'v' already",
    ),
    ({"volumes": [{}]}, "spec.volumes[0].name: is required"),
    (
        {"volumes": [{"name": "v", "csi": {}}]},
        "spec.volumes[0].csi: is not supported: it is storage of a cloud",
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]},
        "spec.volumes[0].secret: must not be given together with emptyDir",
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages"}}]},
        "spec.volumes[0].emptyDir.medium: no container asks for huge pages",
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages-1Gi"}}]},
        "spec.volumes[0].emptyDir.medium: must be '', Memory, HugePages or HugePages-2Mi",
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "-1"}}]},
        "spec.volumes[0].emptyDir.sizeLimit: must not be negative",
    ),
    (
        {"volumes": [{"name": "v", "hostPath": {"path": "/run/x", "type": "Socket"}}]},
        "spec.volumes[0].hostPath.type: a socket leads into the kernel that made it",
    ),
    (
        {"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]},
        "spec.volumes[0].hostPath.path: '/a/../b' must not contain '..'",
    ),
    ({"volumes": [{"name": "v", "hostPath": {"type": ""}}]}, "spec.volumes[0].hostPath.path: is required"),
    (
        {"volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "x", "path": "p"}]}}]},
        "spec.volumes[0].configMap.items[0].key: ConfigMap 'm' has no key 'x'",
    ),
    (
        {"volumes": [{"name": "v", "secret": {"secretName": "S"}}]},
        "spec.volumes[0].secret.secretName: 'S' must be at most 253",
    ),
    (
        {"volumes": [{"name": "v", "secret": {"secretName": "t"}}]},
        "spec.volumes[0].secret.secretName: no Secret 't' in this manifest",
    ),
    (
        {
            "volumes": [
                {
                    "name": "v",
                    "configMap": {
                        "name": "m",
                        "items": [{"key": "k", "path": "a"}, {"key": "k", "path": "./a/b"}],
                    },
                }
            ]
        },
        "spec.volumes[0].configMap.items[1].path: './a/b' stands in the way",
    ),
    (
        {"volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "a/"}]}}]},
        "spec.volumes[0].configMap.items[0].path: 'a/' must name a file",
    ),
    (
        {"volumes": [{"name": "v", "configMap": {"name": "m", "optional": "true"}}]},
        "spec.volumes[0].configMap.optional: must be true or false, not a string: write it without quotes",
    ),
    (
        {"volumes": [{"name": "v", "configMap": {"name": "m", "optional": {}}}]},
        "spec.volumes[0].configMap.optional: must be true or false, not a mapping",
    ),
    (
        {"initContainers": [container()]},
        "spec.containers[0].name: another container has the name 'c' already",
    ),
    ({"containers": []}, "spec.containers: a pod needs at least one container"),
    ({"containers": None}, "spec.containers: a pod needs at least one container"),
    (
        {"containers": [container(name=f"c{i}") for i in range(101)]},
        "spec.containers[100]: a pod can have at most 100 containers",
    ),
]


@pytest.mark.parametrize(("spec", "expected"), SPEC)
def test_spec(spec: dict[str, Any], expected: str) -> None:
    assert only(pod(**spec), config_map(data={"k": "v"}), secret()).startswith(expected)


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
    found = only(pod(container(**fields), volumes=[{"name": "v"}]), *objects)
    assert found.startswith(f"spec.containers[0].{expected}")


def test_every_fault_is_found_at_once() -> None:
    found = faults(pod(containers=[], hostPID="yes"), config_map(data={"": ""}), {"kind": "x"})
    assert [fault.partition(": ")[0] for fault in sorted(found)] == [
        "apiVersion",
        "data['']",
        "spec.containers",
        "spec.hostPID",
    ]


def test_host_ports_clash_across_containers() -> None:
    def publish(name: str, **port: Any) -> dict[str, Any]:
        return container(name=name, ports=[{"containerPort": 80, "hostPort": 8080} | port])

    assert faults(pod(publish("a", hostIP="127.0.0.1"), publish("b", hostIP="127.0.0.2"))) == []
    assert faults(pod(publish("a"), publish("b", protocol="UDP"))) == []
    assert only(pod(publish("a"), publish("b"))) == (
        "spec.containers[1].ports[0].hostPort: TCP port 8080 is published twice"
    )


OBJECTS: list[tuple[dict[str, Any], str]] = [
    (config_map(data={"..x": "v"}), "data['..x']: the key must be"),
    (config_map(data={"k": 1.5}), "data['k']: must be a string, not a number"),
    (config_map(data=[]), "data: must be a mapping, not a list"),
    (config_map(data={"k": "x" * (2**20 + 1)}), "data: holds 1048577 bytes, more than the 1048576"),
    (config_map(binaryData={"k": "a"}), "binaryData['k']: is not base64; plain text belongs into data"),
    (config_map(stringData={}), "stringData: unknown field"),
    (secret(data={"k": "hush!"}), "data['k']: is not base64; plain text belongs into stringData"),
    (secret(stringData={"k": 4711}), "stringData['k']: must be a string, not a number: write it in quotes"),
    (
        secret(type="kubernetes.io/tls", data={"tls.crt": ""}),
        "data: a Secret of its type needs the key 'tls.key'",
    ),
    (secret(type="kubernetes.io/basic-auth"), "data: a Secret of its type needs the key 'username' or"),
    (
        secret(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "hush"}),
        "data: the value of '.dockerconfigjson' must be JSON",
    ),
    (
        secret(type="kubernetes.io/service-account-token"),
        "type: a Secret of this type needs the annotation kubernetes.io/service-account.name",
    ),
    (
        config_map() | {"metadata": {"name": "p", "labels": {"-": "v"}}},
        "metadata.labels['-']: the key must be",
    ),
    (
        config_map() | {"metadata": {"name": "p", "annotations": {"a": "x" * 300_000}}},
        "metadata.annotations: must be at most 256 KiB",
    ),
    (config_map() | {"metadata": {}}, "metadata.name: is required"),
    (
        config_map() | {"metadata": {"name": "p", "annotations": ["a"]}},
        "metadata.annotations: must be a mapping, not a list",
    ),
    (
        config_map() | {"metadata": {"name": "p", "namespace": "a.b"}},
        "metadata.namespace: 'a.b' must be at most 63",
    ),
    (
        config_map() | {"metadata": {"name": "p", "generateName": 5}},
        "metadata.generateName: must be a string, not a number",
    ),
    (pod() | {"metadata": {"generateName": "A-"}}, "metadata.generateName: 'A-' begins a name, which must"),
    (config_map() | {"metadata": None}, "metadata: is required"),
    (config_map() | {"apiVersion": "v2"}, "apiVersion: must be v1 for a ConfigMap, not 'v2'"),
    (
        {"apiVersion": "batch/v1", "kind": "CronJob"},
        "kind: CronJob is not supported: nobody here watches the clock",
    ),
    (
        {"apiVersion": "v1", "kind": "pod"},
        "kind: 'pod' is not supported: only Pod, ConfigMap, Secret, List, PersistentVolumeClaim,",
    ),
    ({"apiVersion": "v1"}, "kind: is required"),
    ({"apiVersion": "v1", "kind": None}, "kind: must be a string, not nothing"),
    ({"apiVersion": "v1", "kind": "List", "items": ["x"]}, "items[0]: a document must be a mapping"),
    ({"apiVersion": "v1", "kind": "List", "metadata": {"name": "x"}}, "metadata.name: unknown field"),
]


@pytest.mark.parametrize(("document", "expected"), OBJECTS)
def test_other_documents(document: dict[str, Any], expected: str) -> None:
    found = only(pod(), document)
    assert found.startswith(expected)
    assert "4711" not in found
    assert "hush" not in found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("machine-memory", "much", "'much' must be a quantity"),
        ("machine-memory", "0", "must be a size such as 4Gi"),
        ("machine-memory", "5Ti", "must be a size such as 4Gi, and at most 4Ti"),
        ("machine-memory", 4, "must be a string, not a number"),
        ("machine-cpus", "0", "must be a whole number from 1 to 255"),
        ("machine-cpus", "256", "must be a whole number from 1 to 255"),
        ("machine-cpus", "1.5", "must be a whole number from 1 to 255"),
        ("machine-cpus", 2, "must be a string, not a number"),
        ("memory", "1Gi", "vmpod has no such annotation; it knows vmpod/machine-memory and"),
    ],
)
def test_what_is_asked_of_the_machine(name: str, value: object, expected: str) -> None:
    metadata = {"name": "p", "annotations": {f"vmpod/{name}": value}}
    (fault,) = faults(pod() | {"metadata": metadata})
    assert fault.startswith(f"metadata.annotations['vmpod/{name}']: {expected}")


def test_profiles_in_annotations_are_refused_as_the_fields_are() -> None:
    def annotated(value: object) -> dict[str, Any]:
        key = "container.apparmor.security.beta.kubernetes.io/c"
        return pod() | {"metadata": {"name": "p", "annotations": {key: value}}}

    assert "is not supported: the guest has no AppArmor profiles" in only(annotated("localhost/tight"))
    assert only(annotated("runtime/default")).startswith("metadata.annotations['container.apparmor.")
    assert faults(annotated("unconfined")) == faults(annotated(None)) == []


REQUESTS = [
    # What the pod requests, what its init containers do (s: a sidecar), what its containers do; is it enough?
    ("200m", [], ["100m", "100m"], True),
    ("200m", [], ["100m", "101m"], False),
    ("200m", ["200m", "200m"], ["150m"], True),
    ("200m", ["201m"], ["10m"], False),
    ("200m", ["s50m"], ["150m"], True),
    ("200m", ["s50m"], ["151m"], False),
    ("200m", ["150m", "s60m"], ["10m"], True),
    ("200m", ["s60m", "150m"], ["10m"], False),
    (None, [], ["100m"], True),
]


@pytest.mark.parametrize(("whole", "init", "running", "enough"), REQUESTS)
def test_a_pod_requests_what_its_containers_do(
    whole: str | None, init: list[str], running: list[str], enough: bool
) -> None:
    def requesting(number: int, amount: str) -> dict[str, Any]:
        sidecar = {"restartPolicy": "Always"} if amount.startswith("s") else {}
        resources = {"requests": {"cpu": amount.removeprefix("s")}}
        return container(name=f"c{number}", resources=resources, **sidecar)

    found = [requesting(number, amount) for number, amount in enumerate([*init, *running])]
    resources = {"requests": {"cpu": whole}} if whole else {}
    document = pod(*found[len(init) :], initContainers=found[: len(init)], resources=resources)
    told = "spec.resources.requests.cpu: must not be less than what the containers request together"
    assert faults(document) == ([] if enough else [told])


def test_references_stay_in_the_namespace() -> None:
    elsewhere = config_map() | {"metadata": {"name": "m", "namespace": "elsewhere"}}
    found = only(pod(container(envFrom=[{"configMapRef": {"name": "m"}}])), elsewhere)
    assert "no ConfigMap 'm' in this manifest, in the pod's namespace" in found


def test_a_probe_that_asks_nothing_is_read_to_its_end() -> None:
    assert len(faults(pod(container(livenessProbe={"periodSeconds": "1", "timeoutSeconds": -1})))) == 3


def test_names_are_unique() -> None:
    assert only(pod(), pod()) == "metadata.name: an earlier document is 'default/p' already"
    assert only(pod(), secret(), secret()) == "metadata.name: an earlier document is 's' already"


@pytest.mark.parametrize("text", ["", "---\n", "# nothing", "{}\n---\n{}"])
def test_a_pod_is_needed(text: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(text, source="f")
    assert "holds no Pod" in str(caught.value) or "is required" in str(caught.value)


def test_lists_in_lists_are_unfolded() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [pod()]}
    assert len(read({"apiVersion": "v1", "kind": "List", "items": [inner]}).pods) == 1


def test_names_that_are_made_up() -> None:
    """Of Pods and Jobs, where they have none."""
    ends = iter(("aaaaa", "bbbbb", "ccccc"))
    documents = [pod() | {"metadata": {"generateName": "x-"}} for _ in range(2)]
    documents.append(pod() | {"metadata": {"generateName": "x-", "name": "own"}})
    text = "\n---\n".join(json.dumps(each) for each in documents)
    found = load(text, source="f", suffix=lambda: next(ends))
    assert [(each.name, each.hostname) for each in found.pods] == [
        ("x-aaaaa", "x-aaaaa"),
        ("x-bbbbb", "x-bbbbb"),
        ("own", "own"),
    ]
    assert found.pods[0].document["metadata"] == {"generateName": "x-", "name": "x-aaaaa"}
    assert [problem.path for problem in found.unnamed] == ["metadata.generateName"] * 2
    # Where nothing is made of them, they may look the same.
    assert [each.name for each in load(text, source="f").pods] == ["x-xxxxx", "x-xxxxx", "own"]
    (long,) = read(pod() | {"metadata": {"generateName": "a" * 70}}).pods
    assert long.name == "a" * 58 + "xxxxx"
    for other in (config_map(), secret()):
        told = "is for Pods and Jobs: others are spoken of by their names; write metadata.name"
        assert f"metadata.generateName: {told}" in faults(pod(), other | {"metadata": {"generateName": "m-"}})
