"""What may not be looked at is told, and never taken for absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.files import entries, is_file, yaml_in
from builder_contracts.errors import InputError


def test_what_stands_there_and_what_does_not(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "c.txt"):
        (tmp_path / name).touch()
    assert is_file(tmp_path / "a.yaml")
    assert [path.name for path in entries(tmp_path)] == ["a.yaml", "b.yaml", "c.txt"]
    assert [path.name for path in yaml_in(tmp_path)] == ["a.yaml", "b.yaml"]
    for absent in (tmp_path / "nowhere", tmp_path / "a.yaml" / "deeper"):
        assert not is_file(absent)
        assert entries(absent) == []
    assert not is_file(tmp_path)
    assert entries(tmp_path / "a.yaml") == []


def test_where_nobody_may_look_that_is_said(tmp_path: Path) -> None:
    # Nothing is forbidden to root, which tests may run as: the system refuses this name to everybody.
    for look in (is_file, entries, yaml_in):
        with pytest.raises(InputError, match="cannot be looked at: File name too long"):
            look(tmp_path / ("a" * 300))
