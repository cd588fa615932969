"""What was found valid is not looked at again; what was not, is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.contract import schemas, validity
from builder_contracts.contract.document import Document
from builder_contracts.errors import InputError, Location

ROOT = Path(__file__).parents[3]
HOST = {
    "apiVersion": "builder-contracts/v1",
    "kind": "Environment",
    "metadata": {"name": "own", "summary": "A cache of my own"},
}


def document(data: Any) -> Document:
    return Document(data, {(): Location("own.yaml", 1)}, {})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(validity.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "valid"


def test_a_valid_document_is_remembered_once(cache: Path) -> None:
    for _ in range(2):
        validity.check("environment", document(HOST))
    assert len(list(cache.iterdir())) == 1


def test_the_validator_is_not_even_imported_for_what_is_known(cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from builder_contracts.contract.loading import load;"
        "load(Path('contracts/tinyland-nix.yaml')); print('jsonschema' in sys.modules)"
    )
    environment = {**os.environ, validity.CACHE: str(cache.parent)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert outputs == ["True\n", "False\n"]


@pytest.mark.parametrize(
    "other",
    [
        {**HOST, "roles": {}, "metadata": {"name": "own", "summary": 1}},
        {**HOST, "hosts": {"cache.example": {"ports": ["80"]}}},
        {**HOST, "surprise": True},
    ],
)
def test_a_document_like_a_remembered_one_is_checked(cache: Path, other: Any) -> None:
    validity.check("environment", document(HOST))
    for _ in range(2):
        with pytest.raises(InputError):
            validity.check("environment", document(other))
    assert len(list(cache.iterdir())) == 1


def test_a_document_known_to_one_schema_is_not_known_to_another(cache: Path) -> None:
    validity.check("environment", document(HOST))
    with pytest.raises(InputError):
        validity.check("builder-class", document(HOST))


def test_another_schema_makes_everything_unknown(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validity.check("environment", document(HOST))
    original = schemas.text
    validity._rules.cache_clear()
    monkeypatch.setattr(schemas, "text", lambda name: original(name) + " ")
    validity.check("environment", document(HOST))
    validity._rules.cache_clear()
    assert len(list(cache.iterdir())) == 2


def test_an_empty_cache_variable_turns_remembering_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(validity.CACHE, "")
    validity.check("environment", document(HOST))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv(validity.CACHE)
    validity.check("environment", document(HOST))
    assert len(list((tmp_path / "builder-contracts" / "valid").iterdir())) == 1


@pytest.mark.parametrize("folder", ["file", "a" * 300], ids=["of a file", "not to be looked at"])
def test_cache_directory_that_cannot_be_made_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(validity.CACHE, str(tmp_path / folder))
    validity.check("environment", document(HOST))


def test_an_account_without_a_home_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (validity.CACHE, "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    # Nobody has this number: it is the one that stands for no user.
    monkeypatch.setattr(os, "getuid", lambda: 2**32 - 2)
    with pytest.raises(RuntimeError):
        Path.home()
    validity.check("environment", document(HOST))


def test_the_oldest_make_room(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validity, "MOST", 3)
    for number in range(6):
        validity.check(
            "environment",
            document({**HOST, "metadata": {"name": f"own{number}", "summary": "A cache of my own"}}),
        )
    assert len(list(cache.iterdir())) == 3
