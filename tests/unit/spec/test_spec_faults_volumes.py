"""What is refused in volumes, where, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, only_fault, pod, secret

VOLUMES: list[tuple[dict[str, Any], str]] = [
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
]


@pytest.mark.parametrize(("spec", "expected"), VOLUMES)
def test_volumes(spec: dict[str, Any], expected: str) -> None:
    assert only_fault(pod(**spec), config_map(data={"k": "v"}), secret()).startswith(expected)
