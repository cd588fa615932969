"""Compare the outcomes of other tools' tests with those of the contracts that they become, on the same image.

script/peers runs this program. It downloads nothing: it gets the tools' binaries and their test files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder_contracts.errors import ExitCode

_COMMAND = (sys.executable, "-P", "-m", "builder_contracts")
# The names in goss's results that are not those of its files.
_KINDS = {"kernelparam": "kernel-param"}
_PROPERTIES = {"linkedto": "linked-to", "version": "versions"}
_TESTS = {
    "Command Test": "commandTests",
    "File Existence Test": "fileExistenceTests",
    "File Content Test": "fileContentTests",
    "Metadata Test": "metadataTest",
}
# One result of the peer is about all of these.
_WHOLE = "metadataTest"
# What the peer gives to its containers, and does not test.
_GIVEN = "containerRunOptions"


class PeerError(Exception):
    """A tool gave no results."""


@dataclass(frozen=True)
class Comparison:
    """A test of a peer, how it ended there, and the outcome and observation of its promises."""

    test: str
    peer: str
    contract: str
    observation: str

    @property
    def agrees(self) -> bool:
        return (self.peer, self.contract) in {("passed", "kept"), ("failed", "broken")}


def goss_outcomes(report: Mapping[str, Any], left_out: Sequence[str]) -> dict[str, bool]:
    """Whether each test of goss passed, without the properties that became no promise."""
    outcomes: dict[str, bool] = {}
    for result in report["results"]:
        kind, name = result["resource-type"].lower(), result["property"]
        label = f"{_KINDS.get(kind, kind)} {result['resource-id']}"
        part = f"{label}: {_PROPERTIES.get(name, name)}"
        if part in left_out or (result["skipped"] and label not in outcomes):
            continue
        key = part if kind == "file" and name in ("contents", "contains") else label
        # goss skips the properties of what is not there; its test of being there stands first.
        passed = outcomes[label] if result["skipped"] else result["successful"]
        outcomes[key] = outcomes.get(key, True) and passed
    return outcomes


def structure_outcomes(report: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each test of container-structure-test passed. All metadata is one test."""
    outcomes: dict[str, bool] = {}
    for result in report["Results"] or ():
        kind, _, name = result["Name"].partition(": ")
        label = f"{_TESTS.get(kind, kind)} {name}".strip()
        outcomes[label] = outcomes.get(label, True) and result["Pass"]
    return outcomes


def compare(
    contract: str, verdicts: Sequence[Mapping[str, Any]], peer: Mapping[str, bool]
) -> Iterator[Comparison]:
    """The tests whose promises were judged. A converted contract names the tests of a line at its end."""
    lines = contract.splitlines()
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for verdict in verdicts:
        _, mark, names = lines[verdict["location"]["line"] - 1].rpartition("  # ")
        for name in names.split("; ") if mark else ():
            if not name.startswith(_GIVEN):
                tests.setdefault(_WHOLE if name.startswith(_WHOLE) else name, []).append(verdict)
    order = ("broken", "unproven", "waived", "kept")
    for test, judged in tests.items():
        worst = min(judged, key=lambda verdict: order.index(verdict["outcome"]))
        ended = {True: "passed", False: "failed", None: "no result"}[peer.get(test)]
        yield Comparison(test, ended, worst["outcome"], worst["observation"])


def table(compared: Mapping[str, Sequence[Comparison]]) -> str:
    """A row per file, and below it a row per test that ended differently."""
    rows = ["| file | tests | same | different |", "|---|--:|--:|--:|"]
    details = []
    for file, items in compared.items():
        wrong = [item for item in items if not item.agrees]
        rows.append(f"| {file} | {len(items)} | {len(items) - len(wrong)} | {len(wrong)} |")
        details += [
            f"| {file} | {item.test} | {item.peer} | {item.contract} | {' '.join(item.observation.split())} |"
            for item in wrong
        ]
    if details:
        details = ["", "| file | test | peer | contract | observed |", "|---|---|---|---|---|", *details]
    return "\n".join([*rows, *details])


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=300, check=False
    )


def _report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        message = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise PeerError(message) from None
    return report


def _compare_file(file: Path, options: argparse.Namespace, folder: Path) -> list[Comparison]:
    goss = "schemaVersion" not in file.read_text("utf-8")
    tests = folder / f"tests{file.suffix}"
    if goss:
        rendered = _run(options.goss, "--gossfile", file, "render")
        if rendered.returncode:
            raise PeerError((rendered.stderr or rendered.stdout).strip())
        tests.write_text(rendered.stdout, "utf-8")
    else:
        tests.write_bytes(file.read_bytes())
    contract = folder / "peer.yaml"
    written = _run(
        *_COMMAND, "init", "--from", tests, "--image", options.image, "--name", "peer", "-o", contract
    )
    if written.returncode:
        raise PeerError(written.stderr.strip())
    text = contract.read_text("utf-8")
    judged = _report(_run(*_COMMAND, "check", contract, "--format", "json"))
    if goss:
        mounts = ["--volume", f"{Path(options.goss).resolve()}:/peer/goss:ro", "--volume", f"{tests}:/peer/goss.yaml:ro"]  # fmt: skip
        docker = ["docker", "run", "--rm", "--network=none", "--entrypoint=/peer/goss", *mounts]
        arguments = ["--gossfile", "/peer/goss.yaml", "validate", "--format", "json"]
        left_out = [
            line.removeprefix("# not converted: ").rpartition(": ")[0]
            for line in text.splitlines()
            if line.startswith("# not converted: ")
        ]
        peer = goss_outcomes(_report(_run(*docker, options.image, *arguments)), left_out)
    else:
        arguments = ["test", "--image", options.image, "--config", str(tests), "--output", "json"]
        peer = structure_outcomes(_report(_run(options.structure_test, *arguments)))
    return list(compare(text, judged["verdicts"], peer))


def main() -> int:
    """Compare the files, and print the table."""
    parser = argparse.ArgumentParser(prog="script/peers")
    parser.add_argument("--image", required=True)
    parser.add_argument("--goss", default="goss")
    parser.add_argument("--structure-test", default="container-structure-test")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    compared: dict[str, list[Comparison]] = {}
    for file in options.files:
        try:
            with tempfile.TemporaryDirectory() as folder:
                compared[str(file)] = _compare_file(file, options, Path(folder))
        except (PeerError, OSError) as error:
            print(f"{file}: not compared: {error}", file=sys.stderr)
    print(table(compared))
    if not all(item.agrees for items in compared.values() for item in items):
        return ExitCode.BROKEN
    return ExitCode.KEPT if len(compared) == len(options.files) else ExitCode.UNPROVEN


if __name__ == "__main__":
    sys.exit(main())
