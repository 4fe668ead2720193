"""A real registry on loopback: Debian's docker-registry, on a free port, stopped in the end.

Plain HTTP, so clients need the registries.conf that Registry.write_client_config() writes; or TLS with the
certificate of a private CA.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER = "tester"
PASSWORD = "secret"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
_START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Registry:
    """A running registry. host: 'localhost:PORT'; root: its files; login: whether it wants one."""

    host: str
    root: Path
    login: bool

    def name(self, repository: str) -> str:
        """An image name here."""
        return f"{self.host}/{repository}"

    def push(self, source: str, repository: str, *options: str) -> None:
        """Copy an image (in skopeo's words, as `oci:DIR:NAME`) to repository[:tag]."""
        credentials = ["--dest-creds", f"{USER}:{PASSWORD}"] if self.login else []
        target = f"docker://{self.name(repository)}"
        argv = [
            "skopeo",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            *credentials,
            *options,
            source,
            target,
        ]
        subprocess.run(argv, check=True)

    def requests(self) -> list[str]:
        """What has been asked for so far: 'METHOD PATH' of every request, answered ones alone."""
        found = []
        for line in (self.root / "log").read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if entry.get("msg") == "response completed":
                    found.append(f"{entry['http.request.method']} {entry['http.request.uri']}")
        return found

    def write_client_config(self, directory: Path, *, insecure: bool = True) -> dict[str, str]:
        """Write a registries.conf and an auth file; the variables that make clients use them."""
        config = directory / "registries.conf"
        config.write_text(f'[[registry]]\nlocation = "{self.host}"\ninsecure = {str(insecure).lower()}\n')
        auth = directory / "auth.json"
        auth.write_text('{"auths": {}}')
        return {"CONTAINERS_REGISTRIES_CONF": str(config), "REGISTRY_AUTH_FILE": str(auth)}

    def log_in(self, variables: dict[str, str]) -> None:
        """Put the login into the auth file that write_client_config() made."""
        argv = ["skopeo", "login", "--tls-verify=false", "--authfile", variables["REGISTRY_AUTH_FILE"]]
        argv += ["--username", USER, "--password-stdin", self.host]
        subprocess.run(argv, input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def running_registry(
    root: Path, *, login: bool = False, certificate: Certificate | None = None
) -> Iterator[Registry]:
    """Start a registry that keeps its files in root, an empty directory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (root / "htpasswd").write_text(_HTPASSWD)
    config = root / "config.yml"
    config.write_text(_config(root, port, login=login, certificate=certificate))
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _wait(process, port, root / "log", tls=certificate is not None)
            yield Registry(f"localhost:{port}", root, login)
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and key, and the CA that signed it, all PEM files."""

    authority: Path
    certificate: Path
    key: Path


def make_certificate(directory: Path, name: str) -> Certificate:
    """A certificate for a host name and 'localhost', by a CA of its own."""
    found = Certificate(directory / "ca.crt", directory / "server.crt", directory / "server.key")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-x509"]
    authority = ["-subj", "/CN=Test CA", "-keyout", directory / "ca.key", "-out", found.authority]
    names = ["-addext", f"subjectAltName=DNS:{name},DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
    server = ["-subj", f"/CN={name}", "-CA", found.authority, "-CAkey", directory / "ca.key", *names]
    for words in (authority, [*server, "-keyout", found.key, "-out", found.certificate]):
        subprocess.run([*map(str, new), *map(str, words)], check=True, capture_output=True)
    return found


def _config(root: Path, port: int, *, login: bool, certificate: Certificate | None) -> str:
    auth = {"auth": {"htpasswd": {"realm": "test", "path": str(root / "htpasswd")}}} if login else {}
    tls: dict[str, object] = {}
    if certificate:
        tls = {"tls": {"certificate": str(certificate.certificate), "key": str(certificate.key)}}
    config = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(root / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"} | tls,
        **auth,
    }
    return json.dumps(config)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, *, tls: bool) -> None:
    end = time.monotonic() + _START_TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        try:
            scheme, context = ("https", ssl._create_unverified_context()) if tls else ("http", None)
            urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}/v2/", timeout=5, context=context).close()
        except urllib.error.HTTPError as error:
            error.close()
            return  # it answers that it wants a login
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"docker-registry did not start:\n{log.read_text()}")
