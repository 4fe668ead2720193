"""The pods that a Job makes, as Kubernetes names and marks them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, read
from tests.unit.spec.test_spec_jobs import read_job
from vmpod.spec.jobpods import first_pod, job_pod, pod_name
from vmpod.spec.model import Pod

INDEX = "batch.kubernetes.io/job-completion-index"
LABELS = {
    "app": "sum",
    "batch.kubernetes.io/controller-uid": "u",
    "controller-uid": "u",
    "batch.kubernetes.io/job-name": "sum",
    "job-name": "sum",
}


def made(index: int | None = None, **spec: Any) -> Pod:
    return job_pod(read_job(**spec), "u", "sum-x", index, failures=2)


def indexed(pod: Any = None, **spec: Any) -> Pod:
    return made(3, pod=pod, completionMode="Indexed", completions=4, **spec)


def test_one_of_many() -> None:
    pod = made()
    assert (pod.namespace, pod.name, pod.hostname, pod.fqdn) == ("shop", "sum-x", "sum-x", "")
    assert (pod.labels, pod.annotations) == (LABELS, {"vmpod/owner": "Job/sum"})
    assert [each.env for each in pod.every_container] == [()]
    # What is written down can be read again as what it is.
    (again,) = read(dict(pod.document)).pods
    assert (again.name, again.labels, again.annotations) == (pod.name, pod.labels, pod.annotations)


def test_one_with_an_index() -> None:
    pod = indexed({"initContainers": [container(name="i")], "subdomain": "work"})
    assert pod.hostname == "sum-3"
    assert pod.fqdn == "sum-3.work.shop.svc.cluster.local"
    assert pod.labels == LABELS | {INDEX: "3"}
    assert pod.annotations == {"vmpod/owner": "Job/sum", INDEX: "3"}
    for each in pod.every_container:
        (variable,) = each.env
        assert (variable.name, variable.field_ref) == (
            "JOB_COMPLETION_INDEX",
            f"metadata.annotations['{INDEX}']",
        )
    (again,) = read(dict(pod.document)).pods
    assert again.every_container == pod.every_container
    assert (again.hostname, again.fqdn) == (pod.hostname, pod.fqdn)


def test_how_often_an_index_has_failed_is_told_where_that_is_limited() -> None:
    assert "batch.kubernetes.io/job-index-failure-count" not in indexed().annotations
    annotations = indexed(backoffLimitPerIndex=5).annotations
    assert annotations["batch.kubernetes.io/job-index-failure-count"] == "2"


def test_a_variable_of_that_name_is_the_manifests_own() -> None:
    own = [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]
    pod = indexed({"containers": [container(env=own)]})
    (found,) = pod.containers
    assert [each.value for each in found.env] == ["mine"]
    assert pod.document["spec"]["containers"][0]["env"] == own


@pytest.mark.parametrize(
    ("spec", "hostname", "fqdn"),
    [
        ({"hostname": "fixed"}, "fixed", ""),
        ({"subdomain": "d"}, "sum-x", "sum-x.d.shop.svc.cluster.local"),
        (
            {"subdomain": "d", "setHostnameAsFQDN": True},
            "sum-x.d.shop.svc.cluster.local",
            "sum-x.d.shop.svc.cluster.local",
        ),
        ({"hostnameOverride": "a.b"}, "a.b", ""),
    ],
)
def test_the_names_of_its_host(spec: dict[str, Any], hostname: str, fqdn: str) -> None:
    pod = made(pod=spec)
    assert (pod.hostname, pod.fqdn) == (hostname, fqdn)
    (again,) = read(dict(pod.document)).pods
    assert (again.hostname, again.fqdn) == (hostname, fqdn)


def test_names() -> None:
    job = read_job(name="n" * 63)
    assert pod_name(job, None, "abcde") == f"{'n' * 57}-abcde"
    assert pod_name(job, 12, "abcde") == f"{'n' * 54}-12-abcde"
    assert first_pod(read_job()).name == "sum-xxxxx"
    assert first_pod(read_job(completionMode="Indexed", completions=1)).name == "sum-0-xxxxx"
