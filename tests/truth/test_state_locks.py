"""What a backend's block says of the lock of its state."""

from __future__ import annotations

import pytest

from builder_contracts.truth.checkout import File
from builder_contracts.truth.model import Model
from builder_contracts.truth.readers.opentofu import read_opentofu

TABLE = {
    's3: bucket = "state"\nuse_lockfile = true': "set",
    's3: bucket = "state"\nuse_lockfile = false': "none",
    's3: bucket = "state"\nkey = "a"': "none",
    's3: bucket = "state"\ndynamodb_table = "locks"': "set",
    's3: bucket = "state"\nuse_lockfile = var.locks': "unknown",
    's3: key = "a"': "unknown",
    "s3: use_lockfile = true": "set",
    'http: address = "https://gitlab.com/state"': "none",
    'http: address = "https://gitlab.com/state"\nlock_address = "https://gitlab.com/state/lock"': "set",
    'http: address = "https://gitlab.com/state"\nlock_address = ""': "none",
    # Given to "init", or by the environment.
    "http: ": "unknown",
    # They lock by themselves.
    'gcs: bucket = "state"': "",
    "kubernetes: ": "",
}


@pytest.mark.parametrize("row", TABLE)
def test_lock_of_a_backend(row: str) -> None:
    kind, _, settings = row.partition(": ")
    model = Model()
    text = f'terraform {{\n  backend "{kind}" {{\n{settings}\n  }}\n}}\n'
    read_opentofu([File("stack/main.tf", text.encode())], model)
    assert [(stack.backend, stack.lock) for stack in model.stacks] == [(kind, TABLE[row])]
