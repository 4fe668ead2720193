"""Commands that read manifests, up to where they would act."""

from __future__ import annotations

import functools
import http.server
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Vmpod
from tests.unit.golden import DIRECTORY
from tests.unit.spec.manifests import config_map, container, pod, secret
from tests.unit.state.records import RUNNING, agent, keep, one, record, whole
from vmpod.process import Process
from vmpod.runtime.documents import manifest_again
from vmpod.state.store import PodStore

FAULTY = """\
apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  containres: []
  containers:
    - name: c
      image: i
      imagePullPolicy: Sometimes
"""


def written(tmp_path: Path, *documents: Any) -> Path:
    path = tmp_path / "pod.yaml"
    path.write_text("\n---\n".join(each if isinstance(each, str) else json.dumps(each) for each in documents))
    return path


@pytest.mark.parametrize("command", ["run", "plan"])
def test_every_fault_is_told_with_its_place(command: str, vmpod: Vmpod, tmp_path: Path) -> None:
    path = written(tmp_path, FAULTY)
    result = vmpod(command, path)
    assert (result.status, result.out) == (125, "")
    first, second, last = result.err.splitlines()
    assert first.startswith(f"{path}:6: spec.containres: ")
    assert "containers" in first
    assert second.startswith(f"{path}:10: spec.containers[0].imagePullPolicy: ")
    assert last == "vmpod: the manifest has 2 faults; nothing was started [manifest]"
    assert not (tmp_path / "home").exists()


