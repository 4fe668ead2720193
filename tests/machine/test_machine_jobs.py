"""Jobs, each pod a machine: in the foreground, in the background, and with nobody who attends to them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.build import build, recipes
from tests.machine import manifests
from tests.machine.harness import CHECKOUT, Vmpod, eventually, kill
from tests.machine.manifests import container, secret
from tests.schemas import check
from vmpod.process import Process

Json = dict[str, Any]


class Jobs:
    """Makes Jobs that are removed in the end."""

    def __init__(self, vmpod: Vmpod, directory: Path) -> None:
        self._vmpod, self._directory = vmpod, directory
        self._names: list[str] = []

    def write(self, name: str, script: str, *more: Json, pod: Json | None = None, **spec: Any) -> str:
        """A file with a Job whose pods run the script."""
        self._names.append(name)
        inner = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
        inner |= {"containers": [container("main", script)]} | (pod or {})
        template = {"metadata": {"labels": {"app": name}}, "spec": inner}
        document = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
        path = self._directory / f"{name}.json"
        path.write_text(manifests.text(document | {"spec": {"template": template} | spec}, *more))
        return str(path)

    def get(self, name: str) -> Json:
        """The Job as `get -o json` tells it, which is as Kubernetes' schema says."""
        found: Json = json.loads(self._vmpod("get", f"job/{name}", "-o", "json").out)
        check(found)
        return found

    def status(self, name: str) -> Json:
        """Its status."""
        found: Json = self.get(name)["status"]
        return found

    def conditions(self, name: str) -> dict[str, str]:
        """Reasons by the conditions that are true."""
        conditions = self.status(name)["conditions"]
        return {each["type"]: each["reason"] for each in conditions if each["status"] == "True"}

    def pods(self, name: str) -> list[Json]:
        """Its pods, the oldest first."""
        found = json.loads(self._vmpod("get", "-l", f"app={name}", "-o", "json").out)["items"]
        return sorted(found, key=lambda each: str(each["metadata"]["creationTimestamp"]))

    def controller(self, name: str) -> int:
        """The process that attends to it."""
        rows = map(str.split, self._vmpod("get", f"job/{name}", "-o", "wide").lines)
        return next(int(row[5]) for row in rows if row[0] == name)

    def close(self) -> None:
        """Remove all of them."""
        for name in self._names:
            self._vmpod("delete", "--force", "--ignore-not-found", f"job/{name}")


@pytest.fixture
def jobs(vmpod: Vmpod, tmp_path: Path) -> Iterator[Jobs]:
    found = Jobs(vmpod, tmp_path)
    yield found
    found.close()


def test_in_the_foreground(vmpod: Vmpod, jobs: Jobs) -> None:
    """Three pods, two at a time, whose output passes by; then they are kept until the Job is removed."""
    path = jobs.write("sum", "hostname; sleep 2", completions=3, parallelism=2)
    done = vmpod("run", path)
    pods = jobs.pods("sum")
    names = [each["metadata"]["name"] for each in pods]
    assert sorted(done.lines) == sorted(f"{name}/main | {name}" for name in names)
    assert [each["status"]["phase"] for each in pods] == ["Succeeded"] * 3
    told = [line.split()[2:4] for line in vmpod("events", "job/sum").lines]
    assert ["Completed", "job/sum"] in told
    assert all(["Completed", f"pod/{name}/main"] in told for name in names)
    # The third has waited for one of the others.
    ended = [each["status"]["containerStatuses"][0]["state"]["terminated"] for each in pods]
    assert ended[1]["startedAt"] <= ended[0]["finishedAt"], "two at a time"
    assert ended[2]["startedAt"] >= min(ended[0]["finishedAt"], ended[1]["finishedAt"])
    uid = jobs.get("sum")["metadata"]["uid"]
    labels = pods[0]["metadata"]["labels"]
    assert labels == {
        "app": "sum",
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "sum",
        "controller-uid": uid,
        "job-name": "sum",
    }
    status = jobs.status("sum")
    assert (status["succeeded"], status["failed"], status["active"]) == (3, 0, 0)
    assert jobs.conditions("sum") == dict.fromkeys(("SuccessCriteriaMet", "Complete"), "CompletionsReached")
    assert vmpod("get", "jobs", "-q", "--filter", "status=complete").lines == ["job/sum"]
    assert sorted(vmpod("logs", "job/sum").lines) == sorted(done.lines)
    assert "there is a Job sum already" in vmpod("run", path, status=125).errors
    assert vmpod("delete", "job/sum").lines == ["job/sum deleted"]
    assert vmpod.leftovers() == []
    assert "there is no Job 'sum'" in vmpod("get", "job/sum", status=125).errors


