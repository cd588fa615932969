"""Contracts to start from, for a platform that has none: a class for each scale set of a checkout, and one folder of facts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from builder_contracts.facts.model import DaemonFacts
from builder_contracts.truth.checkout_scan import SearchWords, scan_checkout
from builder_contracts.truth.deployed_builders import facts_of
from builder_contracts.truth.model import ScaleSet
from builder_contracts.truth.scale_set_image import CHART_IMAGE
from builder_contracts.truth.value import Unknown, get, text

_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)$")
_REFERENCE = re.compile(r"[\w./:@-]+$")
_WORD = re.compile(r"[a-z][a-z0-9-]*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def start_files(repo: Path) -> Mapping[str, str]:
    """The files by their path below the folder of contracts. Raises InputError if ``repo`` is not a directory."""
    scale_sets = scan_checkout(repo, SearchWords()).scale_sets
    by_name: dict[str, list[ScaleSet]] = {}
    for scale_set in scale_sets:
        if label := text(scale_set.label):
            name = re.sub(r"[^a-z0-9-]+", "-", label.lower()).strip("-")
            by_name.setdefault(name or "runner", []).append(scale_set)
    files = {f"{name}.yaml": _class(name, alike) for name, alike in by_name.items()}
    if not files:
        files["my-runner.yaml"] = _class("my-runner", [], _unlabelled(scale_sets))
    return {
        **files,
        "platform/enrolment.yaml": _enrolment(scale_sets),
        "platform/workflows.yaml": _WORKFLOWS,
    }


def _unlabelled(scale_sets: Iterable[ScaleSet]) -> str:
    """What is known of scale sets without a known label, as comments."""
    written = [
        f"# {scale_set.at}: {scale_set.label.reason}.\n"
        for scale_set in scale_sets
        if isinstance(scale_set.label, Unknown)
    ]
    start = "# No label of a scale set is known here" if written else "# No scale set was found"
    return f"{start}: describe your own.\n{''.join(written)}"


def _class(name: str, scale_sets: Sequence[ScaleSet], origin: str = "") -> str:
    """A class with what all of its scale sets give."""
    labels = sorted(frozenset.intersection(*(entry.labels for entry in scale_sets))) if scale_sets else [name]
    image = text(get(scale_sets[0].runner, "image")) if scale_sets else None
    reference = image if image and _REFERENCE.match(image) else CHART_IMAGE
    daemons = [facts_of(scale_set).daemon for scale_set in scale_sets]
    certain = [facts for facts in daemons if isinstance(facts, DaemonFacts)]
    daemon = bool(certain) and all(facts.reachable for facts in certain)
    origin = origin or "".join(dict.fromkeys(f"# Read from {entry.at}.\n" for entry in scale_sets))
    return f"""\
{origin}apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {{name: {_scalar(name)}, summary: Say in one sentence what these runners are for, owner: platform}}
# What jobs write in runs-on. Runners of a class carry all of them.
labels: [{", ".join(map(_scalar, labels))}]
image: {{reference: "{reference}"}}
# What jobs may rely on. Add what yours use; 'builder-contracts workflows REPO' names what is missing.
toolchain:
  git: present
isolation:
  docker_daemon: {"reachable" if daemon else "absent"}
"""


def _scalar(word: str) -> str:
    """A word of YAML that is text, in quotes where it would be something else."""
    return word if _WORD.fullmatch(word) and word not in _NOT_TEXT else json.dumps(word)


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