def test_standard_input_is_called_so(vmpod: Vmpod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FAULTY.encode())))
    assert "<stdin>:6: spec.containres: " in vmpod("plan", "-").err


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a: b\n\n# caf\xe9\n", ":3: is not UTF-8 text: byte 0xe9"),
        (b"", "holds no Pod"),
        (b"a: [", "pod.yaml:"),
        (b"x" * (16 * 1024 * 1024 + 1), "is larger than any manifest can be"),
    ],
)
def test_what_is_no_manifest(content: bytes, text: str, vmpod: Vmpod, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_bytes(content)
    result = vmpod("plan", path)
    assert result.status == 125
    assert text in result.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--name", "a", "{two}"], "has 2 pods, and they cannot share a name"),
        (["--name", "Upper", "{one}"], "--name Upper: "),
        (["--name", "../x", "{one}"], "--name ../x: "),
        (["-p", "80", "{one}"], "--publish 80: must be [IP:]HOST:POD[/tcp|/udp]"),
        (["--connect", "qemu+ssh://x/system", "{one}"], "not a QEMU driver of this host"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_options_that_cannot_be(
    command: str, words: list[str], text: str, vmpod: Vmpod, tmp_path: Path
) -> None:
    one = written(tmp_path, pod())
    two = tmp_path / "two.yaml"
    two.write_text("\n---\n".join(json.dumps(pod() | {"metadata": {"name": name}}) for name in "ab"))
    result = vmpod(command, *(word.format(one=one, two=two) for word in words))
    assert (result.status, result.out) == (125, "")
    assert text in result.err
    assert not (tmp_path / "home").exists()


def test_ports_cannot_be_published_for_several_pods(vmpod: Vmpod, tmp_path: Path) -> None:
    path = written(tmp_path, *(pod() | {"metadata": {"name": name}} for name in "ab"))
    assert "has 2 pods, and they cannot share a port" in vmpod("run", "-p", "1:1", path).err


def test_a_plan_shows_all_and_writes_nothing(vmpod: Vmpod, tmp_path: Path) -> None:
    path = DIRECTORY / "pods/web.yaml"
    shown = vmpod("plan", "--accel", "tcg", path)
    assert (shown.status, shown.err) == (0, "")
    plan = yaml.safe_load(shown.out)
    assert plan == json.loads(vmpod("plan", "--accel", "tcg", "-o", "json", path).out)
    (item,) = plan["items"]
    assert item["pod"]["name"] == "web"
    assert item["machine"]["accelerator"] == "tcg"
    assert vmpod("plan", "--accel", "tcg", path) == shown
    assert vmpod("plan", "--accel", "tcg", "-o", "xml", path).out.startswith("<domain ")
    assert not (tmp_path / "home").exists()


def test_secrets_are_not_in_what_plan_prints(vmpod: Vmpod, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DIRECTORY / "pods/secrets.yaml").read_text().replace("/srv/media", "/tmp")
    for output in ("yaml", "json", "xml"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        result = vmpod("plan", "-o", output, "-")
        assert result.status == 0, result.err
        assert "correct-horse" not in result.out
        assert "deadbeefcafe" not in result.out


def test_published_ports_and_other_names_are_planned(vmpod: Vmpod, tmp_path: Path) -> None:
    path = written(tmp_path, pod(container()))
    shown = vmpod("plan", "-p", "127.0.0.1:8080:80", "-p", "53:53/udp", "--name", "other", "-o", "json", path)
    (item,) = json.loads(shown.out)["items"]
    assert item["pod"]["name"] == "other"
    assert [each["host_port"] for each in item["machine"]["forwards"]] == [53, 8080]
    clash = vmpod("plan", "-p", "8080:80", "-p", "127.0.0.1:8080:81", path)
    assert clash.status == 125
    assert "host port 8080 is asked for twice" in clash.err


# validate, explain.


def test_validate_tells_every_fault_of_every_file(vmpod: Vmpod, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(json.dumps(pod(hostUsers=False)))
    bad.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: A}\nspec: {containers: []}\n")
    done = vmpod("validate", good)
    why = "the pod's users are those of its own machine, never the host's"
    assert done.status == 0
    assert done.out.splitlines() == [
        f"{good}: p: spec.hostUsers has no effect: {why}",
        f"{good}: valid (p)",
    ]
    done = vmpod("validate", bad, good, tmp_path / "none")
    assert done.status == 125
    assert done.out.splitlines()[0].startswith(f"{bad}:3: metadata.name: 'A' must be")
    assert done.out.splitlines()[1] == f"{bad}:4: spec.containers: a pod needs at least one container"
    assert "there is no file " + str(tmp_path / "none") in done.err
    found = json.loads(vmpod("validate", bad, "-o", "json").out)["items"]
    assert [(each["valid"], len(each["problems"])) for each in found] == [(False, 2)]
    assert found[0]["problems"][1]["line"] == 4


def test_validate_tells_names_that_no_image_can_have(vmpod: Vmpod, tmp_path: Path) -> None:
    """An API server takes them; no start would."""
    inside = {"containers": [container(image="<yours>")]}
    made = {"selector": {"matchLabels": {"a": "b"}}, "replicas": 2}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": inside}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}}
    job |= {"spec": {"template": {"spec": inside | {"restartPolicy": "Never"}}}}
    path = written(
        tmp_path, pod() | {"spec": inside}, deployment | {"spec": made | {"template": template}}, job
    )
    done = vmpod("validate", path)
    assert done.status == 125
    told = "containers[0].image: the image name '<yours>' is invalid: a repository is small letters"
    fields = [line.partition(": ")[2] for line in done.out.splitlines()]
    assert [field.partition(told)[:2] for field in fields] == [
        ("spec.template.spec.", told),
        ("spec.", told),
    ]


def test_explain(vmpod: Vmpod) -> None:
    told = vmpod("explain", "pod.spec.containers.livenessProbe.grpc").out
    assert told.splitlines()[:3] == [
        "KIND:    Pod",
        "FIELD:   spec.containers.livenessProbe.grpc",
        "CLASS:   works",
    ]
    assert "service" in told
    assert (
        vmpod("explain", "PO.spec.containers[0].image").out
        == vmpod("explain", "pod.spec.containers.image").out
    )
    everything = vmpod("explain", "configmap", "--recursive").out
    assert "    generateName" in everything
    refused = vmpod("explain", "pod.spec.schedulingGates").out
    assert "CLASS:   refused\nREMARK:  nothing would ever open the gate" in refused


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("pods.spec.contaners", "Pod.spec has no field 'contaners'; did you mean containers?"),
        ("cronjob", "there is no kind 'cronjob' that vmpod reads"),
        ("pod.spec.containers.image.x", "Pod.spec.containers.image has no field 'x'"),
    ],
)
def test_explain_of_what_is_not_there(path: str, told: str, vmpod: Vmpod) -> None:
    done = vmpod("explain", path)
    assert done.status == 125
    assert told in done.err


# Several files, directories, addresses; what is there and what is not.


def _split(tmp_path: Path) -> Path:
    """A directory whose pod uses a ConfigMap of another file."""
    directory = tmp_path / "manifests"
    (directory / "more").mkdir(parents=True)
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]
    (directory / "2-pod.yaml").write_text(json.dumps(pod(container(env=env))))
    (directory / "1-config.json").write_text(json.dumps(config_map(data={"k": "v"})))
    (directory / "README.md").write_text("not read")
    (directory / "more/other.yml").write_text(json.dumps(pod(container()) | {"metadata": {"name": "other"}}))
    return directory


