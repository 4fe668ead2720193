"""Runs the steps of a composite action as GitHub's runner does, as far as they are shell.

Expressions are few: inputs, outputs of earlier steps, the path. Steps that use other actions are left
out. Sources: GitHub Docs, Metadata syntax; Workflow commands (environment files).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{ *([^}]+?) *\}\}")


class Action:
    """An action's steps. environment: of the job, on top of ours."""

    def __init__(
        self, path: Path, temporary: Path, inputs: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        content: dict[str, Any] = yaml.safe_load((path / "action.yml").read_text())
        declared = content["inputs"]
        missing = [name for name, each in declared.items() if each.get("required") and name not in inputs]
        assert not missing
        assert set(inputs) <= set(declared)
        self.steps: list[dict[str, Any]] = content["runs"]["steps"]
        self._known = {f"inputs.{name}": str(each.get("default", "")) for name, each in declared.items()}
        self._known |= {f"inputs.{name}": value for name, value in inputs.items()}
        self._known |= {"github.action_path": str(path), "runner.temp": str(temporary)}
        self._temporary = temporary
        self._path: list[str] = []
        self._environment = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(temporary),
            **environment,
        }

    def argv(self, step: Mapping[str, Any]) -> list[str]:
        """The command that a step is."""
        script = self._temporary / "script.sh"
        script.write_text(step["run"])
        return ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]

    def variables(self, step: Mapping[str, Any]) -> dict[str, str]:
        """The environment of a step."""
        files = {name: str(self._temporary / name) for name in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_ENV")}
        for path in files.values():
            Path(path).write_text("")
        own = {name: self.expand(str(value)) for name, value in step.get("env", {}).items()}
        path = ":".join([*self._path, self._environment.get("PATH", os.environ["PATH"])])
        return {**os.environ, **self._environment, **files, **own, "PATH": path}

    def expand(self, text: str) -> str:
        """A text with its expressions evaluated. Raises KeyError for one that is not known."""
        return _EXPRESSION.sub(lambda found: self._known[found[1]], text)

    def run(self, step: Mapping[str, Any], cwd: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a step, and take what it leaves for those after it."""
        done = subprocess.run(
            self.argv(step),
            env=self.variables(step),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **options,
        )
        self._path[:0] = (self._temporary / "GITHUB_PATH").read_text().splitlines()
        for line in (self._temporary / "GITHUB_OUTPUT").read_text().splitlines():
            name, _, value = line.partition("=")
            self._known[f"steps.{step['id']}.outputs.{name}"] = value
        return done
