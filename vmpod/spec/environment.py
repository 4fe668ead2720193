"""A container's environment as Kubernetes makes it.

First every `envFrom` in order, then every `env` in order; a later value takes an earlier one's place. In
`value` (and in `command` and `args`) `$(NAME)` stands for a variable that is defined before, `$$` for
`$`, and a reference to nothing stays as it is. One pass: what was put in is not looked at again. Values
from ConfigMaps and Secrets are taken as they are.

Sources: core/v1 EnvVar and Container in the API reference; the kubelet makes variables this way.

A value is sensitive when it, or any value that was put into it, came from a Secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from vmpod.spec import names
from vmpod.spec.containermodel import Container, EnvFrom, EnvVar, FileKeyRef, KeyRef, ResolvedVar
from vmpod.spec.facts import Facts
from vmpod.spec.model import ConfigMap, Manifest, Secret
from vmpod.spec.references import References, binary_keys, unfit

NO_FACTS = Facts()

MAX_BYTES = 128 * 1024 - 1
"""The longest NAME=VALUE, and the longest argument, that Linux takes (MAX_ARG_STRLEN, without the NUL)."""

MAX_TOTAL = 2 * 2**20
"""The most bytes for all variables, or all arguments: a quarter of an 8 MiB stack (execve(2))."""

MAX_VARIABLES = 10_000
"""The most variables of one container, those of `envFrom` that are left out counted."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class TooLongError(ValueError):
    """A value is longer than Linux takes. `load` reports it, so what was loaded does not raise it again."""


def resolve_env(container: Container, manifest: Manifest, facts: Facts = NO_FACTS) -> tuple[ResolvedVar, ...]:
    """The variables of a container of a loaded manifest, each name once, in the order of first mention.

    Keys of an `envFrom` that cannot be variables are left out, see `skipped`. Optional references to
    nothing define nothing. facts: what the pod may be told about itself. Variables from files are not here:
    see `from_files`.
    """
    return resolve(container, References(manifest.config_maps, manifest.secrets), facts)


def from_files(container: Container) -> Iterator[tuple[str, FileKeyRef]]:
    """The variables that are read from a file when the container starts."""
    last = {entry.name: entry for entry in container.env}
    for name, entry in last.items():
        if entry.file_key_ref:
            yield name, entry.file_key_ref


def resolve(container: Container, references: References, facts: Facts = NO_FACTS) -> tuple[ResolvedVar, ...]:
    """As `resolve_env`. Raises TooLongError."""
    count = len(container.env) + sum(_count(source, references) for source in container.env_from)
    if count > MAX_VARIABLES:
        raise TooLongError(f"env and envFrom make {count} variables, more than {MAX_VARIABLES}")
    found: dict[str, ResolvedVar] = {}
    total = 0
    for variable in _variables(container, references, found, facts):
        size = len(f"{variable.name}={variable.value}".encode())
        total += size
        if size > MAX_BYTES:
            raise TooLongError(f"the variable {variable.name} is longer than {MAX_BYTES} bytes")
        if total > MAX_TOTAL:
            raise TooLongError(f"the variables are longer than {MAX_TOTAL} bytes together")
        found[variable.name] = variable
    return tuple(found.values())


def skipped(source: EnvFrom, references: References) -> Iterator[str]:
    """A sentence for each key of an `envFrom` that cannot be an environment variable."""
    for key, value, _ in _pairs(source, references):
        if fault := _fault(source.prefix + key, value):
            yield f"the key {key!r} {fault}"


def expand(text: str, variables: Iterable[ResolvedVar]) -> tuple[str, bool]:
    """Put variables into a word of `command` or `args`; also tells if any of them is sensitive.

    Raises TooLongError.
    """
    # Most words hold no reference: no need to look at the variables.
    return expand_words([text], variables if "$" in text else ())[0]


def expand_words(words: Iterable[str], variables: Iterable[ResolvedVar]) -> list[tuple[str, bool]]:
    """As `expand`, for all the words of a `command` or of `args`."""
    known = {variable.name: variable for variable in variables}
    expanded: list[tuple[str, bool]] = []
    total = 0
    for word in words:
        expanded.append(_expand(word, known))
        size = len(expanded[-1][0].encode())
        total += size
        if size > MAX_BYTES:
            raise TooLongError(f"an argument is longer than {MAX_BYTES} bytes")
        if total > MAX_TOTAL:
            raise TooLongError(f"the arguments are longer than {MAX_TOTAL} bytes together")
    return expanded