SECRET_ENV = [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "words", "key": "one"}}}]


def test_in_the_background(vmpod: Vmpod, jobs: Jobs) -> None:
    """An Indexed Job whose controller is killed goes on with the next `apply`, and counts nothing twice."""
    script = "echo $JOB_COMPLETION_INDEX $(hostname) $WORD; sleep 6"
    told = {"containers": [container("main", script, env=SECRET_ENV)]}
    spec = {"completions": 3, "parallelism": 2, "completionMode": "Indexed"}
    path = jobs.write("each", "", secret("words", {"one": "hidden"}), pod=told, **spec)
    assert vmpod("apply", "-f", path).lines == ["job/each created"]
    controller = jobs.controller("each")
    assert vmpod("apply", "-f", path).lines == ["job/each unchanged"]
    assert jobs.controller("each") == controller
    eventually(lambda: jobs.status("each")["active"] == 2, "both pods")
    kill(controller)
    assert "Unattended" in vmpod("get", "jobs").text
    assert "nobody attends" in vmpod("wait", "job/each", "--for=condition=complete", status=125).errors
    assert vmpod("apply", "-f", path).lines == ["job/each continued"]
    assert vmpod("wait", "job/each", "--for=condition=complete").lines == ["job/each condition met"]

    assert len(jobs.pods("each")) == 3
    assert sorted(line.partition(" | ")[2] for line in vmpod("logs", "-f", "job/each").lines) == [
        f"{number} each-{number} hidden" for number in range(3)
    ]
    key = "batch.kubernetes.io/job-completion-index"
    assert sorted(each["metadata"]["annotations"][key] for each in jobs.pods("each")) == [
        "0",
        "1",
        "2",
    ]
    assert jobs.status("each")["completedIndexes"] == "0-2"
    assert "hidden" not in "".join(
        file.read_text(errors="replace") for file in (vmpod.home / "state/jobs/each").iterdir()
    )
    eventually(lambda: "Complete" in vmpod("get", "jobs", "-o", "wide").text, "its end")
    assert vmpod("apply", "-f", path).lines == ["job/each unchanged"], "it is over"
    # What cannot be changed is made anew.
    path = jobs.write("each", "exit 0", completions=1)
    assert "+  completions: 1" in vmpod("diff", "-f", path, status=1).lines
    assert "--replace" in vmpod("apply", "-f", path, status=125).errors
    assert vmpod("apply", "--replace", "-f", path).lines == ["job/each replaced"]
    assert vmpod("wait", "job/each").status == 0
    assert "1 Succeeded / 0 Failed" in vmpod("describe", "job/each").text
    assert vmpod("delete", "-f", path).lines == ["job/each deleted"]
    assert vmpod.leftovers() == []


