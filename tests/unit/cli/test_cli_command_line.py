"""The command line as such: help, errors, exit statuses, and what starting it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.unit.cli.conftest import Vmpod
from vmpod.cli.main import _COMMANDS, cli, show_error
from vmpod.errors import HostError, ManifestError, Problem

ROOT = Path(__file__).parents[3]


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL = dict(commands(cli))


def test_all_commands_are_there() -> None:
    assert {" ".join(path) for path in ALL} == {
        *_COMMANDS,
        *(f"image {name}" for name in ("pull", "load", "save", "ls", "inspect", "tag", "rm", "prune")),
        *(f"guest {name}" for name in ("build", "ls", "rm", "prune")),
        *(f"snapshot {name}" for name in ("create", "ls", "rm")),
        *(f"template {name}" for name in ("create", "ls", "rm", "prune")),
        *(f"volume {name}" for name in ("ls", "inspect", "rm")),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself_and_each_option(path: tuple[str, ...], vmpod: Vmpod) -> None:
    for option in ("--help", "-h"):
        result = vmpod(*path, option)
        assert (result.status, result.err) == (0, "")
        assert result.out.startswith(f"Usage: vmpod {' '.join(path)}")
    command = ALL[path]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.opts[-1] in result.out
    assert max(map(len, result.out.splitlines())) <= 100


def test_the_first_page_tells_every_command_in_a_line(vmpod: Vmpod) -> None:
    out = vmpod("--help").out
    for name, text in _COMMANDS.items():
        assert any(line.split()[:1] == [name] and text in line for line in out.splitlines())


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rnu", "run"),
        ("pss", "ps"),
        ("imgae", "image"),
        ("execute", "exec"),
        ("frobnicate", None),
        ("xyzzy", None),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(name: str, near: str | None, vmpod: Vmpod) -> None:
    result = vmpod(name)
    assert result.status == 125
    assert f"No such command {name!r}." in result.err
    assert ("Did you mean" in result.err) is (near is not None)
    if near:
        assert f"Did you mean {near!r}?" in result.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nonsense"], "No such option"),
        (["ps", "--nonsense"], "No such option"),
        (["ps", "-o", "xml"], "'xml' is not one of"),
        (["get", "-o", "jsonpath={.a"], "jsonpath: '{' is not closed, at character 1 of '{.a'"),
        (["get", "-l", "a in x"], "the selector 'a in x' has no meaning from character 3 on"),
        (["get", "--filter", "colour=red"], "the filters here are ancestor, id, "),
        (["get", "--filter", "name"], "--filter name: must be KEY=VALUE"),
        (["exec", "web"], "Missing argument '-- COMMAND [ARG]...'"),
        (["stop", "-t", "-1", "web"], "-1"),
        (["run", "--timeout", "soon", "x"], "'soon' is not a valid float"),
        (["run", "--accel", "xen", "x"], "'xen' is not one of"),
        (["run", "-d", "--rm", "x"], "--rm needs somebody who waits"),
        (["run", "/nonexistent/pod.yaml"], "there is no file /nonexistent/pod.yaml"),
        (["plan", "/nonexistent/pod.yaml"], "there is no file /nonexistent/pod.yaml"),
        (["run", "/"], "/ cannot be read: Is a directory"),
        (["get", "gone"], "there is no pod 'gone'"),
        (["get", "../.."], "'../..' cannot be the name of a pod"),
        (["logs", "gone"], "there is no pod 'gone'"),
        (["exec", "gone", "--", "true"], "there is no pod 'gone'"),
        (["console", "gone"], "there is no pod 'gone'"),
        (["stop", "gone"], "there is no pod 'gone'"),
        (["rm", "gone"], "there is no pod 'gone'"),
    ],
)
def test_errors_are_told_on_stderr_with_status_125(words: list[str], text: str, vmpod: Vmpod) -> None:
    result = vmpod(*words)
    assert (result.status, result.out) == (125, "")
    assert text in result.err
    assert "Traceback" not in result.err


def test_a_hint_follows_its_error(vmpod: Vmpod) -> None:
    assert vmpod("get", "gone").err == (
        "vmpod: there is no pod 'gone' [not-found]\n  `vmpod ps --all` lists all pods\n"
    )


def test_several_names_are_all_tried(vmpod: Vmpod) -> None:
    result = vmpod("rm", "one", "two")
    assert result.status == 125
    assert "'one'" in result.err
    assert "'two'" in result.err


def test_what_others_wrote_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(HostError("bad \x1b[31mred\x07\r", hint="first\n\x1b]0;title\x07\n\tindented"))
    show_error(ManifestError([Problem("f", 1, "spec.\x1b[2J", "x\x9by")]))
    said = capsys.readouterr().err
    assert not [character for character in said if not character.isprintable() and character != "\n"]
    assert "  first\n  ?]0;title?\n          indented" in said


def test_an_operating_system_error_is_an_error_of_ours(vmpod: Vmpod, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **_named: object) -> None:
        raise PermissionError(13, "Permission denied", "/state")

    monkeypatch.setattr("vmpod.state.store.PodStore.list", fail)
    result = vmpod("ps")
    assert result.status == 125
    assert result.err.startswith("vmpod: [Errno 13] Permission denied: '/state' [system]\n  `vmpod --debug")


def test_errors_can_be_had_as_json(vmpod: Vmpod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMPOD_ERRORS", "json")
    result = vmpod("get", "gone")
    (line,) = result.err.splitlines()
    hint = "`vmpod ps --all` lists all pods"
    assert json.loads(line) == {
        "version": 1,
        "code": "not-found",
        "message": "there is no pod 'gone'",
        "hint": hint,
    }
    assert result.status == 125


def test_an_interrupt_is_130(vmpod: Vmpod, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vmpod.state.store.PodStore.list", interrupt)
    assert vmpod("ps").status == 130


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m vmpod --help | head -c 1", shell=True, capture_output=True, cwd=ROOT, check=True
    )
    assert (done.stdout, done.stderr) == (b"U", b"")


# What is imported when.

SLOW = ["libvirt", "yaml", "rich", "logging.config", "asyncio", "vmpod.oci.store", "vmpod.guestimage.store"]
SLOW += ["vmpod.jsonpath", "vmpod.cli.selector", "vmpod.cli.reference"]
SLOW += ["vmpod.spec.load", "vmpod.hypervisor.connection", "pycdlib", "hypothesis", "typing_extensions"]

IMPORTED = """\
import sys
sys.argv[1:] = {words!r}
from vmpod.cli.main import main
try:
    main()