def sub_path_fault(text: str, variables: Iterable[ResolvedVar]) -> str | None:
    """Why a subPathExpr makes no path, or None."""
    known = list(variables)
    names_known = {variable.name for variable in known}
    if missing := [found[1] for found in _REFERENCE.finditer(text) if found[1] not in (None, *names_known)]:
        return f"the container has no variable {missing[0]}"
    path, sensitive = expand(text, known)
    if sensitive:
        return "holds a value of a Secret, which would be written to disk"
    return names.relative_path(path) if text else None


def _variables(
    container: Container, references: References, known: Mapping[str, ResolvedVar], facts: Facts
) -> Iterator[ResolvedVar]:
    """Every variable in turn; those that were made before must be in known when the next is asked for."""
    for source in container.env_from:
        yield from _from_source(source, references)
    for entry in container.env:
        if entry.field_ref:
            yield ResolvedVar(entry.name, facts.field(entry.field_ref))
        elif entry.resource_field_ref:
            yield ResolvedVar(entry.name, facts.resource(entry.resource_field_ref, container.name))
        elif entry.file_key_ref is None and (variable := _from_entry(entry, known, references)):
            yield variable


def _from_source(source: EnvFrom, references: References) -> Iterator[ResolvedVar]:
    for key, value, sensitive in _pairs(source, references):
        if not _fault(source.prefix + key, value):
            yield ResolvedVar(source.prefix + key, value.decode(), sensitive)


def _count(source: EnvFrom, references: References) -> int:
    found = _object(source, references)
    return len(found.data) if found else 0


def _object(source: EnvFrom, references: References) -> ConfigMap | Secret | None:
    kind = "Secret" if source.secret else "ConfigMap"
    return references.find(kind, source.secret or source.config_map or "")


def _pairs(source: EnvFrom, references: References) -> Iterator[tuple[str, bytes, bool]]:
    if found := _object(source, references):
        for key, value in found.data.items():
            if key not in binary_keys(found):
                yield key, value, isinstance(found, Secret)


def _fault(name: str, value: bytes) -> str | None:
    if fault := names.env_name(name):
        return f"makes no name of a variable: it {fault}"
    if len(name) + 1 + len(value) > MAX_BYTES:
        return f"is too long to be an environment variable: at most {MAX_BYTES} bytes with the name"
    return unfit(value)


def _from_entry(
    entry: EnvVar, known: Mapping[str, ResolvedVar], references: References
) -> ResolvedVar | None:
    if entry.config_map_key_ref:
        return _from_key(entry.name, "ConfigMap", entry.config_map_key_ref, references)
    if entry.secret_key_ref:
        return _from_key(entry.name, "Secret", entry.secret_key_ref, references)
    return ResolvedVar(entry.name, *_expand(entry.value, known))


def _from_key(name: str, kind: str, ref: KeyRef, references: References) -> ResolvedVar | None:
    found = references.find(kind, ref.name)
    value = found.data.get(ref.key) if found and ref.key not in binary_keys(found) else None
    # A value that is no text has been reported before.
    if value is None or unfit(value):
        return None
    return ResolvedVar(name, value.decode(), kind == "Secret")


def _expand(text: str, known: Mapping[str, ResolvedVar]) -> tuple[str, bool]:
    # After the last ')' nothing can be a reference: looking for its end there again and again would take
    # quadratic time on a hostile text.
    end = text.rfind(")") + 1
    pieces: list[str] = []
    size = 0
    sensitive = False
    for piece, secret in _pieces(text[:end], known):
        pieces.append(piece)
        sensitive |= secret
        size += len(piece)
        # While it grows, not after: a few levels of doubling would fill the memory.
        if size > MAX_BYTES:
            raise TooLongError(f"grows beyond {MAX_BYTES} bytes when its variables are put in")
    return "".join(pieces) + text[end:].replace("$$", "$"), sensitive


def _pieces(text: str, known: Mapping[str, ResolvedVar]) -> Iterator[tuple[str, bool]]:
    position = 0
    for found in _REFERENCE.finditer(text):
        yield text[position : found.start()], False
        position = found.end()
        variable = known.get(found[1]) if found[1] is not None else None
        if variable:
            yield variable.value, variable.sensitive
        else:
            yield "$" if found[1] is None else found[0], False
    yield text[position:], False