def test_failures_up_to_the_limit(vmpod: Vmpod, jobs: Jobs) -> None:
    """The second try comes after ten seconds; the status is the container's."""
    path = jobs.write("bad", "echo no >&2; exit 7", backoffLimit=1)
    done = vmpod("run", "--quiet", path, status=7)
    first, second = jobs.pods("bad")
    names = [each["metadata"]["name"] for each in (first, second)]
    assert done.errors.splitlines() == [
        f"{names[0]}/main | no",
        f"vmpod: Pod {names[0]} has failed with exit code 7",
        f"{names[1]}/main | no",
        f"vmpod: Pod {names[1]} has failed with exit code 7",
        "vmpod: the Job bad failed: Job has reached the specified backoff limit (BackoffLimitExceeded)",
    ]
    assert jobs.conditions("bad") == dict.fromkeys(("FailureTarget", "Failed"), "BackoffLimitExceeded")
    assert jobs.status("bad")["failed"] == 2
    assert vmpod("wait", "job/bad", status=7).status == 7
    assert "has ended (Failed" in vmpod("wait", "job/bad", "--for=condition=complete", status=125).errors


def test_a_failure_that_ends_all(vmpod: Vmpod, jobs: Jobs) -> None:
    """By its exit code; what runs beside it is stopped."""
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    script = 'if [ "$JOB_COMPLETION_INDEX" = 1 ]; then exit 42; fi; while :; do sleep 1; done'
    path = jobs.write(
        "picky",
        script,
        completions=2,
        parallelism=2,
        completionMode="Indexed",
        podFailurePolicy={"rules": [rule]},
    )
    vmpod("run", path, status=42)
    assert jobs.conditions("picky")["Failed"] == "PodFailurePolicy"
    status = jobs.status("picky")
    assert (status["failed"], status["succeeded"], status["active"]) == (1, 0, 0)
    assert "Stopped" in vmpod("describe", "job/picky").text


def test_an_index_that_fails_for_itself(vmpod: Vmpod, jobs: Jobs) -> None:
    path = jobs.write(
        "some",
        '[ "$JOB_COMPLETION_INDEX" != 0 ]',
        completions=2,
        parallelism=2,
        completionMode="Indexed",
        backoffLimitPerIndex=0,
    )
    vmpod("run", path, status=1)
    status = jobs.status("some")
    assert (status["completedIndexes"], status["failedIndexes"]) == ("1", "0")
    assert jobs.conditions("some")["Failed"] == "FailedIndexes"


def test_enough_is_enough(vmpod: Vmpod, jobs: Jobs) -> None:
    """By the successPolicy: the leader's success is the Job's."""
    path = jobs.write(
        "led",
        '[ "$JOB_COMPLETION_INDEX" = 0 ] || while :; do sleep 1; done',
        completions=2,
        parallelism=2,
        completionMode="Indexed",
        successPolicy={"rules": [{"succeededIndexes": "0"}]},
    )
    vmpod("run", "--rm", path)
    assert vmpod.leftovers() == []


def test_a_deadline(vmpod: Vmpod, jobs: Jobs) -> None:
    path = jobs.write("slow", "while :; do sleep 1; done", activeDeadlineSeconds=4)
    done = vmpod("run", path, status=1)
    assert "Job was active longer than specified deadline (DeadlineExceeded)" in done.errors
    assert jobs.conditions("slow")["Failed"] == "DeadlineExceeded"


def test_one_of_another_name_goes_on(vmpod: Vmpod, jobs: Jobs) -> None:
    """By the command that began it, as `apply` would make one of the manifest's name."""
    path = jobs.write("original", "sleep 4")
    begin = ("run", "-d", "--quiet", "--name", "other", path)
    assert vmpod(*begin).lines == ["job/other"]
    assert "`vmpod run -d --name other FILE` goes on with it" in vmpod(*begin, status=125).errors
    kill(jobs.controller("other"))
    assert "run -d --name other FILE` goes on" in vmpod("wait", "job/other", status=125).errors
    assert vmpod(*begin).lines == ["job/other continued"]
    vmpod("wait", "job/other", "--for=condition=Complete")
    assert jobs.status("other")["succeeded"] == 1
    vmpod("delete", "job/other")


