"""The status behind a client's words: what Docker and Nix print when a server rejects, and when nothing responds."""

from __future__ import annotations

import pytest

from builder_contracts.prove.nix.experiment import copy_status, is_unread
from builder_contracts.prove.publication.docker_push import push_status
from builder_contracts.runner.command_end import is_deadline, is_out_of_memory, is_own_exit
from builder_contracts.runner.protocol import CompletedCommand


@pytest.mark.parametrize(
    ("status", "stderr", "expected"),
    [
        (1, "unauthorized: authentication required", "401"),
        (1, "no basic auth credentials", "401"),
        (1, "denied: requested access to the resource is denied", "403"),
        (1, "dial tcp: lookup registry.example: no such host", "LOST"),
        (1, "received unexpected HTTP status: 500", "refused"),
        (1, "unexpected status from POST request: 502", "LOST"),
        (1, "manifest invalid", "refused"),
        # Lost, whatever it had printed until then.
        (None, "denied: requested access to the resource is denied", "LOST"),
        (None, "", "LOST"),
    ],
)
def test_docker_push_status(status: int | None, stderr: str, expected: str) -> None:
    ended = "the engine lost the command: gone" if status is None else ""
    assert push_status(CompletedCommand(status, b"", stderr.encode(), ended)) == expected


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (0, "copying 1 paths", "OK"),
        (0, "warning: HTTP error 403, skipped", "403"),
        (1, "error: unable to upload: HTTP error 401", "401"),
        (1, "error: unable to upload: HTTP error 405", "405"),
        (1, "error: unable to upload: HTTP error 503", "LOST"),
        (1, "error: Couldn't connect to server", "LOST"),
        (1, "error: path is not valid", "status 1"),
        (None, "error: unable to upload: HTTP error 403", "LOST"),
    ],
)
def test_nix_copy_status(status: int | None, text: str, expected: str) -> None:
    assert copy_status(status, text) == expected


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("error: unable to download 'http://cache.example/main/nix-cache-info': HTTP error 401", True),
        ("error: unable to download 'http://cache.example/main/nix-cache-info': HTTP error 403", True),
        ("error: unable to download 'http://cache.example/main/nix-cache-info': HTTP error 500", False),
        ("error: unable to upload 'http://cache.example/main/a.narinfo': HTTP error 401", False),
        # A path of its closure cannot be looked up, and is written all the same.
        (
            "warning: unable to download 'http://c/a.narinfo': HTTP error 403; unable to upload 'http://c/a.nar': HTTP error 403",
            False,
        ),
    ],
)
def test_nix_that_may_not_read_has_not_written(text: str, unread: bool) -> None:
    assert is_unread(text) is unread


@pytest.mark.parametrize(
    ("ended", "deadline", "memory", "own"),
    [
        ("no end within 60 s", True, False, False),
        ("no exit within 60 s: CC fork.o", True, False, False),
        ("env did not end within 60 s", True, False, False),
        ("env did not exit within 60 s", True, False, False),
        ("the container died with status 137 (out of memory): Killed", False, True, False),
        ("container exited with status 137 (out of memory)", False, True, False),
        ("the container died with status 137", False, False, False),
        ("the engine lost the command: no end within reach", False, False, False),
        ("container exited with status 1: no such device", False, False, True),
        ("container exited with status 143", False, False, False),
        ("lost the command in the engine: gone: gcc was killed (out of memory)", False, False, False),
        ("lost the command in the engine: the container is paused", False, False, False),
        ("the run was stopped", False, False, False),
        ("", False, False, False),
    ],
)
def test_end_of_a_command_without_a_status(ended: str, deadline: bool, memory: bool, own: bool) -> None:
    assert (is_deadline(ended), is_out_of_memory(ended), is_own_exit(ended)) == (deadline, memory, own)
