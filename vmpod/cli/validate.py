"""`vmpod validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vmpod.cli import render
from vmpod.cli.listing import Output, OutputType
from vmpod.cli.main import FAILED, show_error
from vmpod.cli.sources import Text, texts
from vmpod.errors import ImageError, ManifestError, NotFoundError, UsageError, VmpodError
from vmpod.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmpod.spec.model import Manifest

Json = dict[str, Any]


@click.command("validate")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-R", "--recursive", is_flag=True, help="Look into directories of directories, too.")
@click.option(
    "-o",
    "--output",
    type=OutputType(("text", "json", "yaml")),
    default="text",
    metavar="text|json|yaml|jsonpath=TEMPLATE",
    show_default=True,
    help="text: a line for each fault, and for each field that has no effect.",
)
def command(files: tuple[str, ...], recursive: bool, output: Output) -> int:
    """Check manifests as `vmpod apply` would, and run nothing.

    A FILE may be a directory, an address, or '-' for the standard input. Together they are one manifest.
    Every fault is told with its line and field. Fields that are accepted and have no effect are told as well,
    and are no faults. The status is 0 if there is no fault, else 125.
    """
    unread: list[tuple[str, VmpodError]] = []
    found: list[Text] = []
    for file in files:
        try:
            found += texts([file], recursive=recursive)
        except (NotFoundError, UsageError) as error:
            # Not a fault of what is in it: said as every command says it.
            show_error(error)
            unread.append((file, error))
    checked = _check(found)
    if output.structured:
        output.show(render.items("ValidationList", checked + [_unread(*each) for each in unread]))
    else:
        for each in checked:
            _tell(each)
    return 0 if not unread and all(each["valid"] for each in checked) else FAILED


def _check(found: Sequence[Text]) -> list[Json]:
    """What is to be said of each text."""
    from vmpod.spec.load import load_all  # noqa: PLC0415

    results = {source: _result(source) for _, source in found}
    try:
        manifest = load_all(found) if found else None
    except ManifestError as error:
        for each in error.problems:
            problem = {"line": each.line or None, "field": each.path, "message": each.message}
            results[each.source]["problems"].append(problem)
            results[each.source]["valid"] = False
        return list(results.values())
    for source, field, message in dict.fromkeys(_image_names(manifest) if manifest else ()):
        results[source]["problems"].append({"line": None, "field": field, "message": message})
        results[source]["valid"] = False
    for claim in manifest.claims if manifest else ():
        results[claim.source]["claims"].append(claim.name)
        called = f"persistentvolumeclaim/{claim.name}"
        results[claim.source]["notes"] += [{"pod": called, "message": note} for note in claim.notes]
    for pod in manifest.pods if manifest else ():
        results[pod.source]["pods"].append(pod.name)
        results[pod.source]["notes"] += [{"pod": pod.name, "message": note} for note in pod.notes]
    for job in manifest.jobs if manifest else ():
        results[job.source]["jobs"].append(job.name)
        results[job.source]["notes"] += [{"pod": f"job/{job.name}", "message": note} for note in job.notes]
    return list(results.values())


def _image_names(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """Source, field and message of each name that no image can have: an API server takes it, no start."""
    from vmpod.oci.reference import parse  # noqa: PLC0415
    from vmpod.spec.machine import OWNER  # noqa: PLC0415

    templates = [(job.source, job.template, "spec.template.") for job in manifest.jobs]
    pods = [(pod.source, pod, "spec.template." if OWNER in pod.annotations else "") for pod in manifest.pods]
    for source, pod, way in templates + pods:
        for path, container in pod.placed():
            try:
                parse(container.image)
            except ImageError as error:
                yield source, f"{way}{path}.image", error.message


def _result(source: str) -> Json:
    whole = {"file": source, "valid": True, "pods": [], "jobs": [], "claims": []}
    return whole | {"problems": [], "notes": []}


def _unread(file: str, error: VmpodError) -> Json:
    problem = {"line": None, "field": "", "message": error.message}
    return _result(file) | {"valid": False, "problems": [problem]}


def _tell(found: dict[str, Any]) -> None:
    file = found["file"]
    for each in found["problems"]:
        where = f"{file}:{each['line']}" if each["line"] else file
        field = f"{each['field']}: " if each["field"] else ""
        click.echo(printable_lines(f"{where}: {field}{each['message']}"))
    for each in found["notes"]:
        click.echo(printable_lines(f"{file}: {each['pod']}: {each['message']}"))
    if found["valid"]:
        made = [*found["pods"], *(f"job/{name}" for name in found["jobs"])]
        made += [f"persistentvolumeclaim/{name}" for name in found["claims"]]
        click.echo(f"{file}: valid" + f" ({', '.join(made)})" * bool(made))
