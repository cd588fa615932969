"""Whose a container is: told by the process that made it, and never guessed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from builder_contracts.runner.docker.cleanup import OWNER, RUN, Owner, RunLabels, _abandoned
from builder_contracts.runner.docker.runner import _names_registry


def test_a_living_owner_is_not_dead() -> None:
    owner = Owner.this_process()
    assert not owner.is_dead()
    assert Owner.from_label(owner.label) == owner


def test_an_owner_that_ended_is_dead() -> None:
    script = "from builder_contracts.runner.docker.cleanup import Owner; print(Owner.this_process().label)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    owner = Owner.from_label(done.stdout)
    assert owner is not None
    assert owner.is_dead()


def test_a_later_process_with_the_same_id_is_another() -> None:
    assert replace(Owner.this_process(), started="1").is_dead()


@pytest.mark.parametrize("field", ["boot", "namespace"])
def test_an_owner_elsewhere_cannot_be_told_dead_from_here(field: str) -> None:
    elsewhere = replace(Owner.this_process(), **{field: "elsewhere"}, pid=2**22 + 1)
    assert not elsewhere.is_dead()


@pytest.mark.parametrize("label", ["", "{", "[]", "null", '{"boot": "x"}', '{"a": 1}', "x" * 1000])
def test_a_label_of_others_is_nobodys(label: str) -> None:
    assert Owner.from_label(label) is None
    assert not _abandoned({OWNER: label})


def test_what_carries_no_label_is_not_touched() -> None:
    assert not _abandoned(None)
    assert not _abandoned({})


def test_everything_of_a_run_carries_its_id_and_its_process() -> None:
    run = RunLabels()
    assert run.labels[RUN] == run.id
    assert json.loads(run.labels[OWNER])["pid"] == os.getpid()
    assert run.name("nix").startswith("builder-contracts-")
    assert run.name("nix").endswith("-nix")
    assert RunLabels().id != run.id


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("tinyland-nix", False),
        ("builder-contracts/base:sid", False),
        ("library/debian", False),
        ("ghcr.io/me/runner:1", True),
        ("localhost/runner", True),
        ("localhost:5000/runner", True),
        ("registry:5000/runner", True),
        ("runner:5000", False),
    ],
)
def test_a_reference_names_a_registry_by_the_rule_of_its_grammar(reference: str, named: bool) -> None:
    assert _names_registry(reference) is named
