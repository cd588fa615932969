"""Test files of other tools: each test is a promise, or is listed with the reason why not."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder_contracts.contract.loading import load
from builder_contracts.draft.peers import goss, structure_test
from builder_contracts.draft.peers.contract import ConvertedContract, convert
from builder_contracts.errors import InputError

PEERS = yaml.safe_load((Path(__file__).parents[4] / "docs" / "peers.yaml").read_text("utf-8"))

GOSS = """\
file:
  /etc/passwd:
    exists: true
    mode: "0644"
    filetype: file
    contents: ["root", "!/evil.*/"]
  /pipe: {exists: true, filetype: pipe}
  /gone: {exists: false, contents: []}
  "~root": {exists: true}
  /skipped: {exists: true, skip: true}
  /sized: {exists: true, size: 12}
command:
  go version: {exit-status: 0, stdout: ["/go1\\\\.[0-9]+/"], timeout: 2500}
  fails: {exec: "false", exit-status: 1}
  range: {exit-status: {gt: 0}}
package:
  git: {installed: true, versions: [2.1]}
  curl: {installed: true, versions: ["8.1-1"]}
  evil: {installed: false}
user:
  runner: {exists: true, uid: 1001, shell: /bin/bash, groups: [runner]}
group:
  docker: {exists: false}
process:
  sshd: {running: false}
port:
  tcp:22: {listening: false}
  udp:53: {listening: true, ip: [127.0.0.1]}
addr:
  tcp://cache:80: {reachable: true, timeout: 500}
  tcp://169.254.169.254:80: {reachable: false}
dns:
  localhost: {resolvable: true}
  cache: {resolvable: true}
  MX:x.org: {resolvable: true}
kernel-param:
  kernel.ostype: {value: Linux}
http:
  http://cache/x: {status: 200}
service:
  sshd: {enabled: true, running: true}
mount:
  /dev: {exists: true}
interface:
  eth0: {exists: true}
matching:
  numbers: {content: 1, matches: 1}
gossfile:
  other.yaml: {}
"""

STRUCTURE = """\
schemaVersion: 2.0.0
commandTests:
- {name: Apt, command: apt-get, args: [help], expectedOutput: [".*Usage.*"], excludedError: [FAIL]}
- {name: setup, command: a, setup: [[b]]}
fileExistenceTests:
- {name: Root, path: /, shouldExist: true, permissions: drwxr-xr-x, uid: 0}
- {name: Gone, path: /gone, shouldExist: false}
- {name: Date, path: /bin/date, isExecutableBy: owner}
fileContentTests:
- {name: Passwd, path: /etc/passwd, expectedContents: ["root:.*"]}
- {name: Sources, path: /etc/apt/sources.list, expectedContents: [debian], excludedContents: [gce]}
metadataTest:
  envVars:
  - {key: LANG, value: C.UTF-8}
  - {key: PATH, value: "^/usr", isRegex: true}
  unboundEnvVars: [{key: DOCKER_HOST}]
  labels: [{key: title, value: sample}]
  entrypoint: []
  workdir: /work
  exposedPorts: ["80"]