finally:
    print("\\n==", *sys.modules)
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["ps"], ["ps", "-o", "json"], ["get", "gone"], ["logs", "gone"]]
)
def test_small_commands_import_nothing_slow(words: list[str], tmp_path: Path) -> None:
    program = IMPORTED.format(words=words)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"VMPOD_HOME": str(tmp_path)},
        check=False,
    )
    imported = done.stdout.partition("\n== ")[2].split()
    assert "vmpod.cli.main" in imported, done.stderr
    assert set(imported) & set(SLOW) == set()


def test_it_runs_as_a_module_and_as_a_command() -> None:
    for argv in ([sys.executable, "-m", "vmpod"], [str(Path(sys.executable).parent / "vmpod")]):
        done = subprocess.run(
            [*argv, "version", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
        )
        assert done.stdout.startswith("Usage: vmpod version")


def test_version(vmpod: Vmpod) -> None:
    import json  # noqa: PLC0415

    from vmpod import __version__  # noqa: PLC0415

    found = json.loads(vmpod("version", "-o", "json").out)
    assert (found["kind"], found["vmpod"]) == ("Version", __version__)
    assert found["libvirt"].count(".") == 2
    assert f"vmpod    {__version__}\n" in vmpod("version").out


@pytest.mark.parametrize("words", [("ps",), ("image", "ls")])
def test_a_reader_that_goes_away_ends_the_command_without_a_word(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "vmpod", *words]
    env = os.environ | {"VMPOD_HOME": str(tmp_path)}
    done = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, env=env, cwd=ROOT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
