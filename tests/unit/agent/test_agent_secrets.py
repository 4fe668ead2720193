"""Secrets that come later are known to be ones, so that they are taken out of what is told."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.unit.agent.harness import Host, StandInServices
from tests.unit.agent.standins import Agent
from tests.unit.agent.world import Make
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame
from vmpod_agent import layout
from vmpod_agent.secrets import Secrets


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def file(text: object) -> dict[str, object]:
    return {"path": "key", "mode": 0o644, "user": -1, "base64": text}


def volume(name: str, content: object) -> dict[str, object]:
    return {
        "name": name,
        "kind": "files",
        "size": 0,
        "group": -1,
        "always": False,
        "mode": 0o755,
        "files": [file(content)],
        "tag": "",
        "image": -1,
        "claim": -1,
    }


def test_what_takes_the_place_of_a_secret_is_one(
    make: Make,
    agent: Agent,
    host: Host,
    services: StandInServices,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "VOLUMES", str(tmp_path))
    env = [["PW", {"secret": "pw"}], ["COLOUR", "red"]]
    volumes = [volume("config", encoded("plain")), volume("secret", {"secret": "file"})]
    world = make("a", a={"env": env, "argv": ["sh", {"secret": "arg"}]}, volumes=volumes)
    secrets = Secrets({"pw": "old-password", "arg": "old-argument", "file": encoded("old-file")})
    services.secrets = secrets  # type: ignore[attr-defined]
    agent.pod, agent.services = world.pod, services
    told = {
        "containers": [
            {"name": "a", "argv": ["sh", "new-argument"], "env": [["PW", "new-password"], ["COLOUR", "blue"]]}
        ],
        "volumes": [
            {"name": "config", "files": [file(encoded("other"))]},
            {"name": "secret", "files": [file(encoded("new-file"))]},
        ],
    }
    for stream, password in ((1, "new-password"), (2, "newest-password")):
        told["containers"][0]["env"][0][1] = password  # type: ignore[index]
        host.request(stream, messages.UPDATE)
        host.send(Frame(frames.DATA, stream, messages.dump(told)), Frame(frames.EOF, stream))
        assert host.answer(stream)
    assert secrets.values() - {"old-password", "old-argument", encoded("old-file")} == {
        "new-argument",
        "new-password",
        "newest-password",
        encoded("new-file"),
    }
