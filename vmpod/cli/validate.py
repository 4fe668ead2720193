"""`vmpod validate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vmpod.cli import render
from vmpod.cli.listing import Output, OutputType
from vmpod.cli.manifest import read
from vmpod.errors import ManifestError, NotFoundError, UsageError, VmpodError
from vmpod.text import printable_lines


@click.command("validate")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=OutputType(("text", "json", "yaml")),
    default="text",
    metavar="text|json|yaml|jsonpath=TEMPLATE",
    show_default=True,
    help="text: a line for each fault, and for each field that has no effect.",
)
def command(files: tuple[str, ...], output: Output) -> int:
    """Check manifests as `vmpod run` would, and run nothing: '-' is the standard input.

    Every fault is told with its line and field. Fields that are accepted and have no effect are told as well,
    and are no faults. The status is 0 if there is no fault, else 125.
    """
    from vmpod.cli.main import show_error  # noqa: PLC0415 - main imports its commands when it needs them

    unread: list[str] = []

    def unreadable(file: str, error: VmpodError) -> None:
        show_error(error)
        unread.append(file)

    found = [_check(file, unreadable) for file in files]
    if output.structured:
        output.show(render.items("ValidationList", found))
    else:
        for each in found:
            if each["file"] not in unread:
                _tell(each)
    return 0 if all(each["valid"] for each in found) else 125


def _check(file: str, unreadable: Callable[[str, VmpodError], None]) -> dict[str, Any]:
    name = "<stdin>" if file == "-" else file
    problems: list[dict[str, Any]] = []
    notes: list[dict[str, str]] = []
    pods: list[str] = []
    try:
        manifest, _ = read(file)
    except ManifestError as error:
        problems = [
            {"line": each.line or None, "field": each.path, "message": each.message}
            for each in error.problems
        ]
    except (NotFoundError, UsageError) as error:
        # Not a fault of what is in it: said as every command says it, and of use to who reads JSON.
        unreadable(name, error)
        problems = [{"line": None, "field": "", "message": error.message}]
        return {"file": name, "valid": False, "pods": [], "problems": problems, "notes": []}
    else:
        pods = [pod.name for pod in manifest.pods]
        notes = [{"pod": pod.name, "message": note} for pod in manifest.pods for note in pod.notes]
    return {"file": name, "valid": not problems, "pods": pods, "problems": problems, "notes": notes}


def _tell(found: dict[str, Any]) -> None:
    file = found["file"]
    for each in found["problems"]:
        where = f"{file}:{each['line']}" if each["line"] else file
        field = f"{each['field']}: " if each["field"] else ""
        click.echo(printable_lines(f"{where}: {field}{each['message']}"))
    for each in found["notes"]:
        click.echo(printable_lines(f"{file}: {each['pod']}: {each['message']}"))
    if found["valid"]:
        click.echo(f"{file}: valid ({', '.join(found['pods'])})")
