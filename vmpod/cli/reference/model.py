"""What there is to say about each command, taken from click's objects."""

from __future__ import annotations

from collections.abc import Iterator

import click

from vmpod.cli.main import cli
from vmpod.dataclass import dataclass

_UNWRAPPED = "\b"


@dataclass(frozen=True)
class OptionPage:
    """An option: how it is written, what it does, and the environment variable that sets it ('' for none)."""

    names: str
    text: str
    variable: str


@dataclass(frozen=True)
class CommandPage:
    """A command. words: what calls it, 'vmpod' first; usage: what follows them.

    paragraphs: its help, a line break only where one is meant; subcommands: (name, what it does).
    """

    words: tuple[str, ...]
    summary: str
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[OptionPage, ...]
    subcommands: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """As one types it."""
        return " ".join(self.words)

    @property
    def manual(self) -> str:
        """Name of its manual page."""
        return "-".join(self.words)


def pages() -> list[CommandPage]:
    """Every command, `vmpod` itself first."""
    # Defaults that the reader's own environment has set are no part of the reference.
    root = click.Context(cli, info_name="vmpod", **cli.context_settings)
    return list(_pages(root, ("vmpod",), ""))


def _pages(context: click.Context, words: tuple[str, ...], summary: str) -> Iterator[CommandPage]:
    command = context.command
    children = _children(context)
    yield CommandPage(
        words=words,
        summary=summary or command.get_short_help_str(200),
        usage=" ".join(command.collect_usage_pieces(context)),
        paragraphs=tuple(_paragraphs(command.help or "")),
        options=tuple(_options(context)),
        subcommands=tuple((child.info_name or "", text) for child, text in children),
    )
    for child, text in children:
        yield from _pages(child, (*words, child.info_name or ""), text)


def _children(context: click.Context) -> list[tuple[click.Context, str]]:
    group = context.command
    if not isinstance(group, click.Group):
        return []
    # The first page has short texts of its own, so that it need not import the commands.
    texts = getattr(group, "short_texts", {})
    found = []
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        if child and not child.hidden:
            within = click.Context(child, info_name=name, parent=context, **child.context_settings)
            found.append((within, texts.get(name) or child.get_short_help_str(200)))
    return found


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        lines = [line.strip() for line in paragraph.strip().splitlines()]
        if lines[:1] == [_UNWRAPPED]:
            yield "\n".join(lines[1:])
        elif lines:
            yield " ".join(lines)


def _options(context: click.Context) -> Iterator[OptionPage]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record:
            names, text = record
            yield OptionPage(names, " ".join(text.split()), _variable(parameter, context))


def _variable(option: click.Option, context: click.Context) -> str:
    if option.envvar:
        return option.envvar if isinstance(option.envvar, str) else option.envvar[0]
    automatic = context.auto_envvar_prefix and option.allow_from_autoenv and option.name
    return (
        f"{context.auto_envvar_prefix}_{option.name}".upper() if automatic and option.name != "help" else ""
    )
