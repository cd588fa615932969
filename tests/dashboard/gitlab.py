"""The jobs of the GitLab file as GitLab would make them: inputs filled in, ``extends`` merged, references resolved."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "ci" / "gitlab" / "contracts.gitlab-ci.yml"
_INPUT = re.compile(r"\$\[\[ inputs\.([\w-]+) \]\]")


class _Reference(tuple[str, ...]):
    """What ``!reference [JOB, KEY]`` names."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    pass


def _reference(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> _Reference:
    return _Reference(loader.construct_sequence(node))


_Loader.add_constructor("!reference", _reference)


def inputs() -> dict[str, Any]:
    """The inputs that the file declares."""
    declared: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8").partition("\n---\n")[0])["spec"][
        "inputs"
    ]
    return declared


def pipeline(**given: Any) -> dict[str, dict[str, Any]]:
    """The jobs, with these inputs (underscores for dashes) and otherwise with the declared defaults."""
    values = {name: about["default"] for name, about in inputs().items()}
    values |= {name.replace("_", "-"): value for name, value in given.items()}
    body = yaml.load(FILE.read_text("utf-8").partition("\n---\n")[2], _Loader)  # noqa: S506 - a safe loader's
    jobs = {name: _merged(name, body) for name, job in body.items() if isinstance(job, dict)}
    return {name: _filled(job, values, jobs) for name, job in jobs.items() if not name.startswith(".")}


def starts(job: Mapping[str, Any], **variables: str) -> bool:
    """Whether a pipeline with these variables has the job: whether one of its rules applies."""
    return any(_applies(rule["if"], variables) for rule in job["rules"])


def _applies(condition: str, variables: Mapping[str, str]) -> bool:
    """The value of a rule. Python binds the same operators alike, and a variable that nothing sets is empty."""
    text = re.sub(r"\$(\w+)", lambda match: repr(variables.get(match[1], "")), condition)
    text = text.replace("&&", " and ").replace("||", " or ").strip()
    return bool(eval(text, {"__builtins__": {}}))  # noqa: S307 - of the file that is tested


def shell(
    job: Mapping[str, Any], workspace: Path, environment: Mapping[str, str], *, before: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the job's script as a runner's plain shell does; ``before``: what comes before it as well."""
    lines = [*(job["before_script"] if before else []), *job["script"]]
    variables = {name: str(value) for name, value in job.get("variables", {}).items()}
    return subprocess.run(
        ["/bin/sh", "-c", "set -e\n" + "\n".join(lines)],
        cwd=workspace,
        env={**os.environ, "GITHUB_ACTIONS": "", "GITLAB_CI": "", **variables, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def _merged(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    job = dict(body[name])
    if "extends" not in job:
        return job
    base = _merged(job.pop("extends"), body)
    for key, value in job.items():
        # Tables are merged, lists replaced.
        base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return base


def _filled(value: Any, values: Mapping[str, Any], jobs: Mapping[str, Any]) -> Any:
    match value:
        case str() if (whole := _INPUT.fullmatch(value)) is not None:
            return values[whole[1]]
        case str():
            return _INPUT.sub(lambda match: _text(values[match[1]]), value)
        case dict():
            return {key: _filled(item, values, jobs) for key, item in value.items()}
        case list():
            items: list[Any] = []
            for item in value:
                if isinstance(item, _Reference):
                    items += _filled(jobs[item[0]][item[1]], values, jobs)
                else:
                    items.append(_filled(item, values, jobs))
            return items
        case _:
            return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
