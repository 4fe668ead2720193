"""Workflows, the action and the example for GitLab are what their readers take; their steps are sound."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = [*sorted((ROOT / ".github/workflows").glob("*.yml")), ROOT / "examples/ci/github.yml"]
ACTION, GITLAB = ROOT / "action.yml", ROOT / "examples/ci/gitlab-ci.yml"
SCHEMAS = {
    **{path: ["--builtin-schema", "vendor.github-workflows"] for path in GITHUB},
    ACTION: ["--builtin-schema", "vendor.github-actions"],
    GITLAB: ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}
BIN = Path(sys.executable).parent


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_it_is_what_its_reader_takes(path: Path) -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", *SCHEMAS[path], path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_would_be_found(tmp_path: Path) -> None:
    for path, options in SCHEMAS.items():
        content = yaml.safe_load(path.read_text())
        # Each is wrong in all of them.
        wrong = tmp_path / path.name
        wrong.write_text(yaml.safe_dump({**content, "jobs": [], "runs": 1, "pod": {"script": 1}}))
        done = subprocess.run([BIN / "check-jsonschema", *options, wrong], capture_output=True, check=False)
        assert done.returncode == 1, path


def scripts() -> Iterator[tuple[str, str]]:
    """Every step's shell, by the name that it is known by here."""
    for path in GITHUB:
        for job, content in yaml.safe_load(path.read_text())["jobs"].items():
            yield from _steps(f"{path.name}/{job}", content["steps"])
    yield from _steps("action.yml", yaml.safe_load(ACTION.read_text())["runs"]["steps"])
    for name, content in yaml.safe_load(GITLAB.read_text()).items():
        for part in ("before_script", "script"):
            yield f"{GITLAB.name}/{name}/{part}", "\n".join(content[part])


def _steps(where: str, steps: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for number, step in enumerate(steps):
        if "run" in step:
            yield f"{where}/{number}", step["run"]


SCRIPTS = dict(scripts())


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_shell_of_a_step_is_sound(name: str) -> None:
    # GITHUB_PATH and the like come from outside.
    shellcheck([BIN / "shellcheck", "--shell=bash", "--exclude=SC2154", "-"], SCRIPTS[name])
    # What a user writes reaches the shell as a variable, never as part of the program.
    assert "${{" not in SCRIPTS[name]


def test_the_scripts_are_sound() -> None:
    found = [ROOT / "dev", *(ROOT / ".ci").iterdir(), *ROOT.glob("examples/*/build")]
    assert len(found) > 5
    shellcheck([BIN / "shellcheck", *found])


def shellcheck(argv: list[Path | str], text: str = "") -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_inputs_and_what_is_made_of_them_agree() -> None:
    text = ACTION.read_text()
    inputs = yaml.safe_load(text)["inputs"]
    for name in inputs:
        assert f"${{{{ inputs.{name} }}}}" in text, name
    used = {part.split(" ")[0] for part in text.split("${{ inputs.")[1:]}
    assert used == set(inputs)
    # Without an env of its own, a step of a composite action sees nothing of its inputs.
    for step in yaml.safe_load(text)["runs"]["steps"]:
        assert ("run" in step) == (step.get("shell") == "bash")
