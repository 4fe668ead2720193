"""What is refused in a pod, where, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, faults, only_fault, pod

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
    assert only_fault(pod(**spec)).startswith(expected)


def test_host_ports_clash_across_containers() -> None:
    def publish(name: str, **port: Any) -> dict[str, Any]:
        return container(name=name, ports=[{"containerPort": 80, "hostPort": 8080} | port])

    assert faults(pod(publish("a", hostIP="127.0.0.1"), publish("b", hostIP="127.0.0.2"))) == []
    assert faults(pod(publish("a"), publish("b", protocol="UDP"))) == []
    assert only_fault(pod(publish("a"), publish("b"))) == (
        "spec.containers[1].ports[0].hostPort: TCP port 8080 is published twice"
    )


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
