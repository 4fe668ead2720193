"""What every listing has in common: output formats, selection, and how both are asked for.

A command says what it lists (Kind) and takes what the user wants of it (Wanted) from listing_options():

    @click.command("ls")
    @listing_options
    def ls(wanted: Wanted) -> None:
        show(KIND, store.list(), wanted)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import click

from vmpod.cli import render
from vmpod.dataclass import dataclass
from vmpod.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from vmpod.jsonpath import Template

    _Type = click.ParamType["Output"]
else:
    _Type = click.ParamType  # not generic in click 8.1

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Json = dict[str, Any]
Question = Callable[[T], bool]
Filter = Callable[[str, Sequence[T]], Question[T]]
"""Makes of a filter's value (and of all items) what is asked of each item. Raises UsageError."""

FORMATS = ("json", "yaml", "name", "wide")
_JSONPATH = "jsonpath="


# Each method that dataclasses make delays every listing: these, never compared or printed, have only one.
@dataclass(eq=False, repr=False)
class Kind(Generic[T]):
    """A kind of things that are listed.

    header: the columns' titles; rows: an item's cells, a line each. The first `narrow` columns make the
    usual table, all of them the wide one. names: what commands call the item, a line each. ids: what
    --quiet shows instead. filters: by the key of --filter.
    """

    list_kind: str
    header: Sequence[str]
    narrow: int
    rows: Callable[[T], Iterable[Sequence[str]]]
    to_json: Callable[[T], Json]
    names: Callable[[T], Iterable[str]]
    ids: Callable[[T], Iterable[str]] | None = None
    labels: Callable[[T], Mapping[str, str]] = lambda _: {}
    filters: Mapping[str, Filter[T]] = field(default_factory=dict)
    api_version: str = "vmpod/v1"


@dataclass(eq=False, repr=False)
class Output:
    """How the user wants to see things: one of FORMATS, 'table' or 'jsonpath' with its template."""

    format: str = "table"
    template: Template | None = None

    @property
    def structured(self) -> bool:
        """Whether it is made of JSON objects."""
        return self.format in {"json", "yaml", "jsonpath"}

    def show(self, data: Any) -> None:
        """Print an object as JSON, YAML or through the template."""
        if self.template:
            render.data(self.template.render(data))
        else:
            render.structured(data, self.format)


TABLE = Output()


class OutputType(_Type):
    """The value of -o."""

    name = "format"

    def __init__(self, formats: Sequence[str] = FORMATS) -> None:
        self._formats = formats

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        if isinstance(value, Output):
            return value
        if value in self._formats:
            return Output(value)
        if value.startswith(_JSONPATH):
            from vmpod.jsonpath import JsonPathError, Template  # noqa: PLC0415 - rarely used

            try:
                return Output("jsonpath", Template(value.removeprefix(_JSONPATH)))
            except JsonPathError as error:
                return self.fail(error.message, param, ctx)
        formats = ", ".join([*self._formats, "jsonpath=TEMPLATE"])
        return self.fail(f"{value!r} is not one of {formats}.", param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only to complete

        words = [word for word in (*self._formats, _JSONPATH) if word.startswith(incomplete)]
        return [CompletionItem(word) for word in words]


@dataclass(eq=False, repr=False)
class Wanted:
    """What the user wants of a listing."""

    output: Output = TABLE
    selector: str = ""
    filters: tuple[str, ...] = ()
    quiet: bool = False


def output_option(*formats: str) -> Callable[[F], F]:
    """`-o FORMAT`; gives the command an Output. jsonpath is always among the formats."""
    return click.option(
        "-o",
        "--output",
        type=OutputType(formats or FORMATS),
        default=TABLE,
        metavar="|".join([*(formats or FORMATS), "jsonpath=TEMPLATE"]),
        help="Output format. [default: a text for people]",
    )


def listing_options(command: F) -> F:
    """`-o`, `-l`, `--filter` and `-q`; the command gets them as `wanted`, a Wanted."""

    @click.option("-q", "--quiet", is_flag=True, help="Names or ids only, whatever -o says.")
    @output_option()
    @click.option(
        "-l",
        "--selector",
        default="",
        metavar="SELECTOR",
        help="Only with these labels: a=b, a!=b, a in (b,c).",
    )
    @click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only what fits; repeated: any value of one key, all keys (of labels: all).",
    )
    @functools.wraps(command)
    def wrapped(
        *arguments: Any, output: Output, selector: str, filters: tuple[str, ...], quiet: bool, **named: Any
    ) -> Any:
        wanted = Wanted(output, selector, filters, quiet)
        return command(*arguments, wanted=wanted, **named)

    return cast(F, wrapped)  # click calls it by the options' names


