"""The `vmpod` command."""

from __future__ import annotations

from vmpod.cli.main import main

if __name__ == "__main__":
    main()
