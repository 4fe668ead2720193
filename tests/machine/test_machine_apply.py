"""From a directory of manifests to pods, again without a change, with one, and away."""

from __future__ import annotations

import json
from pathlib import Path

from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import config_map, container, pod
from tests.machine.pods import Pods


def test_apply(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    script = "echo $COLOUR; trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
    env = [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "paint", "key": "colour"}}}]
    (tmp_path / "pod.yaml").write_text(json.dumps(pod("painted", container("main", script, env=env))))
    paint = tmp_path / "paint.yaml"
    paint.write_text(json.dumps(config_map("paint", {"colour": "red"})))
    pods.adopt("painted")

    assert vmpod("apply", "-f", str(tmp_path)).lines == ["pod/painted created"]
    eventually(lambda: vmpod("logs", "painted").lines == ["red"], "its first word")
    uid = vmpod.record("painted")["uid"]
    assert vmpod("apply", "-f", str(tmp_path)).lines == ["pod/painted unchanged"]

    paint.write_text(json.dumps(config_map("paint", {"colour": "blue"})))
    done = vmpod("diff", "-f", str(tmp_path), status=1)
    assert {"-  colour: red", "+  colour: blue"} < set(done.lines)
    done = vmpod("apply", "-f", str(tmp_path), status=125)
    assert "+  colour: blue" in done.errors
    assert "--replace" in done.errors
    assert vmpod.record("painted")["uid"] == uid

    assert vmpod("apply", "--replace", "-f", str(tmp_path)).lines == ["pod/painted replaced"]
    eventually(lambda: vmpod("logs", "painted").lines == ["blue"], "its first word")
    assert vmpod.record("painted")["uid"] != uid
    assert vmpod("diff", "-f", str(tmp_path)).lines == []

    assert vmpod("delete", "-f", str(tmp_path)).lines == ["pod/painted deleted"]
    assert not vmpod.pod_directory("painted").exists()
