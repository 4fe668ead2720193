"""Names of container images, written short or in full.

The grammar and the defaults are those of the distribution project's reference package, which docker,
podman and Kubernetes share: `nginx` means `docker.io/library/nginx:latest`.
"""

from __future__ import annotations

import re
from dataclasses import field

from vmpod.dataclass import dataclass
from vmpod.errors import ImageError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LOCAL = "localhost"
"""The registry of images that were loaded by hand: never asked over the network."""

_DEFAULT_REGISTRY = "docker.io"
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+|/)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST = 255


@dataclass(frozen=True)
class Reference:
    """A full image name; exactly one of tag and digest is set.

    short: the name was written without a registry (`nginx`, `me/app:1`).
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""
    short: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """Registry and repository, as in `docker.io/library/nginx`."""
        return f"{self.registry}/{self.repository}"

    @property
    def is_local(self) -> bool:
        """Whether only the local store can have it. `localhost:5000/x` names a registry, and is not."""
        return self.registry == LOCAL

    def at(self, digest: str) -> str:
        """The name of one manifest of this repository."""
        return f"{self.name}@{digest}"

    def local_twin(self) -> Reference:
        """What a short name means among images loaded by hand: `nginx` is `localhost/nginx` there."""
        return Reference(LOCAL, self.repository.removeprefix("library/"), self.tag, self.digest)

    def __str__(self) -> str:
        return self.at(self.digest) if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """Read an image name as docker and Kubernetes do.

    With both a tag and a digest the digest decides and the tag is dropped, as in Kubernetes.
    Raises ImageError that says what is wrong with the name.
    """
    rest, _, digest = text.partition("@")
    if digest and not DIGEST.fullmatch(digest):
        raise _invalid(text, f"the digest {digest!r} is not 'sha256:' and 64 hexadecimal digits")
    if "@" in text and not digest:
        raise _invalid(text, "nothing follows the '@'")
    rest, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, f"the tag {tag!r} is not 1 to 128 letters, digits, '_', '.' and '-'")
    registry, repository, short = _split_registry(rest)
    _check(text, registry, repository)
    return Reference(registry, repository, "" if digest else tag or "latest", digest, short)


def _split_tag(rest: str) -> tuple[str, str | None]:
    head, colon, tail = rest.rpartition(":")
    # A colon before the last slash belongs to the registry's port.
    return (head, tail) if colon and "/" not in tail else (rest, None)


def _split_registry(rest: str) -> tuple[str, str, bool]:
    first, slash, others = rest.partition("/")
    # A first part is a registry if it cannot be a user's name on the default registry.
    if slash and (any(c in first for c in ".:[") or first == LOCAL or first != first.lower()):
        registry = _DEFAULT_REGISTRY if first == "index.docker.io" else first
        short = False
    else:
        registry, others, short = _DEFAULT_REGISTRY, rest, True
    if registry == _DEFAULT_REGISTRY and others and "/" not in others:
        others = f"library/{others}"
    return registry, others, short


def _check(text: str, registry: str, repository: str) -> None:
    if not text:
        raise ImageError("the image name is empty", hint="write a name such as 'nginx:1.25'")
    if "://" in text:
        raise _invalid(text, "a name has no '://'", hint=f"write {text.partition('://')[2]!r}")
    if not _REGISTRY.fullmatch(registry):
        raise _invalid(text, f"the registry {registry!r} is not a host name with an optional port")
    if repository != repository.lower():
        raise _invalid(text, "the repository has capital letters", hint=f"write {repository.lower()!r}")
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid(
            text,
            "a repository is small letters and digits, separated by '/' or within a part by one '.', "
            "one or two '_' or any number of '-'",
        )
    if len(registry) + len(repository) + 1 > _LONGEST:
        raise _invalid(text, f"the name is longer than {_LONGEST} characters")


def _invalid(text: str, why: str, *, hint: str | None = None) -> ImageError:
    shown = text if len(text) <= 300 else text[:300] + "..."
    return ImageError(f"the image name {shown!r} is invalid: {why}", hint=hint)
