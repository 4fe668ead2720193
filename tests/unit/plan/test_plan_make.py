"""Plans of whole manifests, kept as golden files, and what must hold for every plan."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.golden import DIRECTORY, compare_json
from tests.unit.plan.requests import IMAGES, host, image, plan, plan_text
from tests.unit.spec.manifests import config_map, container, pod, secret
from vmpod.errors import ManifestError
from vmpod.plan.containers import UNKNOWN_COMMAND
from vmpod.plan.show import to_json
from vmpod.wire import boot

PODS = sorted(DIRECTORY.glob("pods/*.yaml"))


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.stem)
def test_golden_plans(path: Path) -> None:
    planned = plan_text(path.read_text())
    shown = to_json(planned.plan)
    compare_json(f"plans/{path.stem}.json", shown | {"secret ids": sorted(planned.secrets)})
    assert boot.check(copy.deepcopy(shown["boot"])) == planned.plan.boot


def test_there_are_manifests() -> None:
    assert {path.stem for path in PODS} == {"hello", "web", "secrets"}
    assert {path.stem for path in DIRECTORY.glob("plans/*")} == {path.stem for path in PODS}


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.stem)
def test_the_same_manifest_gives_the_same_plan(path: Path) -> None:
    first, second = plan_text(path.read_text()), plan_text(path.read_text())
    assert first == second
    shuffled = dict(reversed(IMAGES.items()))
    assert plan_text(path.read_text(), images=shuffled) == first


def test_a_plan_is_plain_data() -> None:
    shown = to_json(plan(pod(container(image="busybox"))).plan)
    assert json.loads(json.dumps(shown)) == shown


# Secrets.

SECRET = st.text("ABCDEFabcdef0123456789_-", min_size=12, max_size=40).map(lambda text: f"s3cr3t{text}")


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), SECRET, min_size=1), st.booleans(), st.booleans())
def test_no_secret_is_in_a_plan(values: dict[str, str], as_env_from: bool, as_volume: bool) -> None:
    import base64  # noqa: PLC0415

    env = [{"name": f"V_{key}", "valueFrom": {"secretKeyRef": {"name": "s", "key": key}}} for key in values]
    env += [{"name": f"W_{key}", "value": f"before $(V_{key}) after"} for key in values]
    env += [{"name": f"X_{key}", "value": f"<$(W_{key})>"} for key in values]
    fields: dict[str, Any] = {
        "env": env,
        "command": ["run", *(f"--{key}=$(X_{key})" for key in values)],
        "args": [f"$(V_{key})" for key in values],
    }
    spec: dict[str, Any] = {}
    if as_env_from:
        fields["envFrom"] = [{"prefix": "E_", "secretRef": {"name": "s"}}]
    if as_volume:
        fields["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
        spec["volumes"] = [{"name": "v", "secret": {"secretName": "s"}}]
    both = plan(pod(container(image="busybox", **fields), **spec), secret(stringData=values))
    shown = json.dumps(to_json(both.plan)) + repr(both)
    for value in values.values():
        assert value not in shown
        assert base64.b64encode(value.encode()).decode() not in shown
        assert f"before {value} after" in both.secrets.values()
    assert references(both.plan.boot) == set(both.secrets)


def references(value: Any) -> set[str]:
    """The ids of the secrets that a boot document refers to."""
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            return {value["secret"]}
        return set().union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def test_secrets_of_two_containers_are_two() -> None:
    def user(name: str, key: str) -> dict[str, Any]:
        ref = {"secretKeyRef": {"name": "s", "key": key}}
        return container(name=name, image="busybox", env=[{"name": "P", "valueFrom": ref}], args=["$(P)"])

    planned = plan(pod(user("a", "x"), user("b", "y")), secret(stringData={"x": "one", "y": "two"}))
    assert planned.secrets == {
        "env/a/P": "one",
        "argv/a/0": "one",
        "env/b/P": "two",
        "argv/b/0": "two",
    }


# Command lines. Source of the table: Kubernetes, "Define a Command and Arguments for a Container".


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "command", "args", "argv"),
    [
        (["/ep-1"], ["foo", "bar"], None, None, ["/ep-1", "foo", "bar"]),
        (["/ep-1"], ["foo", "bar"], ["/ep-2"], None, ["/ep-2"]),
        (["/ep-1"], ["foo", "bar"], None, ["zoo", "boo"], ["/ep-1", "zoo", "boo"]),
        (["/ep-1"], ["foo", "bar"], ["/ep-2"], ["zoo", "boo"], ["/ep-2", "zoo", "boo"]),
        ([], ["foo"], None, None, ["foo"]),
        (["/ep-1"], [], None, None, ["/ep-1"]),
        ([], ["foo"], None, ["zoo"], ["zoo"]),
        ([], [], ["/ep-2"], None, ["/ep-2"]),
    ],
)
def test_commands_and_arguments(
    entrypoint: list[str], cmd: list[str], command: list[str] | None, args: list[str] | None, argv: list[str]
) -> None:
    fields = {name: value for name, value in (("command", command), ("args", args)) if value is not None}
    images = {"i": image("i", entrypoint=tuple(entrypoint), cmd=tuple(cmd))}
    planned = plan(pod(container(image="i", **fields)), images=images)
    assert planned.plan.boot["containers"][0]["argv"] == argv


def test_only_the_manifests_words_are_expanded() -> None:
    images = {"i": image("i", entrypoint=("$(A)",), cmd=("$(A)",), env=(("E", "$(A)"),))}
    env = [{"name": "A", "value": "x"}]
    argv = plan(pod(container(image="i", env=env)), images=images).plan.boot["containers"][0]["argv"]
    assert argv == ["$(A)", "$(A)"]
    found = plan(pod(container(image="i", env=env, args=["$(A)", "$$(A)"])), images=images)
    assert found.plan.boot["containers"][0]["argv"] == ["$(A)", "x", "$(A)"]


def test_a_container_without_any_command_is_refused_by_its_path() -> None:
    images = {"i": image("i", cmd=())}
    with pytest.raises(ManifestError) as error:
        plan(
            pod(container(image="i", command=["x"]), container(name="d", image="i"),
                initContainers=[container(name="e", image="i")]),
            images=images,
        )  # fmt: skip
    assert [str(problem) for problem in error.value.problems] == [
        "f.yaml: spec.initContainers[0].command: the image i has none either",
        "f.yaml: spec.containers[1].command: the image i has none either",
    ]


def test_an_image_that_is_not_here_yet_is_said_to_be_so() -> None:
    planned = plan(pod(container(image="absent", workingDir="/w")))
    assert planned.plan.images[0].digest is None
    assert planned.plan.boot["containers"][0]["argv"] == [UNKNOWN_COMMAND]


# Environment, user, directory.


def environment(*documents: dict[str, Any], **config: Any) -> dict[str, Any]:
    planned = plan(*documents, images={"i": image("i", **config)})
    return {str(name): value for name, value in planned.plan.boot["containers"][0]["env"]}


def test_the_manifests_variables_replace_the_images() -> None:
    env = [{"name": "A", "value": "manifest"}, {"name": "HOSTNAME", "value": "mine"}]
    found = environment(pod(container(env=env)), env=(("A", "image"), ("B", "image")))
    assert found == {"HOSTNAME": "mine", "A": "manifest", "B": "image"}


def test_the_host_name_is_a_variable() -> None:
    assert environment(pod())["HOSTNAME"] == "p"
    assert environment(pod(container(), hostname="h"))["HOSTNAME"] == "h"


def test_config_maps_are_told_openly() -> None:
    ref = {"configMapKeyRef": {"name": "m", "key": "k"}}
    found = environment(pod(container(env=[{"name": "A", "valueFrom": ref}])), config_map(data={"k": "v"}))
    assert found["A"] == "v"


@pytest.mark.parametrize(
    ("image_user", "pod_context", "own_context", "user"),
    [
        ("", {}, {}, ""),
        ("www:data", {}, {}, "www:data"),
        ("www:data", {"runAsUser": 5}, {}, "5"),
        ("www:data", {"runAsUser": 5}, {"runAsUser": 6}, "6"),
        ("www:data", {"runAsUser": 5}, {"runAsUser": 0}, "0"),
        ("www:data", {"runAsGroup": 7}, {}, "www:7"),
        ("www:data", {"runAsGroup": 7}, {"runAsGroup": 8}, "www:8"),
        ("", {"runAsGroup": 7}, {}, "0:7"),
        ("", {"runAsUser": 5, "runAsGroup": 0}, {}, "5:0"),
    ],
)
def test_users(image_user: str, pod_context: dict[str, int], own_context: dict[str, int], user: str) -> None:
    documents = pod(container(image="i", securityContext=own_context), securityContext=pod_context)
    planned = plan(documents, images={"i": image("i", user=image_user)})
    assert planned.plan.boot["containers"][0]["user"] == user


def test_mounts_lie_in_order_of_depth() -> None:
    mounts = [{"name": "v", "mountPath": path} for path in ("/a/b/c", "/a", "/z", "/a/b")]
    documents = pod(container(image="busybox", volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}])
    found = plan(documents).plan.boot["containers"][0]["mounts"]
    assert [mount["path"] for mount in found] == ["/a", "/z", "/a/b", "/a/b/c"]


# hostPath.


@pytest.mark.parametrize(
    ("kind", "type_", "fault"),
    [
        ("directory", "", None),
        ("directory", "Directory", None),
        ("directory", "DirectoryOrCreate", None),
        ("missing", "DirectoryOrCreate", None),
        ("missing", "", "/srv does not exist; type DirectoryOrCreate makes it"),
        ("missing", "Directory", "/srv does not exist; type DirectoryOrCreate makes it"),
        ("missing", "File", "/srv does not exist; type FileOrCreate makes it"),
        ("file", "DirectoryOrCreate", "/srv is a file, not a directory"),
        ("directory", "File", "/srv is a directory, not a file"),
        ("directory", "FileOrCreate", "/srv is a directory, not a file"),
        ("socket", "", "/srv: a socket leads into the kernel that made it"),
        ("socket", "File", "/srv is a socket, not a file"),
        ("char-device", "", "/srv: a device belongs to the machine that has it"),
    ],
)
def test_host_paths(kind: Any, type_: str, fault: str | None) -> None:
    documents = pod(
        container(image="busybox"), volumes=[{"name": "v", "hostPath": {"path": "/srv", "type": type_}}]
    )
    if fault is None:
        (share,) = plan(documents, host=host(paths={"/srv": kind})).plan.machine.shares
        assert (share.path, share.tag) == (Path("/srv"), "share0")
        return
    with pytest.raises(ManifestError) as error:
        plan(documents, host=host(paths={"/srv": kind}))
    (problem,) = error.value.problems
    assert problem.path == "spec.volumes[0].hostPath"
    assert fault in problem.message


@pytest.mark.parametrize(
    ("kind", "type_"), [("file", ""), ("file", "File"), ("file", "FileOrCreate"), ("missing", "FileOrCreate")]
)
def test_a_file_is_shared_by_a_directory_of_the_pod(kind: Any, type_: str) -> None:
    """So that nothing beside it can be reached; and the agent is told that it is a file."""
    documents = pod(
        container(image="busybox", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        volumes=[{"name": "v", "hostPath": {"path": "/srv/f", "type": type_}}],
    )
    planned = plan(documents, host=host(paths={"/srv/f": kind}))
    (share,) = planned.plan.machine.shares
    assert (share.path, share.file) == (Path("/state/pods/p/files/share0"), Path("/srv/f"))
    (volume,) = planned.plan.boot["volumes"]
    assert (volume["kind"], volume["tag"]) == ("shared-file", "share0")


def test_a_file_that_cannot_be_shared_is_told() -> None:
    documents = pod(
        container(image="busybox", volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "x"}]),
        volumes=[{"name": "v", "hostPath": {"path": "/srv/f"}}],
    )
    with pytest.raises(ManifestError) as error:
        plan(documents, host=host(paths={"/srv/f": "file"}, obstacles={"/srv/f": "it is far away"}))
    assert [(each.path, each.message) for each in error.value.problems] == [
        ("spec.volumes[0].hostPath", "it is far away"),
        ("spec.containers[0].volumeMounts[0].subPath", "the volume v is a file: nothing is below it"),
    ]


@pytest.mark.parametrize(("writes", "read_only"), [(True, False), (False, True)])
def test_a_share_that_nobody_writes_is_read_only(writes: bool, read_only: bool) -> None:
    mounts = [
        {"name": "v", "mountPath": "/a", "readOnly": True},
        {"name": "v", "mountPath": "/b", "readOnly": not writes},
    ]
    documents = pod(
        container(image="busybox", volumeMounts=mounts),
        volumes=[{"name": "v", "hostPath": {"path": "/srv/media"}}],
    )
    assert plan(documents).plan.machine.shares[0].read_only is read_only


def test_there_is_a_limit_of_shares() -> None:
    def many(count: int) -> dict[str, Any]:
        volumes = [{"name": f"v{n}", "hostPath": {"path": "/srv/media"}} for n in range(count)]
        return pod(container(image="busybox"), volumes=[{"name": "e", "emptyDir": {}}, *volumes])

    assert len(plan(many(18)).plan.machine.shares) == 18
    with pytest.raises(ManifestError, match=r"spec\.volumes\[19\]\.hostPath: a machine takes at most 18"):
        plan(many(19))


def test_more_cpus_than_the_host_has_are_noted() -> None:
    """And the machine gets what there is: more would take turns, and a hundred do not boot."""

    def made(**resources: dict[str, str]) -> tuple[int, tuple[str, ...]]:
        found = plan(pod(container(image="busybox", resources=resources))).plan
        return found.machine.cpus, found.notes

    assert made(limits={"cpu": "2"}) == (2, ())
    assert made(limits={"cpu": "100"}, requests={"cpu": "2"}) == (
        2,
        ("the pod may use 100 CPUs, and the host has 2; its machine has 2",),
    )
    assert made(requests={"cpu": "99500m"}) == (
        2,
        ("Insufficient cpu: the pod requests 100 CPUs, and the host has 2; its machine has 2",),
    )


def test_an_annotation_gets_more_cpus_than_the_host_has() -> None:
    document = pod(container(image="busybox"))
    document["metadata"]["annotations"] = {"vmpod/machine-cpus": "5"}
    found = plan(document).plan
    assert found.machine.cpus == 6
    assert found.notes == ("the pod may use 5 CPUs, and the host has 2; its machine has 6",)


def test_limits_beyond_the_hosts_memory_are_noted() -> None:
    """What is requested is looked for at the start: see preflight."""

    def made(request: str) -> tuple[int, tuple[str, ...]]:
        resources = {"limits": {"memory": "100Gi"}, "requests": {"memory": request}}
        small = replace(host(), memory=3900 << 20)
        found = plan(pod(container(image="busybox", resources=resources)), host=small).plan
        assert found.boot["containers"][0]["memory"] == 100 << 30
        return found.machine.memory >> 20, found.notes

    note = "the pod may use 102400 MiB of memory, and the host has 3900 MiB with its swap; "
    note += "its machine has {} MiB"
    assert made("1Gi") == (3584, (note.format(3584),))
    # Between two sizes: exactly what is requested, and what the guest takes.
    assert made("3700Mi") == (3828, (note.format(3828),))
    assert made("5Gi")[0] == 5248


def test_a_pod_is_told_what_its_machine_has() -> None:
    env = [{"name": "N", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]
    resources = {"requests": {"cpu": "64"}}
    found = plan(pod(container(image="busybox", env=env, resources=resources))).plan.boot
    assert ["N", "2"] in found["containers"][0]["env"]


def test_huge_pages_of_the_pod_as_a_whole() -> None:
    """What its containers do not limit they share."""
    own = {"limits": {"memory": "64Mi", "hugepages-2Mi": "4Mi"}}
    containers = [{"name": "a", "image": "busybox", "resources": own}, {"name": "b", "image": "busybox"}]
    whole = {"limits": {"memory": "256Mi", "hugepages-2Mi": "16Mi"}}
    spec = {"containers": containers, "resources": whole}
    boot = plan({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}).plan.boot
    assert boot["huge_pages"] == 16 * 2**20
    assert [each["huge_pages"] for each in boot["containers"]] == [4 * 2**20, 16 * 2**20]
