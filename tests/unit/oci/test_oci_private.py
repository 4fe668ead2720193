"""The first pull from a registry behind a proxy, with TLS by a private CA and a login."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.proxy import Proxy, running_proxy
from tests.registry import PASSWORD, USER, Certificate, Registry, make_certificate, running_registry
from tests.unit.oci.images import Layout, MadeImage, member, named, tar

ROOT = Path(__file__).parents[3]
HELLO = MadeImage([tar(member("hello", b"hello"))], {"Cmd": ["/hello"]})
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
HELPER = f"""#!/bin/sh
read -r server
[ "$server" = "$EXPECTED" ] || {{ echo "credentials not found in native keychain"; exit 1; }}
echo '{{"ServerURL": "", "Username": "{USER}", "Secret": "{PASSWORD}"}}'
"""


@dataclass(frozen=True)
class World:
    """The registry as clients know it, `registry.test:PORT`, and what stands before it."""

    host: str
    certificate: Certificate
    proxy: Proxy
    registry: Registry

    @property
    def name(self) -> str:
        return f"{self.host}/team/hello:1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("private")
    certificate = make_certificate(root, "registry.test")
    with running_registry(root, login=True, certificate=certificate) as registry:
        layout = Layout(root / "layout")
        layout.write(layout.manifest(HELLO, **named("x")))
        registry.push(f"oci:{layout.root}:x", "team/hello:1")
        port = int(registry.host.partition(":")[2])
        # A name that only the proxy knows; and Go never asks a proxy for names of this host.
        with running_proxy({f"registry.test:{port}": port}) as proxy:
            yield World(f"registry.test:{port}", certificate, proxy, registry)


@pytest.fixture
def settings(world: World, tmp_path: Path) -> dict[str, str]:
    """The variables of a user who has set up everything."""
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {world.host: {"auth": LOGIN}}}))
    return {
        "HTTPS_PROXY": f"http://{world.proxy.address}",
        "SSL_CERT_FILE": str(world.certificate.authority),
        "REGISTRY_AUTH_FILE": str(auth),
    }


def pull(world: World, home: Path, variables: dict[str, str], *wrapper: str) -> tuple[int, str]:
    """`vmpod image pull`, everything shown that can be; status and all it said."""
    mine = {"VMPOD_HOME": str(home), "VMPOD_DEBUG": "1", "PATH": os.environ["PATH"], "HOME": str(home)}
    argv = [*wrapper, sys.executable, "-m", "vmpod", "image", "pull", world.name]
    done = subprocess.run(argv, cwd=ROOT, env=mine | variables, check=False, capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_the_first_pull_works(world: World, tmp_path: Path, settings: dict[str, str]) -> None:
    home = tmp_path / "home"
    status, said = pull(world, home, settings)
    assert status == 0, said
    assert f"CONNECT {world.host}" in world.proxy.asked
    # The credentials stay where they are: in no argument, message, name or file of ours.
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    names = " ".join(map(str, home.rglob("*")))
    for secret in (PASSWORD, LOGIN):
        assert secret not in said
        assert secret.encode() not in kept
        assert secret not in names


def test_a_credential_helper_is_asked(world: World, tmp_path: Path, settings: dict[str, str]) -> None:
    helper = tmp_path / "tools/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(HELPER.replace("$EXPECTED", world.host))
    helper.chmod(0o755)
    Path(settings["REGISTRY_AUTH_FILE"]).write_text(json.dumps({"credHelpers": {world.host: "test"}}))
    status, said = pull(world, tmp_path / "home", settings)
    assert status == 125
    assert "the credential helper of registry.test" in said
    assert "REGISTRY_AUTH_FILE" in said
    path = f"{helper.parent}:{os.environ['PATH']}"
    status, said = pull(world, tmp_path / "home", settings | {"PATH": path})
    assert status == 0, said
    assert PASSWORD not in said


def test_a_directory_with_the_ca_can_be_named(world: World, tmp_path: Path, settings: dict[str, str]) -> None:
    directory = tmp_path / "certificates"
    directory.mkdir()
    shutil.copy(world.certificate.authority, directory)
    del settings["SSL_CERT_FILE"]
    status, said = pull(world, tmp_path / "home", settings | {"VMPOD_CERT_DIR": str(directory)})
    assert status == 0, said


@pytest.mark.skipif(os.geteuid() != 0, reason="another /etc needs root")
def test_the_ca_may_be_where_podman_looks(world: World, tmp_path: Path, settings: dict[str, str]) -> None:
    etc = tmp_path / "containers"
    shutil.copytree("/etc/containers", etc)
    (etc / "certs.d" / world.host).mkdir(parents=True)
    shutil.copy(world.certificate.authority, etc / "certs.d" / world.host / "ca.crt")
    del settings["SSL_CERT_FILE"]
    inside = f'mount --bind {etc} /etc/containers && exec "$@"'
    status, said = pull(
        world, tmp_path / "home", settings, "unshare", "--mount", "--", "sh", "-c", inside, "sh"
    )
    assert status == 0, said


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        ({"SSL_CERT_FILE": ""}, "certificate of registry.test:.* is not trusted", "VMPOD_CERT_DIR"),
        ({"REGISTRY_AUTH_FILE": "none"}, "denies access", "skopeo login registry.test"),
        ({"HTTPS_PROXY": "http://127.0.0.1:1"}, "cannot be reached", "proxy"),
    ],
)
def test_what_is_missing_is_told(
    world: World, tmp_path: Path, settings: dict[str, str], change: dict[str, str], reason: str, hint: str
) -> None:
    (tmp_path / "none").write_text("{}")
    for key, value in change.items():
        settings[key] = str(tmp_path / value) if value == "none" else value
    status, said = pull(world, tmp_path / "home", {key: value for key, value in settings.items() if value})
    assert status == 125
    error, advice = said.split("\nvmpod: ")[1].splitlines()[:2]
    assert re.search(reason, error), said
    assert hint in advice
    assert PASSWORD not in said
    images = tmp_path / "home/data/images"
    assert not [path for part in ("disks", "staging") for path in (images / part).glob("*")]


def test_a_proxy_may_want_a_login(world: World, tmp_path: Path, settings: dict[str, str]) -> None:
    port = int(world.host.partition(":")[2])
    with running_proxy({world.host: port}, login="me:proxypass") as proxy:
        status, said = pull(world, tmp_path / "home", settings | {"HTTPS_PROXY": f"http://{proxy.address}"})
        assert status == 125
        assert "the proxy wants a login" in said
        variables = settings | {"HTTPS_PROXY": f"http://me:proxypass@{proxy.address}"}
        status, said = pull(world, tmp_path / "home", variables)
        assert status == 0, said
        assert "proxypass" not in said
    with running_proxy({}) as empty:
        status, said = pull(world, tmp_path / "o", settings | {"HTTPS_PROXY": f"http://{empty.address}"})
        assert status == 125
        assert "cannot be reached" in said
