"""Golden files: what was decided once, and changes only on purpose.

`VMPOD_REGENERATE_GOLDEN=1` writes them anew; then `git diff` shows what that changes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parents[1] / "golden"


def compare(name: str, found: str) -> None:
    """Fail unless the text is the golden file's; also where there is no such file."""
    path = DIRECTORY / name
    if os.environ.get("VMPOD_REGENERATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found)
    if not path.exists():
        pytest.fail(f"there is no golden file {path}: make it with VMPOD_REGENERATE_GOLDEN=1")
    assert found == path.read_text(), f"{path} differs"


def compare_json(name: str, found: Any) -> None:
    compare(name, json.dumps(found, indent=2) + "\n")
