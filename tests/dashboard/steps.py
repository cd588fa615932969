"""Runs the ``run`` steps of an action on this machine, as far as no GitHub is needed.

Understands what the actions here use: inputs, outputs and outcomes, ``!cancelled()``, ``==``, ``!=``, ``||``, ``&&``
and parentheses. A step that uses another action is not run, and says so.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Step:
    """A step that was looked at. ``outcome`` is success, failure or skipped."""

    name: str
    outcome: str
    output: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


class Job:
    """One job on one machine: its folders, its environment, and what its steps and their action left."""

    def __init__(self, workspace: Path, temp: Path, environment: Mapping[str, str]) -> None:
        self.workspace = workspace
        self.temp = temp
        temp.mkdir(exist_ok=True)
        self._environment = {**os.environ, "RUNNER_TEMP": str(temp), **environment}
        self.summary = temp / "summary.md"
        self.steps: list[Step] = []
        self.outputs: dict[str, str] = {}

    def action(self, folder: Path, inputs: Mapping[str, str]) -> list[Step]:
        """Run a composite action; an input that is not given has its default, a token's default is empty.

        The step *Install* is passed over: it needs the package index, and what it makes is here already.
        """
        action = yaml.safe_load((folder / "action.yml").read_text("utf-8"))
        given: dict[str, Any] = {}
        for name, about in action["inputs"].items():
            default = str(about.get("default", ""))
            given[f"inputs.{name}"] = inputs.get(name, "" if "${{" in default else default)
        self.steps = []
        context: dict[str, Any] = dict(given)
        failed = False
        for raw in action["runs"]["steps"]:
            condition = str(raw.get("if", "success()"))
            if not re.search(r"(success|failure|cancelled|always)\(\)", condition):
                # As GitHub does: a condition that does not ask how the job stands wants it to stand well.
                condition = f"success() && {unwrap(condition)}"
            condition_met = evaluate(condition, {**context, "success()": not failed, "cancelled()": False})
            step = Step(raw["name"], "skipped")
            if raw["name"] == "Install":
                step.outcome = "success" if condition_met else "skipped"
            elif condition_met and "run" in raw:
                self._run(raw, step, context, folder)
            if step.outcome == "failure" and not raw.get("continue-on-error"):
                failed = True
            self.steps.append(step)
            if identity := raw.get("id"):
                context[f"steps.{identity}.outcome"] = step.outcome
                context |= {f"steps.{identity}.outputs.{key}": value for key, value in step.outputs.items()}
        self.outputs = {
            name: fill(str(about["value"]), context) for name, about in action.get("outputs", {}).items()
        }
        return self.steps

    def script(self, folder: Path, *arguments: str, **environment: str) -> Step:
        """Run one part of an action's script as a step of its own."""
        step = Step(arguments[0], "skipped")
        command = " ".join(['"$GITHUB_ACTION_PATH/run"', *arguments])
        self._run({"run": command, "env": environment}, step, {}, folder)
        return step

    def _run(self, raw: Mapping[str, Any], step: Step, context: Mapping[str, Any], folder: Path) -> None:
        outputs = self.temp / "outputs"
        outputs.write_text("")
        assert "${{" not in raw["run"], "an expression inside a script is an injection"
        environment = {
            **self._environment,
            "GITHUB_ACTION_PATH": str(folder),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **{name: fill(str(value), context) for name, value in raw.get("env", {}).items()},
        }
        done = subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", raw["run"]],
            cwd=self.workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        step.outcome = "success" if done.returncode == 0 else "failure"
        step.output = done.stdout
        lines = [line.partition("=") for line in outputs.read_text().splitlines()]
        step.outputs = {name: value for name, _, value in lines}


def fill(text: str, context: Mapping[str, Any]) -> str:
    """The text with its expressions replaced."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: _text(evaluate(match[1], context)), text)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def unwrap(expression: str) -> str:
    """The expression without the braces around it."""
    return expression.strip().removeprefix("${{").removesuffix("}}").strip()


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value of an expression; a name that nothing has is empty, as at GitHub."""
    text = unwrap(expression)
    # What is in parentheses becomes a value of its own; those after a name are a call.
    if group := re.search(r"(?<!\w)\(((?:[^()]|\(\))*)\)", text):
        name = f"group{group.start()}"
        inside = {**context, name: evaluate(group[1], context)}
        return evaluate(f"{text[: group.start()]}{name}{text[group.end() :]}", inside)
    for operator in ("||", "&&"):
        if operator in text:
            value: Any = ""
            for part in text.split(operator):
                value = evaluate(part, context)
                if bool(value) is (operator == "||"):
                    return value
            return value
    for operator in ("==", "!="):
        if operator in text:
            left, _, right = text.partition(operator)
            return (evaluate(left, context) == evaluate(right, context)) is (operator == "==")
    if text.startswith("!"):
        return not evaluate(text[1:], context)
    if text.startswith("'"):
        return text.strip("'")
    assert re.fullmatch(r"[a-z][a-z0-9_.()-]*", text, re.IGNORECASE), f"unknown expression {text}"
    return context.get(text, "")
