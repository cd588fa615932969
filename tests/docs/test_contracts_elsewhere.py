"""The page on contracts from elsewhere: its commands run as they stand, on a real git server and a real registry."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import requests
import yaml

from tests.plugin.conftest import OTHER
from tests.sources.conftest import Host, Repository, host, place, repository

__all__ = ["host", "place", "repository"]

pytestmark = pytest.mark.docker

PAGE = (Path(__file__).parents[2] / "docs/how-to/contracts-from-elsewhere.md").read_text("utf-8")


def push(address: str, repository: str, tag: str, title: str, content: bytes) -> None:
    """Push one file as 'oras push' does."""
    base = f"http://{address}/v2/{repository}"
    layers = []
    for blob in (b"{}", content):
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        upload = requests.post(f"{base}/blobs/uploads/", timeout=30).headers["Location"]
        requests.put(f"{upload}&digest={digest}", data=blob, timeout=30).raise_for_status()
        layers.append({"mediaType": "application/yaml", "digest": digest, "size": len(blob)})
    kind = "application/vnd.oci.image.manifest.v1+json"
    config = {**layers[0], "mediaType": "application/vnd.oci.empty.v1+json"}
    layer = {**layers[1], "annotations": {"org.opencontainers.image.title": title}}
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
    requests.put(
        f"{base}/manifests/{tag}", data=json.dumps(manifest), headers={"Content-Type": kind}, timeout=30
    ).raise_for_status()


def test_the_commands_of_the_page_do_what_it_says(
    place: Path, host: Host, repository: Repository, registry: str
) -> None:
    push(registry, "runners", "v1", "there.yaml", OTHER.encode())
    names = {"git.example.com": f"{host.name}/git", "registry.example.com": registry}
    text = re.sub("|".join(names), lambda match: names[match[0]], PAGE)
    steps = re.findall(r"^\$ builder-contracts (.*)\n((?:(?!\$|```).*\n)*)", text, re.MULTILINE)
    assert len(steps) == 4
    for arguments, expected in steps:
        done = subprocess.run(
            [sys.executable, "-m", "builder_contracts", *arguments.split()],
            cwd=place, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed = (done.stderr + done.stdout).splitlines()
        patterns = [line.replace("[", "[[]").replace("…", "*") for line in expected.splitlines()]
        assert all(map(fnmatchcase, printed, patterns)), printed
        assert len(printed) == len(patterns), printed
    # The line for a workflow.
    (step,) = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)[0])
    (place / ".github/workflows").mkdir(parents=True)
    (place / ".github/workflows/ci.yaml").write_text(
        "on: push\njobs:\n  build:\n    runs-on: there\n    steps:\n      - run: sh build\n"
    )
    words = [sys.executable, "-m", *step["run"].replace("builder-contracts", "builder_contracts").split()]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
