"""What a pod's machine is called, and what containers take over from their pod."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, pod, read_pod


@pytest.mark.parametrize(
    ("spec", "hostname", "fqdn"),
    [
        ({}, "p", ""),
        ({"hostname": "h"}, "h", ""),
        ({"subdomain": "s"}, "p", "p.s.default.svc.cluster.local"),
        ({"hostname": "h", "subdomain": "s"}, "h", "h.s.default.svc.cluster.local"),
        ({"subdomain": "s", "setHostnameAsFQDN": True}, *["p.s.default.svc.cluster.local"] * 2),
        ({"setHostnameAsFQDN": True}, "p", ""),
        ({"hostnameOverride": "a.example", "subdomain": "s", "hostname": "h"}, "a.example", ""),
    ],
)
def test_names_of_a_machine(spec: dict[str, Any], hostname: str, fqdn: str) -> None:
    found = read_pod(pod(**spec))
    assert (found.hostname, found.fqdn) == (hostname, fqdn)


def test_what_containers_have_of_their_pod() -> None:
    own = {"seccompProfile": {"type": "Unconfined"}, "runAsNonRoot": False}
    found = read_pod(
        pod(
            container(),
            container(name="own", securityContext=own),
            securityContext={"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True},
        )
    )
    every = [each.security for each in found.containers]
    assert [each.seccomp_profile for each in every] == ["RuntimeDefault", "Unconfined"]
    assert [each.run_as_non_root for each in every] == [True, False]


def test_an_optional_source_may_be_missing() -> None:
    sources = [{"configMap": {"name": "no", "optional": True}}, {"secret": {"name": "no", "optional": True}}]
    found = read_pod(pod(volumes=[{"name": "v", "projected": {"sources": sources}}]))
    assert [each.optional for each in found.volumes[0].source.sources] == [True, True]  # type: ignore[union-attr]
