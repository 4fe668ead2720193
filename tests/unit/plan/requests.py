"""Requests for plans, on a host that is always the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vmpod.guestimage.model import GuestImage
from vmpod.oci.model import Image, ImageConfig
from vmpod.plan.host import Host, PathKind, Request, Resolver
from vmpod.plan.make import make_plan
from vmpod.plan.model import Accelerator, Planned
from vmpod.spec.jobpods import first_pod
from vmpod.spec.load import load
from vmpod.spec.model import Manifest

UID = "12345678-1234-5678-1234-567812345678"
GUEST = GuestImage(
    id="abc",
    kernel=Path("/guests/abc/kernel"),
    initrd=Path("/guests/abc/initrd"),
    root=Path("/guests/abc/root"),
    command_line={"tcg": "quiet nokaslr", "kvm": "quiet"},
)


def image(name: str, **config: Any) -> Image:
    """An image whose digest follows from its name."""
    digest = "sha256:" + name.encode().hex().ljust(64, "0")[:64]
    config = {"cmd": ("/bin/sh",)} | config
    return Image(digest, (name,), ImageConfig(**config), Path(f"/images/{digest[7:19]}.squashfs"), 8192)


IMAGES: dict[str, Image | None] = {
    "busybox": image("busybox"),
    "nginx:1.27": image(
        "nginx",
        entrypoint=("/docker-entrypoint.sh",),
        cmd=("nginx", "-g", "daemon off;"),
        env=(("PATH", "/usr/sbin:/usr/bin"), ("NGINX_VERSION", "1.27")),
        stop_signal="SIGQUIT",
    ),
    # Two names of one image.
    "localhost/fill:1": image("fill", entrypoint=("/bin/fill",), user="fill:fill", working_dir="/work"),
    "fill": image("fill", entrypoint=("/bin/fill",), user="fill:fill", working_dir="/work"),
    "absent": None,
}

DIRECTORIES: dict[str, PathKind] = {"/srv/media": "directory"}


def host(
    accelerator: Accelerator = "tcg",
    paths: Mapping[str, PathKind] | None = None,
    obstacles: Mapping[str, str] | None = None,
) -> Host:
    return Host(
        accelerator=accelerator,
        cpus=2,
        root=True,
        resolver=Resolver(("example.org",), ("ndots:2",)),
        host_paths=DIRECTORIES if paths is None else paths,
        obstacles=obstacles or {},
    )


def request(manifest: Manifest, **fields: Any) -> Request:
    base = Request(
        manifest=manifest,
        uid=UID,
        host=host(),
        guest=GUEST,
        images=IMAGES,
        state=Path("/state/pods/p"),
        sockets=Path("/run/vmpod/123456781234"),
    )
    return replace(base, **fields)


def plan_text(text: str, **fields: Any) -> Planned:
    """The plan of the only pod of a manifest."""
    manifest = load(text, source="f.yaml")
    return make_plan(manifest.pods[0], request(manifest, **fields), source="f.yaml")


def plans(text: str, **fields: Any) -> list[Planned]:
    """The plans of all pods of a manifest, and of each Job's first."""
    manifest = load(text, source="f.yaml")
    pods = [*manifest.pods, *map(first_pod, manifest.jobs)]
    return [make_plan(pod, request(manifest, **fields), source="f.yaml") for pod in pods]


def plan(*documents: dict[str, Any], **fields: Any) -> Planned:
    return plan_text("\n---\n".join(map(json.dumps, documents)), **fields)
