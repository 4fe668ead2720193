"""One pod with nearly everything in it: booted once for the tests that only look at a running pod."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.machine.harness import Vmpod, free_port
from tests.machine.manifests import Json, config_map, container, mount, pod, secret

NAME = "rich"

SECRETS = {"password": "correct-horse-battery-staple", "token": "a token\nof two lines with ünicode"}

# It ends when asked to, and forwards what others write to its output to the log.
SERVE = (
    "trap 'exit 0' TERM; httpd -p 80 -h /www; /probe/probe udp-echo 5353 & "
    "echo started; while :; do sleep 60 & wait $!; done"
)


@dataclass(frozen=True)
class RichPod:
    """The running pod. share, data: directories of the host that it has, the second read-only."""

    tcp: int
    udp: int
    extra: int
    share: Path
    data: Path
    memory: str


def prepare(vmpod: Vmpod, probe: Path) -> tuple[RichPod, list[Json], tuple[str, ...]]:
    """The pod to be, its documents, and the options to run it with."""
    share, data = vmpod.home / "share", probe.parent
    share.mkdir()
    share.chmod(0o777)
    (share / "theirs").write_text("from the host\n")
    if os.geteuid() == 0:
        os.chown(share / "theirs", 1234, 4321)
    (share / "theirs").chmod(0o640)
    found = RichPod(
        tcp=free_port(),
        udp=free_port(socket.SOCK_DGRAM),
        extra=free_port(),
        share=share,
        data=data,
        memory=str(96 * 2**20),
    )
    return found, _documents(found), ("--publish", f"127.0.0.1:{found.extra}:8080")


def compile_probe(directory: Path) -> Path:
    """Build probe.c for the guest, in a directory that every user there may enter."""
    directory.chmod(0o755)
    target = directory / "probe"
    source = Path(__file__).with_name("probe.c")
    subprocess.run(["gcc", "-O", "-Wall", "-Werror", "-static", source, "-o", target], check=True)
    return target


def traces() -> list[bytes]:
    """What must not be found anywhere on the host."""
    plain = [value.encode() for value in SECRETS.values()]
    return plain + [base64.b64encode(value) for value in plain] + [plain[1].split(b"\n")[1]]


def _documents(found: RichPod) -> list[Json]:
    pages = config_map("pages", {"index.html": "<h1>It works</h1>\n", "mode": "rich"})
    return [pages, secret("keys", SECRETS), _pod(found)]


def _pod(found: RichPod) -> Json:
    volumes = [
        {
            "name": "pages",
            "configMap": {"name": "pages", "items": [{"key": "index.html", "path": "index.html"}]},
        },
        {
            "name": "keys",
            "secret": {
                "secretName": "keys",
                "defaultMode": 0o400,
                "items": [
                    {"key": "password", "path": "deep/password", "mode": 0o440},
                    {"key": "token", "path": "t"},
                ],
            },
        },
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
        {"name": "share", "hostPath": {"path": str(found.share), "type": "Directory"}},
        {"name": "probe", "hostPath": {"path": str(found.data)}},
    ]
    return pod(
        NAME,
        _main(found),
        _side(found),
        volumes=volumes,
        restartPolicy="Always",
        hostname="wealthy",
        terminationGracePeriodSeconds=2,
    )


def _main(found: RichPod) -> Json:
    return container(
        "main",
        SERVE,
        ports=[
            {"containerPort": 80, "hostPort": found.tcp, "hostIP": "127.0.0.1"},
            {"containerPort": 5353, "hostPort": found.udp, "protocol": "UDP"},
        ],
        env=[
            {"name": "PLAIN", "value": "plain"},
            {"name": "JOINED", "value": "<$(PLAIN)> $(PASSWORD_TOO_LATE) $$(PLAIN)"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
            {"name": "URL", "value": "http://user:$(PASSWORD)@example"},
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "pages", "key": "mode"}}},
        ],
        envFrom=[
            {"prefix": "K_", "secretRef": {"name": "keys"}},
            {"prefix": "P_", "configMapRef": {"name": "pages"}},
        ],
        volumeMounts=[
            mount("pages", "/www"),
            mount("keys", "/keys"),
            mount("disk", "/work/disk"),
            mount("memory", "/work/memory"),
            mount("share", "/share"),
            mount("probe", "/probe", readOnly=True),
        ],
    )


def _side(found: RichPod) -> Json:
    return container(
        "side",
        "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done",
        securityContext={"runAsUser": 1000, "runAsGroup": 1001},
        resources={
            "limits": {"memory": found.memory, "cpu": "500m"},
            "requests": {"memory": "32Mi", "cpu": "250m"},
        },
        volumeMounts=[
            mount("disk", "/read", readOnly=True),
            mount("disk", "/part", subPath="below/here"),
            mount("share", "/share"),
            mount("probe", "/probe", readOnly=True),
        ],
    )
