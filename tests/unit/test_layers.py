"""Imports go downward only, and the guest agent carries nothing that it does not need.

What only the type checker sees (`if TYPE_CHECKING:`) obeys the layers as well; what is imported inside a
function does, too, but makes no cycle.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "vmpod"
AGENT = PACKAGE / "guest-agent" / "vmpod_agent"

# The higher may import the lower; within one line, nobody imports a neighbour.
LAYERS: list[set[str]] = [
    {"__main__"},
    {"cli"},
    {"runtime"},
    {"doctor"},
    {"template"},
    {"client", "hypervisor", "oci", "guestimage", "state"},
    {"plan"},
    {"spec"},
    {"wire"},
    {"tar"},
    {"stopwatch", "jsonpath"},
    {"lock", "process", "files", "run", "paths", "progress", "removable", "text", "workers"},
    {"errors", "log", "packages"},
    {"dataclass"},
    {"__init__"},
]

# Pure data, which the layers below may know.
DATA = {"vmpod.oci.model", "vmpod.guestimage.model"}
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


@dataclass(frozen=True)
class Import:
    """One import: module imports target. run_time: when it is loaded, not only for types or when used."""

    module: str
    target: str
    line: int
    run_time: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    """Every module of the host's side, by name."""
    return {module_name(path): path for path in PACKAGE.rglob("*.py") if AGENT not in path.parents}


MODULES = sources()


def imports(module: str, path: Path, known: set[str]) -> Iterator[Import]:
    yield from _imports(module, ast.parse(path.read_text()).body, known, run_time=True)


def _imports(module: str, body: list[ast.stmt], known: set[str], *, run_time: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, run_time)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield Import(module, full if full in known else node.module or "", node.lineno, run_time)
        else:
            later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _for_types(node)
            for _, value in ast.iter_fields(node):
                inner = (
                    [each for each in value if isinstance(each, ast.stmt)] if isinstance(value, list) else []
                )
                yield from _imports(module, inner, known, run_time=run_time and not later)
            for handler in getattr(node, "handlers", []):
                yield from _imports(module, handler.body, known, run_time=run_time)


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


IMPORTS = [found for name, path in MODULES.items() for found in imports(name, path, set(MODULES))]


def part(module: str) -> str:
    """The package or top module that a module belongs to."""
    return ([*module.split("."), "__init__"])[1]


def test_every_part_has_a_layer() -> None:
    assert {part(module) for module in MODULES} == set(LEVEL)


def test_imports_go_downward() -> None:
    wrong = []
    for each in IMPORTS:
        if each.target in DATA or each.target.partition(".")[0] != "vmpod":
            continue
        mine, theirs = part(each.module), part(each.target)
        if mine != theirs and LEVEL[mine] >= LEVEL[theirs]:
            wrong.append(str(each))
    assert wrong == []


def test_what_all_may_know_is_data_alone() -> None:
    for each in IMPORTS:
        if each.module in DATA:
            assert each.target == "vmpod.dataclass" or not each.target.startswith("vmpod"), str(each)


def test_no_cycles() -> None:
    edges: dict[str, set[str]] = {}
    for each in IMPORTS:
        if each.run_time and each.target in MODULES and each.target != each.module:
            edges.setdefault(each.module, set()).add(each.target)
    assert not list(cycles(edges))


def cycles(edges: dict[str, set[str]]) -> Iterator[list[str]]:
    """Each way that comes back to a module on it."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> Iterator[list[str]]:
        if module in way:
            yield way[way.index(module) :]
        elif module not in done:
            for target in sorted(edges.get(module, ())):
                yield from visit(target, [*way, module])
            done.add(module)

    for module in sorted(edges):
        yield from visit(module, [])


def test_a_cycle_would_be_found() -> None:
    assert list(cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == [["b", "c"]]
    assert not list(cycles({"a": {"b", "c"}, "b": {"c"}}))


@pytest.mark.parametrize("library", ["libvirt", "libvirt_qemu"])
def test_only_the_hypervisor_knows_libvirt(library: str) -> None:
    users = {part(each.module) for each in IMPORTS if each.target == library}
    assert users <= {"hypervisor"}


def agent_imports() -> list[Import]:
    names = {_agent_module(path): path for path in AGENT.rglob("*.py")}
    known = set(names) | set(MODULES)
    return [found for name, path in names.items() for found in imports(name, path, known)]


def _agent_module(path: Path) -> str:
    parts = path.relative_to(AGENT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_agent_knows_the_standard_library_and_the_wire_alone() -> None:
    allowed = set(sys.stdlib_module_names) | {"vmpod_agent"}
    for each in agent_imports():
        top, _, rest = each.target.partition(".")
        assert top in allowed or (top == "vmpod" and (not rest or rest.split(".")[0] == "wire")), str(each)


def test_the_wire_knows_the_standard_library_alone() -> None:
    for each in IMPORTS:
        if part(each.module) == "wire":
            top = each.target.partition(".")[0]
            assert top in sys.stdlib_module_names or each.target.startswith("vmpod.wire"), str(each)


def test_no_import_of_the_agent_from_the_host() -> None:
    assert not [str(each) for each in IMPORTS if each.target.startswith("vmpod_agent")]
