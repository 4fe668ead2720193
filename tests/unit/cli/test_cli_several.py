"""Of several things named on a command line one is wrong: never is that a success."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from tests.unit.cli.conftest import Vmpod
from tests.unit.state.records import keep, record, whole
from vmpod.cli.main import cli
from vmpod.cli.names import GUEST, IMAGE, POD, POD_OR_JOB
from vmpod.process import Process
from vmpod.state.store import PodStore

# What is there and what is not, by the kind of argument. Of images and files there is none.
NAMES = {id(POD): ("web", "nope"), id(IMAGE): ("localhost/a", "localhost/b"), id(GUEST): ("a", "b")}
NAMES[id(POD_OR_JOB)] = NAMES[id(POD)]
WORDS = {"tag": ["localhost/a"], "port-forward": ["web"]}
NOT_NAMES = {"exec", "port-forward"}  # the words of a command, and ports


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


SEVERAL = {
    " ".join(path): (path, argument)
    for path, command in commands(cli)
    for argument in command.params
    if isinstance(argument, click.Argument) and argument.nargs == -1 and path[-1] not in NOT_NAMES
}


def test_there_are_such_commands() -> None:
    assert {"rm", "stop", "get", "describe", "image rm", "guest rm", "image load"} <= SEVERAL.keys()


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("backwards", [False, True])
def test_one_failure_is_a_failure(name: str, backwards: bool, vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=Process(1, 1)), whole("Failed"))
    path, argument = SEVERAL[name]
    words = NAMES.get(id(argument.type), ("/nonexistent/a", "/nonexistent/b"))
    options = ["-o", "/dev/null"] if path[-1] == "save" else []
    result = vmpod(*path, *WORDS.get(path[-1], []), *options, *(reversed(words) if backwards else words))
    # `wait` gives the status of the pod that has failed.
    assert result.status == (137 if name == "wait" else 125), result
    assert result.err
