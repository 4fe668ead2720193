"""The rules for names, keys and paths. Each says what is wrong with a string, or None.

Source: apimachinery's validation package and the API reference, "Object Names and IDs".
"""

from __future__ import annotations

import re

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
# Every printable ASCII character but '=': what the API allows since 1.34.
_ENV_NAME = re.compile(r"[ -<>-~]+")

# PATH_MAX of limits.h, without the NUL.
_MAX_PATH = 4095


def dns_label(text: str) -> str | None:
    """RFC 1123 label: containers, volumes, namespaces, hostnames."""
    if len(text) <= 63 and _LABEL.fullmatch(text):
        return None
    return "must be at most 63 lower-case letters, digits and '-', and begin and end with a letter or digit"


def service_name(text: str) -> str | None:
    """RFC 1035 label: Services, whose names are variables' too."""
    if dns_label(text) is None and not text[0].isdigit():
        return None
    return "must be at most 63 lower-case letters, digits and '-', begin with a letter and not end with '-'"


def dns_subdomain(text: str) -> str | None:
    """RFC 1123 subdomain: pods, ConfigMaps, Secrets."""
    if len(text) <= 253 and all(_LABEL.fullmatch(part) for part in text.split(".")):
        return None
    return (
        "must be at most 253 lower-case letters, digits, '-' and '.', "
        "and each part between dots begin and end with a letter or digit"
    )


def default_hostname(pod: str) -> str:
    """The kubelet's default: the pod's name, as much of it as a hostname can have."""
    return pod[:63].rstrip("-.")


def port_name(text: str) -> str | None:
    """RFC 6335 service name."""
    fine = len(text) <= 15 and _LABEL.fullmatch(text) and "--" not in text
    if fine and any("a" <= letter <= "z" for letter in text):
        return None
    return "must be at most 15 lower-case letters, digits and single '-' inside, with at least one letter"


def data_key(text: str) -> str | None:
    """A key of a ConfigMap or Secret, which may become a file's name."""
    if len(text) <= 253 and _KEY.fullmatch(text) and text != "." and not text.startswith(".."):
        return None
    return "must be at most 253 letters, digits, '-', '_' and '.', and not '.' or begin with '..'"


def env_name(text: str) -> str | None:
    """The name of an environment variable."""
    if _ENV_NAME.fullmatch(text):
        return None
    return "must be printable ASCII characters other than '='"


def qualified_name(text: str) -> str | None:
    """A key of a label or an annotation: an optional DNS prefix and '/', then a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and (fault := dns_subdomain(prefix)):
        return f"has a prefix that {fault}"
    return _short_name(name)


def label_value(text: str) -> str | None:
    """The value of a label; it may be empty."""
    return _short_name(text) if text else None


def _short_name(text: str) -> str | None:
    if len(text) <= 63 and _QUALIFIED.fullmatch(text):
        return None
    return "must be at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit"


def absolute_path(text: str) -> str | None:
    """A path in a container or on the host, without steps back."""
    if not text.startswith("/"):
        return "must be an absolute path, beginning with '/'"
    return _path(text)


def relative_path(text: str) -> str | None:
    """A path inside a volume, without steps back."""
    if text.startswith("/"):
        return "must be a relative path, not begin with '/'"
    return _path(text)


def file_path(text: str) -> str | None:
    """A relative path that names a file; what begins with two dots is kept for the volume itself."""
    if text.rpartition("/")[2] in {"", "."}:
        return "must name a file"
    if fault := relative_path(text):
        return fault
    return "must not begin with '..'" if text.startswith("..") else None


def _path(text: str) -> str | None:
    if ".." in text.split("/"):
        return "must not contain '..'"
    if len(text.encode()) > _MAX_PATH:
        return f"must be at most {_MAX_PATH} bytes long"
    return None


def mount_path(text: str) -> str | None:
    """Where a volume is mounted in a container."""
    if fault := absolute_path(text):
        return fault
    if all(part in {"", "."} for part in text.split("/")):
        return "must not be the root directory"
    # The API server refuses it too: container runtimes used it as a separator.
    return "must not contain ':'" if ":" in text else None


def image(text: str) -> str | None:
    """An image reference, as far as the API server looks at it."""
    if text != text.strip():
        return "must not begin or end with white space"
    return None
