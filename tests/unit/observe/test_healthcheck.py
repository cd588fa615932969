"""Health checks as the engine would run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from builder_contracts.facts.model import NOT_ASKED, FeatureFacts, ImageFacts, Seen, Unseen
from builder_contracts.observe import healthcheck
from builder_contracts.runner.protocol import CompletedCommand, OutsideView

IMAGE = ImageFacts("sample", "sha256:0", "linux/amd64", {}, entrypoint=[], size=1)


class AnsweringRunner:
    """Keeps the arguments that it is asked to run, and gives one answer."""

    def __init__(self, image: Seen[ImageFacts], answer: CompletedCommand) -> None:
        self.setting = OutsideView(NOT_ASKED, image, NOT_ASKED)
        self.answer = answer
        self.arguments: list[str] = []

    def execute(
        self,
        arguments: Sequence[str],
        *,
        deadline: float,
        last_line: bytes = b"",  # noqa: ARG002 # the protocol's
    ) -> CompletedCommand:
        assert deadline == healthcheck.SECONDS
        self.arguments = list(arguments)
        return self.answer


def run(declared: list[str], answer: CompletedCommand) -> tuple[Seen[FeatureFacts], list[str]]:
    runner = AnsweringRunner(replace(IMAGE, healthcheck=declared), answer)
    return healthcheck.run(runner), runner.arguments


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (["CMD", "curl", "-f", "a b"], ["curl", "-f", "a b"]),
        (["CMD-SHELL", "curl a || exit 1"], ["/bin/sh", "-c", "curl a || exit 1"]),
        (["CMD"], None),
        (["NONE"], None),
        ([], None),
        (["CMD-SHELL", "a", "b"], None),
    ],
)
def test_command_of_a_health_check(declared: list[str], words: list[str] | None) -> None:
    assert healthcheck.command(declared) == words


def test_status_and_the_beginning_of_both_streams() -> None:
    facts, arguments = run(["CMD", "probe", "x"], CompletedCommand(3, b" out\n", b"err\xff" + b"x" * 400))
    assert arguments == ["probe", "x"]
    assert isinstance(facts, FeatureFacts)
    assert facts.status == 3
    assert facts.output.startswith("out\nerr\ufffdxx")
    assert len(facts.output) == 300


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CompletedCommand(None, b"", b"", "probe did not exit within 30 s"), "did not exit within 30 s"),
        (CompletedCommand(None, b"", b""), "no exit status"),
    ],
)
def test_check_that_does_not_end_is_a_reason(answer: CompletedCommand, reason: str) -> None:
    facts, _ = run(["CMD", "probe"], answer)
    assert isinstance(facts, Unseen)
    assert reason in facts.reason


def test_image_without_a_health_check_runs_nothing() -> None:
    facts, arguments = run(["NONE"], CompletedCommand(0, b"", b""))
    assert facts == Unseen("the image declares no health check")
    assert arguments == []


def test_image_that_was_not_seen_is_the_reason() -> None:
    lost = Unseen("no engine")
    assert healthcheck.run(AnsweringRunner(lost, CompletedCommand(0, b"", b""))) == lost