licenseTests: [{debian: true}]
containerRunOptions: {privileged: true, user: root, bindMounts: ["/a:/b"]}
"""

DOCKERFILE = """\
ARG VERSION
FROM debian:stable AS build
RUN apt-get install -y golang
FROM debian:stable-slim
ENV LANG=C.UTF-8 RELEASE=$VERSION DEPLOY_TOKEN=hunter2hunter2
LABEL title=sample
RUN apt-get update && apt-get install -y --no-install-recommends git curl
RUN ./configure
COPY . /src
WORKDIR /src
USER runner
CMD ["bash"]
"""


def converted(text: str, file: str = "tests.yaml") -> ConvertedContract:
    return convert(text.encode(), file, name="sample", image="sample:1")


def document(text: str, folder: Path, file: str = "tests.yaml") -> Any:
    """The contract as ``check`` reads it."""
    path = folder / "sample.yaml"
    path.write_text(converted(text, file).text, "utf-8")
    return load(path).document


def test_tests_of_goss_become_promises(tmp_path: Path) -> None:
    contract = document(GOSS, tmp_path)
    assert contract["filesystem"] == {
        "/etc/passwd": {"mode": "0644", "type": "file"},
        "/pipe": {"type": "fifo"},
        "/gone": "absent",
        "/sized": "present",
    }
    assert contract["commands"] == {
        "content-etc-passwd": {
            "run": ["cat", "/etc/passwd"],
            "stdout": {"matches": ["root"], "forbids": ["evil.*"]},
        },
        "go-version": {
            "run": ["/bin/sh", "-c", "go version"],
            "within": 3,
            "stdout": {"matches": ["go1\\.[0-9]+"]},
        },
        "fails": {"run": ["/bin/sh", "-c", "false"], "status": 1},
    }
    assert contract["packages"] == {"git": "present", "curl": {"version": "==8.1-1"}, "evil": "absent"}
    assert contract["accounts"] == {
        "users": {"runner": {"uid": 1001, "shell": "/bin/bash"}},
        "groups": {"docker": "absent"},
    }
    assert contract["processes"] == {"sshd": "absent"}
    assert contract["ports"] == {"22/tcp": "absent", "53/udp": "127.0.0.1"}
    assert contract["network"] == {
        "reach": ["cache:80", {"url": "http://cache/x", "status": 200}],
        "resolve": ["localhost", "cache"],
    }
    assert contract["process"] == {"sysctls": {"kernel.ostype": "Linux"}}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("a.b\n", {"matches": ["\\Aa\\.b\\\n\\Z"]}),
        ("", {"forbids": ["[\\s\\S]"]}),
        (["/^a$/", "!/x$/"], {"matches": ["(?m)^a$"], "forbids": ["(?m)x$"]}),
    ],
    ids=["text", "silence", "lines"],
)
def test_output_means_what_it_means_to_goss(tmp_path: Path, stated: Any, expected: Any) -> None:
    contract = document(yaml.safe_dump({"command": {"true": {"stdout": stated}}}), tmp_path)
    assert contract["commands"]["true"]["stdout"] == expected


def test_what_goss_asks_and_a_contract_does_not_is_listed() -> None:
    left_out = {item.test for item in converted(GOSS).left_out}
    assert left_out == {
        "file ~root", "file /skipped", "file /sized: size", "command range", "package git: versions",
        "user runner: groups", "addr tcp://169.254.169.254:80", "dns MX:x.org", "service sshd", "mount /dev",
        "interface eth0", "matching numbers", "gossfile other.yaml",
    }  # fmt: skip


def test_structure_tests_become_promises(tmp_path: Path) -> None:
    contract = document(STRUCTURE, tmp_path)
    assert contract["image"] == {
        "reference": "sample:1", "labels": {"title": "sample"}, "entrypoint": [], "workdir": "/work"
    }  # fmt: skip
    assert contract["filesystem"] == {
        "/": {"uid": 0, "type": "directory", "mode": "0755"},
        "/gone": "absent",
        "/bin/date": "present",
        "/etc/passwd": {"matches": "root:.*"},
    }
    assert contract["commands"]["apt"] == {
        "run": ["apt-get", "help"], "stdout": {"matches": [".*Usage.*"]}, "stderr": {"forbids": ["FAIL"]}
    }  # fmt: skip
    assert contract["environment"]["variables"] == {
        "LANG": {"equals": "C.UTF-8"}, "PATH": {"matches": "^/usr"}, "DOCKER_HOST": "absent"
    }  # fmt: skip
    assert contract["isolation"] == {"privileged": True}
    assert {item.test for item in converted(STRUCTURE).left_out} == {
        "commandTests setup", "fileExistenceTests Date: isExecutableBy", "metadataTest exposedPorts", "licenseTests",
        "containerRunOptions bindMounts", "containerRunOptions user",
    }  # fmt: skip


def test_the_last_stage_of_a_dockerfile_becomes_promises(tmp_path: Path) -> None:
    contract = document(DOCKERFILE, tmp_path, "ci/Dockerfile")
    assert contract["image"] == {
        "reference": "sample:1", "labels": {"title": "sample"}, "workdir": "/src", "user": "runner", "cmd": ["bash"]
    }  # fmt: skip
    assert contract["packages"] == {"git": "present", "curl": "present"}
    assert contract["environment"]["variables"] == {"LANG": {"equals": "C.UTF-8"}}
    result = converted(DOCKERFILE, "ci/Dockerfile")
    assert {item.test for item in result.left_out} == {
        "ENV RELEASE", "ENV DEPLOY_TOKEN", "COPY at line 9", "line 8"
    }  # fmt: skip
    assert "hunter2" not in result.text


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("a: b\n", "neither a gossfile nor", "schemaVersion"),
        (
            "file:\n  {{range .Vars}}\n  /x: {exists: true}\n",
            "tests.yaml:2: a template of goss",
            "render it first",
        ),
        (
            "matching: {x: {content: 1, matches: 1}}\n",
            "nothing became a promise: it compares values",
            "by hand",
        ),
        ("- a\n", "expected a mapping", "pass a file of tests"),
        ("schemaVersion: 2.0.0\n", "nothing became a promise: it states none", "by hand"),
    ],
    ids=["foreign", "template", "no promise", "list", "empty"],
)
def test_a_file_without_promises_is_refused(text: str, message: str, fix: str) -> None:
    with pytest.raises(InputError) as refused:
        converted(text)
    assert message in str(refused.value)
    assert fix in str(refused.value)


@pytest.mark.parametrize("value", ["x", 1, None, [], {}, [1], {"exists": []}, {"mode": 1, "exists": True}])
@pytest.mark.parametrize("kind", [*goss.CONVERTERS, *structure_test.CONVERTERS])
def test_any_shape_is_converted_or_refused_without_a_crash(kind: str, value: object) -> None:
    for test in (value, [value], {"name": value}):
        version = {"schemaVersion": "2.0.0"} if kind in structure_test.CONVERTERS else {}
        with contextlib.suppress(InputError):
            converted(yaml.safe_dump({**version, kind: test}))


@pytest.mark.parametrize(
    ("peer", "kinds"),
    [("goss", goss.CONVERTERS), ("container-structure-test", structure_test.CONVERTERS)],
    ids=["goss", "container-structure-test"],
)
def test_every_question_of_a_peer_has_a_converter(peer: str, kinds: dict[str, object]) -> None:
    asked = {row["asks"].partition(":")[0].partition(" (")[0] for row in PEERS[peer]}
    assert asked - {"platform"} == set(kinds)


def test_a_test_that_contradicts_an_earlier_one_is_listed() -> None:
    text = "file:\n  a: {path: /x, exists: true, mode: '0644'}\n  b: {path: /x, exists: true, mode: '0600'}\n"
    (left_out,) = converted(text).left_out
    assert left_out.test == "file b"
    assert "by an earlier test" in left_out.reason
