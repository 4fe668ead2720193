"""Pods that speak of Services, whose names lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, container, pod, read
from tests.unit.spec.test_spec_jobs import job


def service(name: str = "db", namespace: str = "default", **selector: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector}}


def notes(*documents: dict[str, Any]) -> list[str]:
    """Of the pods, without that of the Service itself."""
    return [note for each in read(*documents).pods for note in each.notes if "speaks of" in note]


def test_an_init_container_that_would_wait_for_ever() -> None:
    waiting = container(name="wait", command=["sh", "-c", "until nslookup db; do sleep 2; done"])
    (note,) = notes(service(), pod(container(), initContainers=[waiting]))
    assert note == (
        "spec.initContainers[0] speaks of the Service 'db', a name that leads nowhere: what waits for it "
        "waits for ever; a hostPort of its pod, of the same number, makes it lead there; or hostAliases that "
        "give it to the host (10.0.2.2)"
    )


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("db", True),
        ("db:5432", True),
        ("tcp://db", True),
        ("http://db/path", True),
        ("http://user:word@db/path", True),
        ("host=db;", True),
        ("until nc -z db.default.svc.cluster.local 1; do :; done", True),
        ("db.default", True),
        ("db.default.svc:80", True),
        ("db.other", False),
        ("/var/db", False),
        ("/db", False),
        ("db/migrate", False),
        ("db.sql", False),
        ("rails db:migrate", False),
        ("mydb", False),
        ("db-2", False),
        ("my-db", False),
    ],
)
def test_what_is_a_name(text: str, speaks: bool) -> None:
    found = notes(service(), pod(container(args=[text])))
    assert len(found) == speaks
    assert all("nothing answers to it" in note for note in found)


def test_variables_count() -> None:
    settings = config_map(data={"DB_HOST": "db"})
    direct = container(env=[{"name": "H", "value": "db"}])
    by_key = container(env=[{"name": "H", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "DB_HOST"}}}])
    every = container(envFrom=[{"configMapRef": {"name": "m"}}])
    for each in (direct, by_key, every):
        assert len(notes(service(), settings, pod(each))) == 1


def test_what_needs_no_note() -> None:
    speaking = container(args=["db"])
    own = pod(speaking)
    own["metadata"]["labels"] = {"app": "db", "tier": "x"}
    assert notes(service(app="db"), own) == []
    assert len(notes(service(app="other"), own)) == 1
    aliased = pod(speaking, hostAliases=[{"ip": "10.0.2.2", "hostnames": ["db", "db.default"]}])
    assert notes(service(), aliased) == []
    assert notes(service(namespace="shop"), pod(speaking)) == []
    assert len(notes(service(namespace="shop"), pod(container(args=["db.shop"])))) == 1
    assert notes({"apiVersion": "v1", "kind": "Service", "metadata": {"name": 5}}, pod(speaking)) == []
    assert len(notes(service() | {"spec": {"selector": ["x", 5]}}, pod(speaking))) == 1


def labelled(name: str, ports: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    document = pod(container(ports=ports), **spec)
    document["metadata"] = {"name": name, "labels": {"app": name}}
    return document


def addresses(*documents: dict[str, Any]) -> dict[str, list[str]]:
    """Each pod's host aliases, as 'ADDRESS NAME...'."""
    return {
        each.name: [f"{address} {' '.join(names)}" for address, names in each.host_aliases]
        for each in read(*documents).pods
    }


FULL = "db db.default db.default.svc db.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("port", "bound", "leads", "itself"),
    [
        ({"port": 80}, {"containerPort": 80, "hostPort": 80}, True, True),
        ({"port": 80}, {"containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.1"}, True, True),
        ({"port": 80, "targetPort": 8080}, {"containerPort": 8080, "hostPort": 80}, True, False),
        ({"port": 80, "targetPort": "web"}, {"containerPort": 9, "name": "web", "hostPort": 80}, True, False),
        ({"port": 80}, {"containerPort": 80, "hostPort": 8080}, False, True),
        ({"port": 80}, {"containerPort": 80, "hostPort": 80, "hostIP": "192.0.2.1"}, False, True),
        ({"port": 80}, {"containerPort": 80}, False, True),
        ({"port": 80, "targetPort": 81}, {"containerPort": 80, "hostPort": 80}, False, False),
    ],
)
def test_names_that_lead_to_ports_of_the_host(
    port: dict[str, Any], bound: dict[str, Any], leads: bool, itself: bool
) -> None:
    own = service(app="db") | {"spec": {"selector": {"app": "db"}, "ports": [port]}}
    found = addresses(own, labelled("db", [bound]), labelled("web", []))
    assert found == {
        "db": [f"127.0.0.1 {FULL}"] * itself,
        "web": [f"10.0.2.2 {FULL}"] * leads,
    }


def test_where_names_come_from() -> None:
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    own = service() | {"spec": {"selector": {"app": "db"}, "ports": ports}}
    both = [{"containerPort": each, "hostPort": each} for each in (80, 81)]
    assert addresses(own, labelled("db", both[:1]), labelled("web", []))["web"] == [], "one is missing"
    # What the pod says itself goes before.
    aliases = [{"ip": "192.0.2.1", "hostnames": ["db"]}]
    assert addresses(own, labelled("db", both), labelled("web", [], hostAliases=aliases))["web"] == [
        "192.0.2.1 db"
    ]
    other = labelled("web", [])
    other["metadata"]["namespace"] = "shop"
    assert addresses(own, labelled("db", both), other)["web"] == ["10.0.2.2 " + FULL.partition(" ")[2]]
    # It is kept with the pod, and can be read again without the Service.
    web = read(own, labelled("db", both), labelled("web", [])).pods[1]
    assert read(dict(web.document)).pods[0].host_aliases == web.host_aliases
    assert notes(own, labelled("db", both), pod(container(args=["db"]))) == []


def test_replicas_say_it_once() -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod(container(args=["db"]))["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": template},
    }
    assert len(notes(service(), deployment)) == 1
    assert len(notes(service(), deployment, pod(container(args=["db"])))) == 2


def test_jobs_as_well() -> None:
    document = job()
    document["spec"]["template"]["spec"]["containers"][0]["args"] = ["db"]
    namespace = document["metadata"].get("namespace", "default")
    (found,) = read(service(namespace=namespace), document).jobs
    assert any("speaks of the Service 'db'" in note for note in found.notes)
