"""Where the reference is kept, and what is in its files."""

from __future__ import annotations

from pathlib import Path

from vmpod.cli.reference import manual, markdown
from vmpod.cli.reference.model import pages

DOCS = Path(__file__).parents[3] / "docs"


def files() -> dict[str, str]:
    """Content by path below docs/."""
    commands = pages()
    found = {f"man/{command.manual}.1": manual.page(command, commands) for command in commands}
    return found | {"cli.md": markdown.page(commands)}


def write(docs: Path) -> None:
    """Write the files, and remove manual pages of commands that there are no more."""
    wanted = files()
    (docs / "man").mkdir(parents=True, exist_ok=True)
    for path in (docs / "man").glob("*.1"):
        if f"man/{path.name}" not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (docs / name).write_text(content)
