"""What registries are reached through: proxies, certificates, and a registry itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry import running_registry
from tests.unit.doctor.hosts import CERTIFICATE, Place, nobody
from vmpod.doctor import certificates, proxy, registry
from vmpod.doctor.model import Finding
from vmpod.errors import UsageError


def proxies(place: Place, **variables: str) -> Finding:
    return proxy.proxies(replace(place.host, environ=variables))


def test_no_proxies(place: Place) -> None:
    assert proxies(place, no_proxy="*").evidence == "none set"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example:3128", "proxy.example:3128"),
        ("https://proxy.example", "https://proxy.example"),
        ("socks5://[::1]:1080/", "socks5://[::1]:1080/"),
        ("http://user:pass%40word@proxy.example:1", "http://proxy.example:1"),
        ("user:pass@proxy.example:1", "proxy.example:1"),
        ("http://proxy.example/\x1b[1m", "http://proxy.example/?[1m"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_proxies_that_are_addresses(name: str, value: str, shown: str, place: Place) -> None:
    found = proxies(place, **{name: value})
    assert (found.state, found.evidence) == ("ok", f"{name}={shown}")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("http://proxy.example:port", "its port is no number up to 65535"),
        ("http://proxy.example:99999", "its port is no number up to 65535"),
        ("http://proxy.example:0", "its port is 0"),
        ("ftp://proxy.example", "its scheme is none of http, https, socks5, socks5h"),
        ("http://", "names no host"),
        ("http://:3128", "names no host"),
        ("http://my proxy:1", "names no host"),
        ("http://[::1", "is no URL"),
        ("http://somebody:secret", "its port is no number up to 65535"),
        ("http://somebody:secret@\u2100:1", "is no URL"),
    ],
)
def test_proxies_that_are_none(value: str, fault: str, place: Place) -> None:
    found = proxies(place, https_proxy=value)
    assert (found.state, found.impact) == ("unusable", "degraded")
    assert found.evidence == f"https_proxy: {fault}"
    assert found.mend


# Certificates.


def certified(place: Place, **variables: str) -> Finding:
    return certificates.certificates(replace(place.host, environ=variables))


def test_a_system_without_certificates(place: Place) -> None:
    found = certified(place)
    assert (found.state, found.impact) == ("missing", "degraded")
    assert "install ca-certificates" in found.mend[0]


@pytest.mark.parametrize("name", ["ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt"])
def test_the_system_s_certificates(name: str, place: Place) -> None:
    path = place.write(f"etc/{name}", CERTIFICATE)
    assert certified(place) == Finding("ok", str(path))
    path.write_text("")
    found = certified(place)
    assert (found.state, found.impact) == ("unusable", "degraded")
    assert found.evidence == f"{path} holds no certificate in PEM form"
    path.unlink()
    path.symlink_to("nowhere")
    assert certified(place).state == "missing"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "VMPOD_CERT_DIR"])
def test_certificates_that_variables_name(variable: str, place: Place) -> None:
    place.write("etc/ssl/certs/ca-certificates.crt", CERTIFICATE)
    file = place.write("mine/ca.crt", CERTIFICATE)
    named = file if variable == "SSL_CERT_FILE" else file.parent
    assert certified(place, **{variable: str(named)}).state == "ok"
    file.chmod(0)
    with nobody():
        found = certified(place, **{variable: str(named)})
    assert (found.state, found.evidence) == ("denied", f"{file} may not be read by this user")
    file.parent.chmod(0)
    with nobody():
        assert certified(place, **{variable: str(named)}).state == "denied"
    file.parent.chmod(0o755)
    file.unlink()
    file.parent.rmdir()
    found = certified(place, **{variable: str(named)})
    assert (found.state, found.evidence) == ("missing", f"{named} does not exist")


def test_several_directories(place: Place) -> None:
    one = place.write("one/ca.crt", CERTIFICATE)
    found = certified(place, SSL_CERT_DIR=f"{one.parent}:{place.top}/two")
    assert (found.state, found.evidence) == ("missing", f"{place.top}/two does not exist")
    assert certified(place, SSL_CERT_DIR=str(one.parent)).state == "ok"


def test_certificates_of_single_registries(place: Place) -> None:
    place.write("etc/ssl/certs/ca-certificates.crt", CERTIFICATE)
    own = place.write("etc/containers/certs.d/registry.example:5000/ca.crt", CERTIFICATE)
    assert certified(place).state == "ok"
    own.write_bytes(b"\x30\x82 DER")
    found = certified(place)
    assert (found.state, found.evidence) == ("unusable", f"{own} holds no certificate in PEM form")


def test_a_loop_of_links(place: Place) -> None:
    path = place.top / "loop"
    path.symlink_to(path)
    found = certified(place, SSL_CERT_FILE=str(path))
    assert (found.state, found.impact) == ("unusable", "degraded")


# A registry.


def test_no_registry_is_asked_unless_one_is_named(place: Place) -> None:
    assert registry.registry(place.host) is None


@pytest.mark.parametrize("name", ["", "a b", "host:port", "https://host", "host/path", "host:1/x", "nohost"])
def test_names_that_are_no_registry(name: str) -> None:
    with pytest.raises(UsageError, match="no registry is called that"):
        registry.check_name(name)


@pytest.mark.parametrize("name", ["localhost:5000", "registry.example", "10.0.0.1:80", "[::1]:5000"])
def test_names_of_registries(name: str) -> None:
    assert registry.check_name(name) == name


@pytest.mark.parametrize("login", [False, True])
def test_a_registry_that_answers(
    login: bool, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with running_registry(tmp_path, login=login) as found:
        for name, value in found.write_client_config(tmp_path).items():
            monkeypatch.setenv(name, value)
        told = registry.registry(replace(place.host, registry=found.host))
    assert told
    assert told.state == "ok"
    assert told.evidence.startswith(f"{found.host}: it answers")


def test_a_registry_that_does_not_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    told = registry.registry(replace(place.host, registry="localhost:1"))
    assert told
    assert (told.state, told.impact) == ("unusable", "degraded")
    assert told.evidence.startswith("localhost:1 cannot be reached")
    assert told.mend


def test_a_registry_that_is_silent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "TIMEOUT", 0.3)
    place.program("skopeo", "exec sleep 100")
    told = registry.registry(replace(place.host, registry="localhost:1"))
    assert told
    assert told.state == "unusable"
    assert "no end after 0.3 seconds" in told.evidence
    assert place.left() == []


def test_a_registry_without_skopeo(place: Place) -> None:
    told = registry.registry(replace(place.host, registry="localhost:1"))
    assert told
    assert (told.state, told.evidence) == ("missing", "the program 'skopeo' is not installed")
