"""The page about adding a proof: its code is a package that is run on servers, good and bad, and judged."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.prove.conftest import machine_bench
from tests.prove.stub import Answer, Asked, Files, stub

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-proof.md"
PACKAGE = "builder_contracts.prove.artifacts"
CODE = re.compile(r"`prove/artifacts/(\w+)\.py`.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def proof(tmp_path: Path) -> Iterator[dict[str, ModuleType]]:
    """The modules of the page, under the names that they would have."""
    modules = {}
    for name, code in CODE.findall(PAGE.read_text("utf-8")):
        file = tmp_path / f"{name}.py"
        file.write_text(code, "utf-8")
        spec = importlib.util.spec_from_file_location(f"{PACKAGE}.{name}", file)
        assert spec is not None
        assert spec.loader is not None
        modules[name] = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    assert set(modules) == {"record", "experiment", "judge"}
    yield modules
    for name in modules:
        del sys.modules[f"{PACKAGE}.{name}"]


class Store(Files):
    """A store that asks for credentials to write, with one defect at most."""

    def __init__(self, defect: str) -> None:
        super().__init__()
        self.defect = defect

    def __call__(self, request: Asked) -> Answer:
        if self.defect == "is down":
            return Answer(503)
        if request.method == "PUT" and not request.authorization and self.defect != "is open":
            return Answer(409 if self.defect == "rejects for another reason" else 401)
        if request.method == "PUT" and self.defect == "drops":
            return Answer(201)
        return super().__call__(request)


@pytest.mark.parametrize(
    ("defect", "writer", "anonymous"),
    [
        ("", "kept", "kept"),
        ("is open", "kept", "broken"),
        ("drops", "broken", "unproven"),
        ("rejects for another reason", "kept", "broken"),
        ("is down", "unproven", "unproven"),
    ],
)
def test_proof_of_the_page(
    proof: dict[str, Any], tmp_path: Path, defect: str, writer: str, anonymous: str
) -> None:
    store = Store(defect)
    with stub(store) as server:
        record = proof["experiment"].prove(machine_bench(tmp_path, artifacts=server.url))
    outcomes = {show: proof["judge"].judge(show, record)[0].outcome.value for show in ("writer", "anonymous")}
    assert outcomes == {"writer": writer, "anonymous": anonymous}, record
    assert store.held == {}
