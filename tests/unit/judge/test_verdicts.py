"""From a finding to a verdict: waivers, rungs, and where a reader is sent."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts import verdict as evidence
from builder_contracts.contract.model import Clause, Contract, Waiver
from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.declarations import Label, Responsibility
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import NotRoot
from builder_contracts.contract.promises.isolation import (
    Capabilities,
    DockerSocket,
    NoNewPrivileges,
    Privileged,
    Seccomp,
)
from builder_contracts.contract.promises.network import Egress
from builder_contracts.contract.promises.resources import (
    CpuLimit,
    CpuRequest,
    MemoryLimit,
    MemoryRequest,
    PidsLimit,
)
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Location
from builder_contracts.facts import model
from builder_contracts.facts.model import Facts, RunnerFacts
from builder_contracts.judge import fact_at, judge, origin_of, under_waiver
from builder_contracts.verdict import Assessment, Measurement, Origin, Outcome, Rung, Verdict, as_json
from tests.unit.judge.observed import IMAGE, LOST, NOT_HERE, RUNNER, facts

TODAY = date(2026, 3, 15)
LOCAL = RunnerFacts("local", "", "runner-7", cpus=4, memory=2**34)
KEPT = facts(tools={"xz": model.ToolFacts("/usr/bin/xz")})
BROKEN = facts(tools={"xz": model.ToolFacts(None)})


def clause(promise: Promise | None = None, waiver: Waiver | None = None, **more: Any) -> Clause:
    return Clause(
        "sample", "toolchain", "xz", promise or Tool("xz"), Location("sample.yaml", 7), waiver, **more
    )


def contract(only_clause: Clause, file: str = "sample.yaml") -> Contract:
    return Contract(
        "sample",
        "A sample",
        "me",
        ("sample",),
        "sample",
        Location(file, 3),
        "sha256:" + "0" * 64,
        (only_clause,),
        {},
    )


def verdict(judged: Clause, facts_seen: Facts, file: str = "sample.yaml") -> Verdict:
    return judge(judged, facts_seen, contract(judged, file), today=TODAY, environment="embedded")


def until(day: date) -> Waiver:
    return Waiver("the image is being rebuilt", day, Location("sample.yaml", 20))


def test_waiver_excuses_a_broken_promise_until_its_date() -> None:
    found = verdict(clause(waiver=until(TODAY)), BROKEN)
    assert found.outcome is Outcome.WAIVED
    assert found.cause == "waived until 2026-03-15: the image is being rebuilt"
    assert "not found" in found.observation


def test_an_expired_waiver_breaks_the_clause_and_names_its_place() -> None:
    found = verdict(clause(waiver=until(TODAY - timedelta(days=1))), BROKEN)
    assert found.outcome is Outcome.BROKEN
    assert found.observation.startswith("waiver expired on 2026-03-14 (broken: not found on ")
    assert found.fix == "remove the waiver at sample.yaml:20, or review it and set a later date"
    assert "xz" in found.cause


def test_an_expired_waiver_keeps_what_was_found() -> None:
    finding = Assessment(
        Outcome.BROKEN,
        "a",
        "b",
        "c",
        measurements=(Measurement("boot_seconds", 3),),
        fix="d",
        checked=1,
        total=2,
        observed="e",
        set_by_run=True,
    )
    expired = under_waiver(clause(waiver=until(TODAY - timedelta(days=1))), finding, TODAY)
    assert expired.fix == "remove the waiver at sample.yaml:20, or review it and set a later date; d"
    assert replace(expired, observation="a", fix="d") == finding


def test_expired_waiver_breaks_a_kept_promise_too() -> None:
    found = verdict(clause(waiver=until(TODAY - timedelta(days=1))), KEPT)
    assert found.outcome is Outcome.BROKEN
    assert "(kept: /usr/bin/xz (not run))" in found.observation


def test_live_waiver_leaves_kept_and_unproven_unchanged() -> None:
    waived = clause(waiver=until(TODAY))
    assert verdict(waived, KEPT).outcome is Outcome.KEPT
    assert verdict(waived, facts()).outcome is Outcome.UNPROVEN


FINDINGS = st.builds(
    Assessment,
    st.sampled_from([Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN]),
    st.text(min_size=1),
    st.text(),
)


@given(FINDINGS, st.dates(), st.dates())
def test_waiver_never_makes_kept_nor_hides_unproven(finding: Assessment, last: date, today: date) -> None:
    changed = under_waiver(clause(waiver=until(last)), finding, today)
    if finding.outcome is not Outcome.KEPT:
        assert changed.outcome is not Outcome.KEPT
    if changed.outcome is Outcome.WAIVED:
        assert finding.outcome is Outcome.BROKEN
        assert today <= last
    if today > last:
        assert changed.outcome is Outcome.BROKEN
    assert finding.observation in changed.observation


@pytest.mark.parametrize(
    ("runner", "rung"),
    [
        (RUNNER, Rung.OBSERVED),
        (replace(RUNNER, live=True), Rung.OBSERVED),
        (LOCAL, Rung.DECLARED),
        (replace(LOCAL, live=True), Rung.LIVE),
        (LOST, Rung.DECLARED),
    ],
    ids=["container", "container that claims more", "some machine", "runner of the pool", "unknown"],
)
def test_rung_follows_the_observed_runner(runner: Any, rung: Rung) -> None:
    for seen in (KEPT, BROKEN):
        assert verdict(clause(), replace(seen, runner=runner)).rung is rung


@pytest.mark.parametrize("promise", [Label("sample"), Responsibility("works", ("sample/toolchain/xz",))])
def test_what_is_only_declared_has_the_lowest_rung(promise: Promise) -> None:
    assert verdict(clause(promise), facts()).rung is Rung.DECLARED


def test_what_a_proof_finds_decides_instead_of_facts() -> None:
    judged = clause(CacheProof("nix", "read", "unsigned"))
    proven = Assessment(Outcome.BROKEN, "accepted", "no key", ".image.size")
    found = judge(judged, KEPT, contract(judged), today=TODAY, instead=proven)
    assert (found.outcome, found.observation, found.cause) == (Outcome.BROKEN, "accepted", "no key")
    assert found.observed == IMAGE.size


RUN_SETTINGS = {
    "privileged": (Privileged(False), {"isolation": model.IsolationFacts(privileged=False)}),
    "capabilities": (Capabilities(("ALL",), ()), {"isolation": model.IsolationFacts(bounding=0)}),
    "no new privileges": (
        NoNewPrivileges(True),
        {"isolation": model.IsolationFacts(no_new_privileges=True)},
    ),
    "seccomp": (Seccomp(True), {"isolation": model.IsolationFacts(seccomp=2)}),
    "egress": (Egress(False), {"network": model.NetworkFacts(default_routes=[])}),
    "cpu limit": (CpuLimit(2000), {"resources": model.ResourceFacts(cpu=2000)}),
    "cpu request": (CpuRequest(500), {"resources": model.ResourceFacts(cpu_shares=512)}),
    "memory limit": (MemoryLimit(2**30), {"resources": model.ResourceFacts(memory=2**30)}),
    "memory request": (MemoryRequest(2**30), {"resources": model.ResourceFacts(memory_reserved=2**30)}),
    "pids": (PidsLimit(4096), {"resources": model.ResourceFacts(pids=4096)}),
}


@pytest.mark.parametrize(("promise", "seen"), RUN_SETTINGS.values(), ids=RUN_SETTINGS)
def test_run_setting_is_declared_in_a_container_of_the_run(promise: Any, seen: dict[str, Any]) -> None:
    in_container = verdict(clause(promise), facts(**seen))
    assert (in_container.outcome, in_container.rung) == (Outcome.KEPT, Rung.DECLARED)
    assert in_container.set_by_run
    assert in_container.observation.endswith("; set by this run")
    # Somebody else configured a real runner, so there the same fact is evidence.
    live = verdict(clause(promise), facts(runner=replace(LOCAL, live=True), **seen))
    assert (live.outcome, live.rung, live.set_by_run) == (Outcome.KEPT, Rung.LIVE, False)


def test_run_setting_without_effect_is_broken_as_observed() -> None:
    privileged = facts(isolation=model.IsolationFacts(privileged=True))
    result = verdict(clause(Privileged(False)), privileged)
    assert (result.outcome, result.rung, result.set_by_run) == (Outcome.BROKEN, Rung.OBSERVED, False)


def test_what_the_image_decides_is_observed() -> None:
    result = verdict(clause(DockerSocket(False)), facts(isolation=model.IsolationFacts(sockets=[])))
    assert (result.rung, result.set_by_run) == (Rung.OBSERVED, False)


def test_verdict_says_how_the_job_was_started() -> None:
    start = model.StartFacts(exists=True, started=True, way="ENTRYPOINT and CMD of the image")
    assert verdict(clause(), replace(KEPT, start=start)).origin.start == "ENTRYPOINT and CMD of the image"


def test_verdict_says_by_what_the_runner_is_known() -> None:
    attributed = replace(KEPT, runner=replace(LOCAL, identity="labels of the agent", live=True), start=LOST)
    origin = verdict(clause(), attributed).origin
    assert (origin.attribution, origin.runner, origin.start) == ("labels of the agent", "local", "")


def test_image_that_did_not_start_is_named_by_its_start() -> None:
    start = model.StartFacts(exists=True, started=False, image="other:2", digest="sha256:ab")
    origin = verdict(clause(), facts(image=LOST, start=start)).origin
    assert (origin.image, origin.image_digest) == ("other:2", "sha256:ab")


def test_origin_without_an_image_names_none() -> None:
    origin = origin_of(contract(clause()), None, None, environment="", started="", seconds=0)
    assert (origin.image, origin.image_digest) == ("", "")


def test_unproven_has_no_rung() -> None:
    assert verdict(clause(), facts()).rung is None


def test_verdict_has_everything_that_a_report_needs() -> None:
    seen = replace(KEPT, taken="2026-03-15T12:00:00.000Z", seconds=0.08)
    result = verdict(clause(why="installers need it"), seen)
    assert result == Verdict(
        clause="sample/toolchain/xz",
        outcome=Outcome.KEPT,
        rung=Rung.OBSERVED,
        promise="xz on the job's PATH",
        observation="/usr/bin/xz (not run)",
        checked=1,
        total=2,
        location=Location("sample.yaml", 7),
        witnesses=("probe: /usr/bin/xz (not run)",),
        expected=as_json(clause().promise),
        observed=as_json(seen.tools["xz"]),
        inspect="builder-contracts facts --contract sample.yaml --image sample | jq '.tools[\"xz\"]'",
        why="installers need it",
        origin=Origin(
            image="sample",
            image_digest=IMAGE.digest,
            contract_digest="sha256:" + "0" * 64,
            engine="Docker Engine 26.1",
            host="Debian 12",
            runner="docker",
            environment="embedded",
            started="2026-03-15T12:00:00.000Z",
            seconds=0.08,
        ),
    )


def test_verdict_without_image_names_the_contracts_own() -> None:
    assert "--image sample |" in verdict(clause(), facts(image=NOT_HERE)).inspect
    found = verdict(clause(), facts(image=NOT_HERE, runner=LOST))
    assert found.origin == Origin(contract_digest="sha256:" + "0" * 64, environment="embedded")
    # Without a runner the command that shows a fact would fail for the same reason.
    assert found.inspect == "builder-contracts doctor"


def test_the_command_names_what_the_facts_depend_on() -> None:
    judged = clause()
    varied = replace(contract(judged), platform="linux/arm64", settings={"A": "1", "B": "x y"})
    seen = replace(KEPT, image=replace(IMAGE, reference="other:2"))
    assert judge(judged, seen, varied, today=TODAY).inspect == (
        "builder-contracts facts --contract sample.yaml --set A=1 --set 'B=x y' --platform linux/arm64"
        " --image other:2 | jq '.tools[\"xz\"]'"
    )


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ('.steps["sh -e"]', as_json(LOST)),
        ('.steps["bash -e"].env.HOME', "/root"),
        ('.steps["bash -e"].env.API_TOKEN', "(redacted)"),
        ('.steps["bash -e"].env.NONE', None),
        ('.steps["zsh"]', None),
    ],
)
def test_fact_of_a_step_is_data_without_secrets(path: str, fact: object) -> None:
    steps = {"sh -e": LOST, "bash -e": model.StepFacts({"HOME": "/root", "API_TOKEN": "hunter2"})}
    assert fact_at(facts(steps=steps), path) == fact


def test_a_whole_step_shows_names_of_variables_only() -> None:
    steps: Any = {"bash -e": model.StepFacts({"HOME": "/root", "API_TOKEN": "x"}, tools={"git": "/git"})}
    shown = fact_at(facts(steps=steps), '.steps["bash -e"]')
    assert shown["env"] == ["API_TOKEN", "HOME"]
    assert shown["tools"] == {"git": "/git"}


def test_on_a_machine_the_command_looks_at_the_machine() -> None:
    assert "--runner local |" in verdict(clause(), replace(KEPT, runner=LOCAL)).inspect


@pytest.mark.parametrize(("live", "rung"), [(False, Rung.OBSERVED), (True, Rung.LIVE)])
def test_in_a_pod_the_template_decides_about_the_rung(live: bool, rung: Rung) -> None:
    options = ["--scale-set", "arc/tiny set"]
    runner = RunnerFacts("kubernetes", "", "node", cpus=4, memory=2**34, live=live, options=options)

    found = verdict(clause(), replace(KEPT, runner=runner))

    assert found.rung is rung
    assert "--runner kubernetes --scale-set 'arc/tiny set' |" in found.inspect


@pytest.mark.parametrize(
    "path", ["/tmp/$(rm -rf /)", "/it's", '/a"b', "/a b;c", "/`id`", "/a\\b", "/ü\u202e"]
)
def test_the_command_to_copy_is_safe_whatever_a_contract_holds(path: str) -> None:
    look = verdict(
        clause(PathState(path)), facts(paths={path: model.PathFacts(None)}), f"my{path}.yaml"
    ).inspect
    words = shlex.split(look)
    assert words[:4] == ["builder-contracts", "facts", "--contract", f"my{path}.yaml"]
    assert words[-3:-1] == ["|", "jq"]
    assert len(words) == 9
    assert words[-1] == f".paths[{json.dumps(path)}]"


def test_evidence_is_never_empty() -> None:
    with pytest.raises(ValueError, match="needs evidence"):
        evidence.kept("")
    assert evidence.broken("", "x").observation == evidence.unproven("").observation == "(no output)"


def test_unseen_user_is_not_a_kept_not_root() -> None:
    assert verdict(clause(NotRoot()), facts(identity=LOST)).outcome is Outcome.UNPROVEN


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        (".image.reference", "sample"),
        ('.tools["xz"].path', "/usr/bin/xz"),
        (".env.GH_TOKEN", "(redacted)"),
        ('.env["HOME"]', "/home/runner"),
        (".image.entrypoint[0]", "/entry"),
        (".image.entrypoint[9]", None),
        ('.tools["gone"]', None),
        (".nothing", None),
        (".image.size.sign", None),
        (".env", ["GH_TOKEN", "HOME"]),
        ('.image.labels["api-token"]', "(redacted)"),
        ("| keys", None),
        ("", None),
    ],
)
def test_fact_at_a_path_is_data_without_secrets(path: str, fact: object) -> None:
    seen = replace(
        KEPT,
        image=replace(IMAGE, entrypoint=["/entry"], labels={"api-token": "hunter2"}),
        env={"GH_TOKEN": "hunter2", "HOME": "/home/runner"},
    )
    assert fact_at(seen, path) == fact


def test_unproven_fact_gives_its_reason_as_data() -> None:
    assert fact_at(facts(), '.tools["xz"]') is None
    unseen = fact_at(facts(identity=LOST), ".identity")
    assert unseen == as_json(LOST)
