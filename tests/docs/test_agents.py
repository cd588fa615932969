"""The pages for agents, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.test_tutorial import Command, File, missing, steps

ROOT = Path(__file__).parents[2]


def run_page(page: str, folder: Path) -> int:
    """Write the files of a page and run its commands; how many ran."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables |= {"COLUMNS": "200", "PYTHONPATH": ""}
    ran = 0
    for step in steps(page):
        if isinstance(step, File):
            path = folder / step.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(step.text, "utf-8")
            continue
        assert isinstance(step, Command)
        done = subprocess.run(
            ["/bin/bash", "-c", step.text], cwd=folder, env=variables, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == step.status, f"$ {step.text}\n{done.stdout}"
        assert missing(step.output, done.stdout) is None, f"$ {step.text}\n{done.stdout}"
        ran += 1
    assert ran == page.count("\n$ ")
    return ran


def test_the_client_of_the_page_gets_the_answer_shown(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/agents.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "ask.py").write_text(program, "utf-8")
    assert run_page(page, tmp_path) == 1
