"""The reference as manual pages, one a command. Source: man(7), groff's an.tmac."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vmpod.cli.reference import prose
from vmpod.cli.reference.model import CommandPage

_CODE = re.compile(r"`([^`]*)`")


def page(command: CommandPage, commands: Sequence[CommandPage]) -> str:
    """The manual page of a command; commands: all of them, for what to see also."""
    return "\n".join(_lines(command, commands)) + "\n"


def _lines(command: CommandPage, commands: Sequence[CommandPage]) -> Iterator[str]:
    yield r".\" Written by `python -m vmpod.cli.reference` from the command itself. Do not edit."
    yield f'.TH {_word(command.manual.upper())} 1 "" "vmpod" "vmpod manual"'
    yield ".nh\n.ad l"
    yield ".SH NAME"
    yield f"{roff(command.manual)} \\- {roff(command.summary.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f"\\fB{roff(command.name)}\\fR {roff(command.usage)}"
    yield ".SH DESCRIPTION"
    yield "\n.PP\n".join(map(roff, command.paragraphs))
    if command.subcommands:
        yield ".SH COMMANDS"
        for name, text in command.subcommands:
            yield from _item(f"{command.name} {name}", text)
    yield ".SH OPTIONS"
    for option in command.options:
        yield from _item(option.names, option.text)
        if option.variable:
            yield f"Environment variable: \\fB{roff(option.variable)}\\fR."
    if len(command.words) == 1:
        for section in prose.SECTIONS:
            yield f".SH {roff(section.title.upper())}"
            yield from _blocks(section.blocks)
    else:
        yield ".SH EXIT STATUS"
        yield roff(prose.EXIT_STATUS_ELSEWHERE)
    yield ".SH SEE ALSO"
    yield ",\n".join(f"\\fB{roff(each.manual)}\\fR(1)" for each in _related(command, commands))


def _related(command: CommandPage, commands: Sequence[CommandPage]) -> list[CommandPage]:
    """Those above it, and those that it has; the group's other commands for one of a group."""
    above = [each for each in commands if each.words == command.words[: len(each.words)]]
    beside = [each for each in commands if each.words[:-1] == command.words[:-1] and len(command.words) > 2]
    below = [each for each in commands if each.words[:-1] == command.words]
    return [each for each in dict.fromkeys([*above, *beside, *below]) if each != command]


def _blocks(blocks: Sequence[prose.Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, str):
            yield ".PP"
            yield roff(block)
        else:
            for term, text in block:
                yield from _item(term, text)


def _item(term: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield f"\\fB{roff(term)}\\fR"
    yield roff(text)


def _word(text: str) -> str:
    return roff(text).replace('"', "")


def roff(text: str) -> str:
    """Text that means itself; code in backticks becomes bold. Each line break is kept."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    bold = _CODE.sub(r"\\fB\1\\fR", plain)
    # A full stop or an apostrophe at the start of a line would be a request.
    lines = [f"\\&{line}" if line[:1] in {".", "'"} else line for line in bold.split("\n")]
    return "\n.br\n".join(lines)