def test_interrupted_suspended_and_resumed(vmpod: Vmpod, jobs: Jobs) -> None:
    """Ctrl-C stops all, which is no failure; the Job is there, and `apply` goes on with it."""
    script = "echo up; [ -e /flag/go ] || while :; do sleep 1; done"
    flag = vmpod.home / "flag"
    flag.mkdir()
    volumes = [{"name": "flag", "hostPath": {"path": str(flag)}}]
    told = container("main", script, volumeMounts=[manifests.mount("flag", "/flag")])
    pod = {"containers": [told], "volumes": volumes}
    path = jobs.write("broken", "", pod=pod, completions=2, parallelism=2, backoffLimit=0)
    with vmpod.started("run", "--quiet", path) as running:
        running.until(b"up\n")
        running.signal(signal.SIGINT)
        done = running.end()
    assert done.status == 130
    assert b"the Job broken is not over" in done.err
    assert jobs.status("broken")["failed"] == 0
    assert "Unattended" in vmpod("get", "job/broken").text

    jobs.write("broken", "", pod=pod, completions=2, parallelism=2, backoffLimit=0, suspend=True)
    assert vmpod("apply", "-f", path).lines == ["job/broken configured"]
    assert vmpod("wait", "job/broken", "--for=condition=Suspended").status == 0
    assert "Suspended" in vmpod("get", "job/broken").text
    assert jobs.status("broken")["active"] == 0
    (flag / "go").touch()
    jobs.write("broken", "", pod=pod, completions=2, parallelism=2, backoffLimit=0)
    assert vmpod("apply", "-f", path).lines == ["job/broken configured"]
    vmpod("wait", "job/broken", "--for=condition=Complete")
    assert jobs.status("broken")["succeeded"] == 2


def test_removed_when_its_time_is_over(vmpod: Vmpod, jobs: Jobs) -> None:
    """By the process that attended to it."""
    path = jobs.write("brief", "exit 0", ttlSecondsAfterFinished=1)
    assert vmpod("run", "-d", path).lines == ["job/brief"]
    controller = jobs.controller("brief")
    assert vmpod("wait", "job/brief", "--for=delete").lines == ["job/brief deleted"]
    eventually(lambda: Process.of(controller) is None, "the controller's end")
    assert vmpod.leftovers() == []


def test_a_machine_that_dies_can_be_told_from_a_failure(vmpod: Vmpod, jobs: Jobs) -> None:
    """And a deleted Job takes along what runs, and who attends to it."""
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    script = "while :; do sleep 1; done"
    path = jobs.write("hardy", script, backoffLimit=0, podFailurePolicy={"rules": [rule]})
    vmpod("apply", "-f", path)
    (first,) = jobs.pods("hardy")
    kill(vmpod.qemu(first["metadata"]["name"]))
    eventually(lambda: jobs.status("hardy")["active"] == 0, "its end to be seen")
    eventually(lambda: jobs.status("hardy")["active"] == 1, "another")
    conditions = {each["type"]: each["status"] for each in jobs.pods("hardy")[0]["status"]["conditions"]}
    assert conditions["DisruptionTarget"] == "True"
    assert jobs.status("hardy")["failed"] == 0
    controller = jobs.controller("hardy")
    assert vmpod("delete", "job/hardy").lines == ["job/hardy deleted"]
    assert Process.of(controller) is None
    assert vmpod.leftovers() == []


@pytest.mark.slow
def test_the_example(vmpod: Vmpod) -> None:
    """All primes are counted, each once."""
    example = CHECKOUT / "examples/parallel-job"
    (recipe,) = recipes(example / "images.toml")
    if not recipe.archive.exists():
        build(recipe)
    vmpod("image", "load", str(recipe.archive))
    vmpod("run", str(example / "job.yaml"))
    lines = vmpod("logs", "job/primes").lines
    assert sum(int(line.split()[2]) for line in lines) == 2262
    assert len(lines) == 4
    vmpod("delete", "job/primes")
    assert vmpod.leftovers() == []
