"""A job starts as its contract says, and a start that does not work is broken with its output."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import Facts
from tests.defects.conftest import Bench

pytestmark = pytest.mark.docker

BODY = (
    "image: {reference: sample, entrypoint: [/ep]}\nidentity: {user: runner, home: /home/runner}\n"
    "environment: {variables: {DOCKER_HOST: absent, LANG: absent}}\ntoolchain: {git: present}\n"
)
WriteContract = Callable[[str], Contract]


def entry_point(bench: Bench, body: str) -> str:
    script = f"RUN printf '#!/bin/sh\\n{body}\\n' >/ep && chmod 0755 /ep"
    return bench.build("tinyland-docker", f'{script}\nENTRYPOINT ["/ep"]')


@pytest.mark.parametrize(
    ("body", "broken", "says"),
    [
        ('unset LANG; exec "$@"', set(), ""),
        ("echo boom; exit 1", {"image/entrypoint"}, "container exited with status 1: boom"),
        ('export DOCKER_HOST=tcp://x:1; exec "$@"', {"environment/DOCKER_HOST"}, "that ENTRYPOINT starts"),
    ],
    ids=["sound", "fails", "exports"],
)
def test_promised_entrypoint_is_started(
    bench: Bench, write_contract: WriteContract, body: str, broken: set[str], says: str
) -> None:
    contract = write_contract(BODY.replace(", LANG: absent", ""))
    seen = bench.observe(contract, image=entry_point(bench, body))
    assert seen.broken == broken
    assert all(says in seen.verdicts[local_id].observation for local_id in broken)


@pytest.mark.parametrize(
    ("job", "body", "broken"),
    [
        ("start: image", "unset LANG; cd /tmp; sleep infinity", set()),
        ("start: image", "export DOCKER_HOST=x; unset LANG; sleep infinity", {"environment/DOCKER_HOST"}),
        ("start: image", "sleep infinity", {"environment/LANG"}),
        ("start: image", "echo not configured", {"job/start", "image/reference"}),
        ("start: arguments", 'unset LANG; exec "$@"', set()),
        ("command: [/home/runner/run.sh]", "true", {"job/start", "image/reference"}),
        ("command: [env, -u, LANG, tail, -f, /dev/null]", 'unset LANG; exec \\"$@\\"', set()),
        ("shells: [bash -e, pwsh]", 'unset LANG; exec "$@"', {"job/shell/pwsh", "environment/LANG"}),
    ],
)
def test_job_that_starts_is_what_is_judged(
    bench: Bench, write_contract: WriteContract, job: str, body: str, broken: set[str]
) -> None:
    contract = write_contract(f"{BODY}job: {{{job}}}\n")
    seen = bench.observe(contract, image=entry_point(bench, body.replace('\\"', '"')))
    assert seen.broken == broken
    assert all(verdict.origin.start for verdict in seen.verdicts.values())
    assert not any("disagree" in verdict.observation for verdict in seen.verdicts.values())
    assert "job/start" in broken or not any(verdict.one_witness for verdict in seen.verdicts.values())


@pytest.mark.parametrize(
    ("job", "broken"),
    [("", {"image/entrypoint"}), ("job: {start: arguments}\n", {"job/start", "image/reference"})],
    ids=["beside the job", "of the job"],
)
def test_entrypoint_that_hangs_is_broken(
    bench: Bench, write_contract: WriteContract, monkeypatch: pytest.MonkeyPatch, job: str, broken: set[str]
) -> None:
    monkeypatch.setattr("builder_contracts.runner.docker.runner._COMMAND_WITHIN", 2.0)
    contract = write_contract(f"{BODY.replace(', LANG: absent', '')}{job}")
    seen = bench.observe(contract, image=entry_point(bench, "exec sleep infinity"))
    assert seen.broken == broken
    for local_id in broken:
        assert "did not run the job's command within 2 s" in seen.verdicts[local_id].observation


@pytest.mark.parametrize("from_host", [True, False])
def test_outside_witness_looks_at_the_job_not_its_wrapper(
    bench: Bench, write_contract: WriteContract, monkeypatch: pytest.MonkeyPatch, from_host: bool
) -> None:
    if not from_host:
        monkeypatch.setattr("builder_contracts.runner.docker.kernel_view._is_visible", lambda *_: False)
    contract = write_contract(f"{BODY}job: {{start: image}}\n")

    seen = bench.observe(contract, image=entry_point(bench, "unset LANG; export MARK=1; sleep infinity"))

    assert isinstance(seen.facts.outside, Facts)
    assert isinstance(seen.facts.outside.env, dict)
    assert seen.facts.outside.env["MARK"] == "1"
    assert not any(verdict.one_witness for verdict in seen.verdicts.values())