def show(kind: Kind[T], items: Iterable[T], wanted: Wanted) -> None:
    """Print the items that are wanted, as wanted. Raises UsageError for a selection without meaning."""
    found = select(kind, list(items), wanted)
    output = wanted.output
    if wanted.quiet or output.format == "name":
        lines = kind.ids if wanted.quiet and kind.ids else kind.names
        for item in found:
            for line in lines(item):
                click.echo(line)
    elif output.structured:
        output.show(
            {
                "apiVersion": kind.api_version,
                "kind": kind.list_kind,
                "items": [kind.to_json(item) for item in found],
            }
        )
    else:
        columns = len(kind.header) if output.format == "wide" else kind.narrow
        render.table(kind.header[:columns], [row[:columns] for item in found for row in kind.rows(item)])


def select(kind: Kind[T], items: Sequence[T], wanted: Wanted) -> Sequence[T]:
    """The items that fit the selector and the filters."""
    questions = _questions(kind, items, wanted.filters)
    if wanted.selector:
        from vmpod.cli.selector import parse  # noqa: PLC0415 - rarely used

        selected = parse(wanted.selector)
        questions.append(lambda item: selected(kind.labels(item)))
    return [item for item in items if all(holds(item) for holds in questions)]


def _questions(kind: Kind[T], items: Sequence[T], filters: Sequence[str]) -> list[Question[T]]:
    """One question for each key. As podman: several values of one key are alternatives, labels are not."""
    by_key: dict[str, list[Question[T]]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        make = kind.filters.get(key)
        if make is None or not equals:
            fault = f"there is no filter {key!r}" if equals else f"--filter {text}: must be KEY=VALUE"
            raise UsageError(fault, hint=f"the filters here are {', '.join(sorted(kind.filters))}")
        by_key.setdefault(key, []).append(make(value, items))
    return [(_all if key == "label" else _any)(questions) for key, questions in by_key.items()]


def _any(questions: Sequence[Question[T]]) -> Question[T]:
    return lambda item: any(holds(item) for holds in questions)


def _all(questions: Sequence[Question[T]]) -> Question[T]:
    return lambda item: all(holds(item) for holds in questions)


# Filters that several kinds have.


def label_filter(labels: Callable[[T], Mapping[str, str]]) -> Filter[T]:
    """`label=KEY` or `label=KEY=VALUE`."""

    def make(text: str, _items: Sequence[T]) -> Question[T]:
        key, equals, value = text.partition("=")
        return lambda item: key in labels(item) and (not equals or labels(item)[key] == value)

    return make


def text_filter(matches: Callable[[T, str], bool]) -> Filter[T]:
    """A filter that can compare its value as it is written."""
    return lambda value, _items: lambda item: matches(item, value)


def name_filter(called: Callable[[T], str]) -> Filter[T]:
    """A regular expression that is found in what commands call the item, as podman's."""

    def make(text: str, _items: Sequence[T]) -> Question[T]:
        try:
            wanted = re.compile(text)
        except re.error as error:
            raise UsageError(f"--filter name={text}: {error}") from None
        return lambda item: wanted.search(called(item)) is not None

    return make


def truth_filter(of: Callable[[T], bool]) -> Filter[T]:
    """`KEY=true` or `KEY=false`."""

    def make(text: str, _items: Sequence[T]) -> Question[T]:
        if text not in {"true", "false"}:
            raise UsageError(f"--filter: {text!r} must be true or false")
        return lambda item: of(item) is (text == "true")

    return make


def time_filter(created: Callable[[T], float], *, before: bool) -> Filter[T]:
    """Made before (or not before) a moment, given as RFC 3339 or as a span before now."""

    def make(text: str, _items: Sequence[T]) -> Question[T]:
        from vmpod.cli.moments import epoch, since  # noqa: PLC0415 - rarely used

        try:
            limit = epoch(since(text))
        except (ValueError, OverflowError) as error:
            raise UsageError(f"--filter: {error}") from None
        return lambda item: (created(item) < limit) is before

    return make