def test_a_directory_is_one_manifest(vmpod: Vmpod, tmp_path: Path) -> None:
    directory = _split(tmp_path)
    done = vmpod("validate", directory)
    assert done.out.splitlines() == [
        f"{directory}/1-config.json: valid",
        f"{directory}/2-pod.yaml: valid (p)",
    ]
    assert "other.yml: valid (other)" in vmpod("validate", "-R", directory).out
    done = vmpod("validate", directory / "2-pod.yaml")
    assert (done.status, "no ConfigMap 'm' in this manifest" in done.out) == (125, True)
    (tmp_path / "empty").mkdir()
    assert "holds no file whose name ends in .yaml, .yml, .json" in vmpod("validate", tmp_path / "empty").err


def test_names_are_unique_across_files_and_each_fault_names_its_file(vmpod: Vmpod, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(pod()))
    done = vmpod("validate", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert f"{tmp_path}/b.yaml:1: metadata.name: an earlier document is 'default/p' already" in done.out
    assert f"{tmp_path}/a.yaml: valid" in done.out


def test_a_manifest_at_an_address(vmpod: Vmpod, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(json.dumps(pod()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        assert vmpod("validate", f"{address}/pod.yaml").out == f"{address}/pod.yaml: valid (p)\n"
        done = vmpod("apply", "-f", f"{address}/none.yaml")
        assert (done.status, "cannot be had: " in done.err) == (125, True)
        server.shutdown()


def test_diff_tells_what_apply_would_change(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]
    document, config = pod(container(env=env)), config_map(data={"k": "v"})
    path = written(tmp_path, document, config)
    assert vmpod("diff", "-f", path).out == "pod/p is not there\n"
    kept = config | {"metadata": {"name": "m", "namespace": "default"}, "binaryData": {}}
    keep(pods, record("p", document=document, config=(kept,)))
    done = vmpod("diff", "-f", path)
    assert (done.status, done.out) == (0, "")
    assert vmpod("apply", "-f", path, "--accel", "tcg").out == "pod/p unchanged\n"
    # What is no part of the pod does not matter to it.
    written(tmp_path, document, config, config_map("unused", data={"x": "y"}))
    assert vmpod("diff", "-f", path).status == 0
    written(tmp_path, document, config_map(data={"k": "new"}))
    done = vmpod("diff", "-f", path)
    assert done.status == 1
    assert done.out.splitlines()[:2] == ["--- pod/p (as it is)", f"+++ pod/p ({path})"]
    assert {"-  k: v", "+  k: new"} < set(done.out.splitlines())
    # Of a pod that does not run: its next start has the new one.
    assert vmpod("apply", "-f", path, "--accel", "tcg").out == "pod/p configured\n"
    assert vmpod("apply", "-f", path, "--accel", "tcg").out == "pod/p unchanged\n"
    written(tmp_path, pod(container(image="other")), config)
    done = vmpod("apply", "-f", path, "--accel", "tcg")
    assert (done.status, done.out) == (125, "")
    assert "+  - image: other" in done.err
    assert "the pod p is there already, and not as" in done.err


def test_pods_of_other_namespaces_are_told_as_commands_take_them(
    vmpod: Vmpod, pods: PodStore, tmp_path: Path
) -> None:
    document = pod() | {"metadata": {"name": "p", "namespace": "shop"}}
    path = written(tmp_path, document)
    assert vmpod("diff", "-f", path).out == "pod/shop/p is not there\n"
    with subprocess.Popen(["sleep", "60"]) as machine:
        running = record("p", namespace="shop", document=document, qemu=Process.of(machine.pid))
        keep(pods, running, agent(), one("main", RUNNING), whole("Running"))
        done = vmpod("run", "--accel", "tcg", path)
        assert "there is a pod shop/p already" in done.err
        assert "`vmpod rm shop/p`" in done.err
        assert "`vmpod rm --force shop/p`" in vmpod("rm", "shop/p").err
        machine.kill()
    assert "shop_p" not in vmpod("prune", "--dry-run").out
    (pods.directory("shop_p") / "pod.json").write_text("{")
    assert "`vmpod rm --force shop/p`" in vmpod("ps").err


def test_a_pod_that_is_stopped_gets_other_labels(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    keep(pods, record("p", document=pod()))
    path = written(tmp_path, pod() | {"metadata": {"name": "p", "labels": {"app": "new"}}})
    done = vmpod("diff", "-f", path)
    assert (done.status, "+    app: new" in done.out.splitlines()) == (1, True)
    assert vmpod("apply", "-f", path, "--accel", "tcg").out == "pod/p configured\n"
    assert vmpod("apply", "-f", path, "--accel", "tcg").out == "pod/p unchanged\n"
    assert vmpod("diff", "-f", path).status == 0
    assert vmpod("ps", "-a", "-l", "app=new", "-q").out == "p\n"
    # Its next start tells the containers of them.
    (again,) = manifest_again(pods.find("p").record, None).pods
    assert again.labels == {"app": "new"}


def test_what_is_immutable_stays(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    document = pod(container(envFrom=[{"configMapRef": {"name": "m"}}, {"secretRef": {"name": "s"}}]))
    config, keys = config_map(data={"k": "v"}), secret(stringData={"k": "v"})
    kept = config | {"metadata": {"name": "m", "namespace": "default"}, "binaryData": {}}
    keep(pods, record("p", document=document, config=(kept,)))

    def apply(*documents: dict[str, Any], labels: dict[str, str]) -> tuple[int, str]:
        labelled = document | {"metadata": {"name": "p", "labels": labels}}
        done = vmpod("apply", "-f", written(tmp_path, labelled, *documents), "--accel", "tcg")
        return done.status, done.out + done.err

    # From now on: what it was until then may change on the way.
    closed = config | {"data": {"k": "new"}, "immutable": True}
    assert apply(closed, keys | {"immutable": True}, labels={}) == (0, "pod/p configured\n")
    assert pods.find("p").record.immutable_secrets == ("s",)
    status, told = apply(closed | {"data": {"k": "newer"}}, keys, labels={"app": "new"})
    assert status == 125
    assert "pod.yaml: the ConfigMap m is immutable, and would change for the pod p: data.k" in told
    assert "pod.yaml: the Secret s is immutable, and would change for the pod p: immutable" in told
    assert "another name" in told
    # Nothing is half done.
    assert pods.find("p").record.document["metadata"]["labels"] == {}
    assert apply(closed, keys | {"immutable": True}, labels={}) == (0, "pod/p unchanged\n")
    done = vmpod("diff", "-f", written(tmp_path, document, closed, keys))
    assert "-immutable: true" in done.out.splitlines()


@pytest.mark.parametrize("command", ["apply", "diff", "delete"])
def test_a_name_that_is_made_up_is_not_found_again(vmpod: Vmpod, tmp_path: Path, command: str) -> None:
    path = written(tmp_path, pod() | {"metadata": {"generateName": "step-"}})
    assert "step-xxxxx" in vmpod("validate", path).out
    done = vmpod(command, "-f", path)
    assert done.status == 125
    assert f"{path}:1: metadata.generateName: makes another name each time" in done.err


def test_delete_removes_what_is_there(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    path = written(tmp_path, pod())
    keep(pods, record("p"))
    assert vmpod("delete", "-f", path).out == "pod/p deleted\n"
    assert pods.lookup("p") is None
    assert vmpod("delete", "-f", path).status == 125
    assert vmpod("delete", "-f", path, "--ignore-not-found").status == 0
