"""The local runner claims a class only on a machine that is shown to be one of its runners."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path

import pytest

from builder_contracts.runner.local.attribution import (
    PLACEMENT,
    HostProfile,
    Placement,
    identify,
    this_machine,
)
from builder_contracts.runner.local.runner import local_runner

LABELS = ("tinyland-nix",)
NAME = "tinyland-nix-k2xqw-runner-8r4tz"

POD = HostProfile(
    environment={
        "GITHUB_ACTIONS": "true",
        "RUNNER_ENVIRONMENT": "self-hosted",
        "RUNNER_NAME": NAME,
        "RUNNER_OS": "Linux",
    },
    host_name=NAME,
    namespace="arc-runners",
    packages="sha256:1111",
)

GITLAB = HostProfile(
    environment={
        "GITLAB_CI": "true",
        "CI_RUNNER_DESCRIPTION": "honey nix",
        "CI_RUNNER_TAGS": '["tinyland-nix", "linux"]',
        "CI_RUNNER_VERSION": "17.2.0",
    },
    host_name="runner-t1k-project-7-concurrent-0-x1",
)


def with_env(machine: HostProfile, **changes: str | None) -> HostProfile:
    env = {**machine.environment, **{key: value for key, value in changes.items() if value is not None}}
    for key, value in changes.items():
        if value is None:
            env.pop(key, None)
    return dataclasses.replace(machine, environment=env)


def test_pod_of_the_scale_set_is_live_with_its_signs() -> None:
    attribution = identify(LABELS, POD)

    assert attribution.live
    assert attribution.name == NAME
    assert str(attribution) == (
        f"{NAME}: live (GitHub reports self-hosted; the host name matches the runner's name ({NAME}); "
        f"the runner's name starts with tinyland-nix) · host {NAME}; namespace arc-runners; os Linux; "
        "packages sha256:1111"
    )


def test_github_record_links_runner_of_any_name() -> None:
    named = dataclasses.replace(with_env(POD, RUNNER_NAME="gh-nix-1-runner-2"), host_name="gh-nix-1-runner-2")
    placed = dataclasses.replace(
        named, placement=Placement(("tinyland-nix",), "gh-nix-1-runner-2", runner_group="default")
    )

    assert not identify(LABELS, named).live
    assert identify(LABELS, placed).live


def test_job_container_has_shortened_runner_name() -> None:
    long = "tinyland-nix-with-a-name-that-is-very-long-indeed-k2xqw-runner-8r4tz"
    inside = dataclasses.replace(with_env(POD, RUNNER_NAME=long), host_name=f"{long[:54]}-workflow")

    assert identify(LABELS, inside).live


REFUSED = {
    "no CI system at all": (
        dataclasses.replace(POD, environment={}),
        "no CI system identifies this machine as its runner",
    ),
    "a machine of GitHub's hosted pool": (
        with_env(POD, RUNNER_ENVIRONMENT="github-hosted"),
        "GitHub reports this runner as github-hosted, not self-hosted",
    ),
    "a runner that does not say what it is": (
        with_env(POD, RUNNER_ENVIRONMENT=None),
        "of no stated kind, not self-hosted",
    ),
    "the variables of a hosted image": (
        with_env(POD, ImageOS="ubuntu24", ImageVersion="20260801.1"),
        "ImageOS and ImageVersion set, as on GitHub-hosted runners",
    ),
    "the files of a hosted image": (
        dataclasses.replace(POD, traces=("/imagegeneration",)),
        "/imagegeneration exists, as on hosted runners",
    ),
    "a laptop": (
        dataclasses.replace(POD, battery="BAT0"),
        "a battery is present (BAT0), so this is a laptop",
    ),
    "another machine with the runner's variables": (
        dataclasses.replace(POD, host_name="my-desk"),
        f"the host name is my-desk, but the runner's name is {NAME}",
    ),
    "a runner without a name": (with_env(POD, RUNNER_NAME=None), "RUNNER_NAME is not set"),
    "a runner of another class": (
        dataclasses.replace(with_env(POD, RUNNER_NAME="other-1"), host_name="other-1"),
        "cannot link runner other-1 to tinyland-nix",
    ),
    "a job that GitHub placed for another label": (
        dataclasses.replace(POD, placement=Placement(("tinyland-docker",), NAME)),
        "GitHub scheduled this job for tinyland-docker, but the class is tinyland-nix",
    ),
    "the record of another job": (
        dataclasses.replace(POD, placement=Placement(("tinyland-nix",), "somebody-else")),
        f"the job record names runner somebody-else, but RUNNER_NAME is {NAME}",
    ),
    "a GitLab runner without the tag": (
        with_env(GITLAB, CI_RUNNER_TAGS='["linux"]'),
        "GitLab reports linux on this runner, but the class is tinyland-nix",
    ),
    "a machine of gitlab.com's hosted pool": (
        with_env(GITLAB, CI_RUNNER_TAGS='["saas-linux-small-amd64", "tinyland-nix"]'),
        "a gitlab.com hosted runner",
    ),
    "a desk with GitLab's variables": (
        dataclasses.replace(GITLAB, host_name="my-desk"),
        "the host name my-desk does not match a GitLab runner job",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_host_with_objection_is_not_live(case: str) -> None:
    machine, reason = REFUSED[case]

    attribution = identify(LABELS, machine)

    assert not attribution.live
    assert reason in str(attribution)


@pytest.mark.parametrize("tags", ['["tinyland-nix", "linux"]', "tinyland-nix, linux"])
def test_gitlab_runner_with_tag_is_live_in_both_formats(tags: str) -> None:
    assert identify(LABELS, with_env(GITLAB, CI_RUNNER_TAGS=tags)).live


def test_host_profile_is_read_from_files_and_env(tmp_path: Path) -> None:
    for name, content in {
        "var/run/secrets/kubernetes.io/serviceaccount/namespace": "arc-runners",
        "sys/class/power_supply/AC/type": "Mains\n",
        "sys/class/power_supply/BAT1/type": "Battery\n",
        "imagegeneration/imagedata.json": "[]",
        "etc/os-release": "ID=debian\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    record = tmp_path / "placement.json"
    record.write_text(
        json.dumps({"labels": ["tinyland-nix"], "runner_name": NAME, "runner_group": "default"})
    )

    machine = this_machine({PLACEMENT: str(record)}, tmp_path)

    assert machine.host_name == platform.node()
    assert machine.namespace == "arc-runners"
    assert machine.battery == "BAT1"
    assert machine.traces == ("/imagegeneration",)
    assert machine.placement == Placement(("tinyland-nix",), NAME, "default")
    before = machine.packages
    (tmp_path / "etc/os-release").write_text("ID=debian\nVERSION_ID=13\n")
    assert before.startswith("sha256:")
    assert this_machine({}, tmp_path).packages != before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"labels": 3, "runner_name": "x"}', "\0"])
def test_unreadable_placement_is_none(tmp_path: Path, content: str) -> None:
    record = tmp_path / "placement.json"
    record.write_text(content)

    assert this_machine({PLACEMENT: str(record)}, tmp_path).placement is None
    assert this_machine({PLACEMENT: str(tmp_path / "absent.json")}, tmp_path).placement is None


def test_local_runner_on_plain_host_is_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)

    facts = local_runner(LABELS).setting.runner

    assert not getattr(facts, "live")  # noqa: B009 - the field of a union
    assert "no CI system identifies" in getattr(facts, "identity")  # noqa: B009
