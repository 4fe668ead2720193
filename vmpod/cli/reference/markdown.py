"""The reference as one page for people who read on the web, docs/cli.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vmpod.cli.reference import prose
from vmpod.cli.reference.model import CommandPage

_CODE = re.compile(r"(`[^`]*`)")
_SPECIAL = re.compile(r"([\\*_<>\[\]|])")


def page(commands: Iterable[CommandPage]) -> str:
    """The whole page."""
    return "\n".join(_lines(list(commands))) + "\n"


def _lines(commands: list[CommandPage]) -> Iterator[str]:
    yield "# The command line\n"
    yield "<!-- Written by `python -m vmpod.cli.reference` from the commands themselves. Do not edit. -->\n"
    yield from (f"{escaped(paragraph)}\n" for paragraph in commands[0].paragraphs)
    yield "| command | |\n|---|---|"
    for command in commands[1:]:
        yield f"| [`{command.name}`](#{command.manual}) | {escaped(command.summary)} |"
    for section in prose.SECTIONS:
        yield f"\n## {section.title}\n"
        yield "\n\n".join(map(_block, section.blocks))
    yield "\n## Options of every command\n"
    yield from _options(commands[0])
    for command in commands[1:]:
        yield from _command(command)


def _command(command: CommandPage) -> Iterator[str]:
    yield f"\n## {command.name}\n"
    yield f"    {command.name} {command.usage}\n"
    yield "\n\n".join(map(escaped, command.paragraphs))
    if command.subcommands:
        yield "\n| command | |\n|---|---|"
        for name, text in command.subcommands:
            yield f"| [`{command.name} {name}`](#{command.manual}-{name}) | {escaped(text)} |"
    elif len(command.options) > 1:
        yield ""
        yield from _options(command)


def _options(command: CommandPage) -> Iterator[str]:
    yield "| option | | variable |\n|---|---|---|"
    for option in command.options:
        names = option.names.replace("|", r"\|")
        variable = f"`{option.variable}`" if option.variable else ""
        yield f"| `{names}` | {escaped(option.text)} | {variable} |"


def _block(block: prose.Block) -> str:
    if isinstance(block, str):
        return escaped(block)
    return "| | |\n|---|---|\n" + "\n".join(f"| `{term}` | {escaped(text)} |" for term, text in block)


def escaped(text: str) -> str:
    """Text in which nothing but code in backticks is markup."""
    parts = _CODE.split(text)
    return "".join(part if number % 2 else _SPECIAL.sub(r"\\\1", part) for number, part in enumerate(parts))
