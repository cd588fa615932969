"""From contracts to questions, and from questions to few groups."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.observe.inside.questions import (
    MAX_QUESTION_BYTES,
    SEPARATOR,
    batches,
    probe,
    questions,
    spellings,
)
from tests.unit.generated_contracts import contracts

HEAD = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
"""


def contract(folder: Path, body: str) -> Contract:
    path = folder / "sample.yaml"
    path.write_text(HEAD + body)
    return load(path)


def asked(sample: Contract, **forbidden: tuple[str, int]) -> list[list[str]]:
    return [question.split(SEPARATOR) for question in questions(sample, forbidden)]


def test_every_promise_asks_its_question_once(tmp_path: Path) -> None:
    sample = contract(
        tmp_path,
        """
identity: {shell: /bin/sh}
toolchain:
  jq: present
  nix: {version: ">=2", features: {flakes: [eval, ""]}, work: {arguments: [eval, "1"], stdin: x}}
  sccache: {version: ">=1", version_command: [-V]}
filesystem: {/dev/null: present, /tmp: {mode: "1777"}}
isolation: {docker_daemon: absent, devices: {/dev/null: present}}
network: {resolve: [a.example], reach: ["a.example:80"], deny: [metadata]}
""",
    )
    assert sorted(asked(sample)) == sorted(
        [
            ["daemon"],
            ["shell", "/bin/sh"],
            ["tool", "jq"],
            ["work", "jq", "20", "step", "", '{"work": [1, [{nonce}]]}', "", "2", "-c", ".work[1]"],
            ["tool", "nix", "--version"],
            ["work", "nix", "20", "step", "", "x", "", "2", "eval", "1"],
            ["feature", "nix", "flakes", "eval", ""],
            ["tool", "sccache", "-V"],
            ["path", "/dev/null"],
            ["path", "/tmp"],
            ["resolve", "a.example"],
            ["connect", "a.example:80", "a.example", "80"],
        ]
    )


def test_forbidden_host_is_tried_in_every_notation_if_allowed(tmp_path: Path) -> None:
    sample = contract(tmp_path, "network: {deny: [metadata]}\n")
    assert asked(sample) == []
    tried = asked(sample, metadata=("169.254.169.254", 80))
    assert [words[2] for words in tried] == [
        "169.254.169.254", "2852039166", "0251.0376.0251.0376", "0xa9fea9fe", "::ffff:169.254.169.254"
    ]  # fmt: skip
    assert {words[0] for words in tried} == {"connect"}


@given(st.ip_addresses(v=4))
def test_every_notation_is_the_same_address(address: ipaddress.IPv4Address) -> None:
    spelled = spellings(str(address))
    for name in ("dotted", "decimal", "octal", "hexadecimal"):
        assert socket.inet_aton(spelled[name]) == address.packed, name
    assert ipaddress.IPv6Address(spelled["ipv6-mapped"]).ipv4_mapped == address
    assert len(set(spelled.values())) == 5


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(contracts())
def test_word_of_a_contract_cannot_end_a_question(sample: Contract) -> None:
    for words in asked(sample, metadata=("169.254.169.254", 80)):
        assert f"\nanswer_{words[0]}() {{" in probe()
        assert not any("\0" in word or SEPARATOR in word for word in words)


def test_contract_of_usual_size_is_one_group() -> None:
    assert len(batches([f"tool{SEPARATOR}tool-{number}" for number in range(1000)])) == 1


def test_no_question_is_still_one_run_of_the_probe() -> None:
    assert batches([]) == [[]]


@given(st.lists(st.integers(0, 30_000), max_size=20))
def test_groups_keep_order_and_fit_an_argument_list(sizes: list[int]) -> None:
    asked = ["ü" * size for size in sizes]
    groups = batches(asked)
    assert [question for group in groups for question in group] == asked
    for group in groups:
        size = sum(len(question.encode()) for question in group)
        assert size <= MAX_QUESTION_BYTES or len(group) == 1


@pytest.mark.parametrize("group", [batches(["x" * 80_000, "y" * 80_000])])
def test_no_group_is_empty_beside_others(group: list[list[str]]) -> None:
    assert all(group)


def test_an_ipv6_address_is_spelled_short_and_in_full() -> None:
    assert spellings("fd00:ec2::254") == {
        "compressed": "fd00:ec2::254",
        "exploded": "fd00:0ec2:0000:0000:0000:0000:0000:0254",
    }
