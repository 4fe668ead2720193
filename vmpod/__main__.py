"""The `vmpod` command."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, quickly begun and quickly ended: most commands are short."""
    # What is imported stays, so looking for garbage among it is time lost.
    gc.set_threshold(100_000, 50, 50)
    from vmpod.cli.main import main as command_line  # noqa: PLC0415 - after the line above

    try:
        command_line()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        if isinstance(end.code, int):
            # Nothing is left to do that the system does not do faster.
            os._exit(end.code)
        raise


if __name__ == "__main__":
    main()
