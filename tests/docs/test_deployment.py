"""The page on deployments: its steps and its policy, run as they stand, with the real cosign and a real registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder_contracts.attest import statement
from tests.cli.test_attestation import cosign, key_pair
from tests.unit.attest.evidence_samples import KEPT_VERDICTS, evidence

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "deploy-on-evidence.md").read_text("utf-8")
WORKFLOW, POLICY = (yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S))
IMAGE = "builder-contracts/runner:sid"

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: my-runner, summary: Runs the tests of my projects, owner: me}
labels: [my-runner]
image: {reference: my-runner}
identity: {user: runner, uid: 1001}
"""


def step(job: str, name: str) -> str:
    (found,) = (step["run"] for step in WORKFLOW["jobs"][job]["steps"] if step.get("name") == name)
    return str(found)


def run(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],  # noqa: S607 # as a CI job does
        cwd=folder, env={**os.environ, "GITHUB_ACTIONS": "", "PATH": path, "IMAGE": IMAGE, **env},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_image_that_was_checked_is_deployed_and_no_other(tmp_path: Path) -> None:
    private, _ = key_pair(tmp_path)
    (tmp_path / "contracts").mkdir()
    contract = tmp_path / "contracts" / "my-runner.yaml"
    contract.write_text(CONTRACT)
    checked = run(step("check", "check"), tmp_path, SIGN_KEY=private.read_text())
    assert checked.returncode == 0, checked.stderr
    accepted = run(step("deploy", "verify"), tmp_path)
    assert (accepted.returncode, "accepted  my-runner" in accepted.stdout) == (0, True), accepted.stdout
    other = run(step("deploy", "verify"), tmp_path, IMAGE="builder-contracts/base:sid")
    assert (other.returncode, "another image" in other.stdout) == (7, True), other.stdout
    contract.write_text(CONTRACT + "toolchain: {git: present}\n")
    changed = run(step("deploy", "verify"), tmp_path)
    assert (changed.returncode, "another version of the contract" in changed.stdout) == (7, True)


def test_workers_of_pytest_attest_the_whole_contract(tmp_path: Path) -> None:
    private, _ = key_pair(tmp_path)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "my-runner.yaml").write_text(CONTRACT)
    checked = run(
        f"pytest -n 2 -m contract contracts --image my-runner={IMAGE} -p no:cacheprovider "
        f"--report attestation=my-runner.dsse --sign-key {private}",
        tmp_path,
    )
    assert checked.returncode == 0, checked.stdout
    accepted = run(step("deploy", "verify"), tmp_path)
    assert (accepted.returncode, "accepted  my-runner" in accepted.stdout) == (0, True), accepted.stdout


def admitted(folder: Path, image: str, predicate: dict[str, Any]) -> bool:
    """Whether the policy of the page admits the image by this evidence, which the real cosign attests."""
    (folder / "predicate.json").write_text(json.dumps(predicate))
    signing = ("--key", "cosign.key", "--tlog-upload=false", "--allow-insecure-registry")
    attested = cosign(
        folder, "attest", "--yes", "--replace", *signing, "--type", statement.PREDICATE,
        "--predicate", "predicate.json", image,
    )  # fmt: skip
    assert attested.returncode == 0, attested.stderr
    verified = cosign(
        folder, "verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--allow-insecure-registry",
        "--type", statement.PREDICATE, "--policy", "policy.cue", image,
    )  # fmt: skip
    assert verified.returncode == 0 or "validation" in verified.stderr, verified.stderr
    return verified.returncode == 0


def test_policy_admits_only_what_is_kept_as_a_whole(tmp_path: Path, registry: str) -> None:
    (authority,) = POLICY["spec"]["authorities"]
    (attestation,) = authority["attestations"]
    assert attestation["predicateType"] == statement.PREDICATE
    (tmp_path / "policy.cue").write_text(attestation["policy"]["data"])
    (tmp_path / "image").write_text("a runner")
    assert cosign(tmp_path, "generate-key-pair").returncode == 0
    pushed = cosign(
        tmp_path, "upload", "blob", "--allow-insecure-registry", "-f", "image", f"{registry}/me/runner:1"
    )
    assert pushed.returncode == 0, pushed.stderr
    image = pushed.stdout.strip()

    kept = evidence(KEPT_VERDICTS, builder="my-runner")
    assert admitted(tmp_path, image, statement.to_data(kept)["predicate"])
    for changes in ({"promised": 4}, {"builder": "other"}, {"broken": {"my-runner/a/b": "gone"}}):
        other = evidence(KEPT_VERDICTS, **{"builder": "my-runner", **changes})
        assert not admitted(tmp_path, image, statement.to_data(other)["predicate"]), changes
