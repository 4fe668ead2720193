"""The golden files themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import golden


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "DIRECTORY", tmp_path)


def test_a_missing_file_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VMPOD_REGENERATE_GOLDEN", raising=False)
    with pytest.raises(pytest.fail.Exception, match="there is no golden file"):
        golden.compare("x", "text")


def test_a_difference_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMPOD_REGENERATE_GOLDEN", "1")
    golden.compare("a/x", "text")
    monkeypatch.delenv("VMPOD_REGENERATE_GOLDEN")
    golden.compare("a/x", "text")
    with pytest.raises(AssertionError, match="differs"):
        golden.compare("a/x", "other")
