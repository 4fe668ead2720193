"""Writes the reference: `python -m vmpod.cli.reference [DIRECTORY]`, by default the checkout's docs."""

from __future__ import annotations

import sys
from pathlib import Path

from vmpod.cli.reference.write import DOCS, write

if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
