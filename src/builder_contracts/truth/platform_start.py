"""Contracts to start from, for a platform that has none: a class for each scale set of a checkout, and one folder of facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from builder_contracts.truth.checkout_scan import SearchWords, scan_checkout
from builder_contracts.truth.model import ScaleSet
from builder_contracts.truth.scale_set_image import CHART_IMAGE
from builder_contracts.truth.value import get, text

_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)$")
_REFERENCE = re.compile(r"[\w./:@-]+$")


def start_files(repo: Path) -> Mapping[str, str]:
    """The files by their path below the folder of contracts. Raises InputError if ``repo`` is not a directory."""
    scale_sets = {
        name: scale_set
        for scale_set in scan_checkout(repo, SearchWords()).scale_sets
        if (label := text(scale_set.label))
        and (name := re.sub(r"[^a-z0-9-]+", "-", label.lower()).strip("-"))
    }
    files = {f"{name}.yaml": _class(name, scale_set) for name, scale_set in scale_sets.items()}
    if not files:
        files["my-runner.yaml"] = _class("my-runner", None)
    return {
        **files,
        "platform/enrolment.yaml": _enrolment(list(scale_sets.values())),
        "platform/workflows.yaml": _WORKFLOWS,
    }


def _class(name: str, scale_set: ScaleSet | None) -> str:
    labels = sorted(scale_set.labels) if scale_set else [name]
    image = text(get(scale_set.runner, "image")) if scale_set else None
    reference = image if image and _REFERENCE.match(image) else CHART_IMAGE
    daemon = bool(scale_set and text(scale_set.container_mode) == "dind")
    origin = (
        f"# Read from {scale_set.at}.\n" if scale_set else "# No scale set was found: describe your own.\n"
    )
    return f"""\
{origin}apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {{name: {name}, summary: Say in one sentence what these runners are for, owner: platform}}
# What jobs write in runs-on. Runners of a class carry all of them.
labels: [{", ".join(labels)}]
image: {{reference: "{reference}"}}
# What jobs may rely on. Add what yours use; 'builder-contracts workflows REPO' names what is missing.
toolchain:
  git: present
isolation:
  docker_daemon: {"reachable" if daemon else "absent"}
"""


def _enrolment(scale_sets: list[ScaleSet]) -> str:
    urls = sorted({url for entry in scale_sets if (url := text(get(entry.values, "githubConfigUrl")))})
    matches = [_VERSION.match(text(entry.chart_version) or "") for entry in scale_sets]
    versions = sorted(
        {match[1] for match in matches if match}, key=lambda version: [*map(int, version.split("."))]
    )
    least = versions[0] if versions else "0.14.0"
    scopes = "".join(f'    - "{url}"\n' for url in urls) or '    - "https://github.com/your-organisation"\n'
    return f"""\
apiVersion: builder-contracts/v1
kind: PlatformContract
area: enrolment
metadata: {{summary: Who may use the runners and how they are registered, owner: platform}}
facts:
  # Organisations and repositories that scale sets may register with; * stands for anything.
  scopes:
{scopes}  # A label with such a prefix is yours and must exist. Without one, an unknown label is listed and not broken.
  # label_prefixes: [builders-]
  # The charts of ARC that you deploy, and the versions that you support.
  charts: {{controller: gha-runner-scale-set-controller, scale_set: gha-runner-scale-set, versions: ">={least}"}}
clauses:
  labels:
    promise: Each scale set carries the label of a class, and each class has a scale set
    why: a job whose label nobody serves waits for a day and is then cancelled
  scopes:
    promise: Scale sets register only with enrolled organisations and accounts
    why: a runner that serves a stranger's repository runs a stranger's code inside the cluster
  chart-versions:
    promise: Controller and scale sets are installed from the same version of their charts
    why: a controller rejects scale sets of a different version, and no runner starts
"""


_WORKFLOWS = """\
apiVersion: builder-contracts/v1
kind: PlatformContract
area: workflows
metadata: {summary: What jobs may expect of the runners that they select, owner: platform}
facts:
  # Commands of your own and the tool that they need; common tools are known.
  commands: {docker-compose: docker-daemon}
clauses:
  labels:
    promise: Jobs select labels that a class or a scale set carries
    why: a job whose label nobody serves waits for a day and is then cancelled
  needs:
    promise: Jobs need only what their class promises
    why: what a class does not promise can vanish with the next image
  local-actions:
    promise: An action that a step names by path is in this repository
    why: GitHub finds out only when the job runs
"""
