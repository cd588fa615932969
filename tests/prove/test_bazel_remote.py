"""Who may write to a real bazel-remote: each way in which it is commonly run, over both of its protocols."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.prove import protocol_client
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.publication.judge import judge
from builder_contracts.prove.testbed import encode_body
from builder_contracts.services.principals import Credentials
from tests.prove.bazel_remote import BazelRemote, bazel_remote, password_file, wait_for_port
from tests.prove.conftest import machine_bench
from tests.prove.pool import Checked, pool
from tests.prove.server_program import server_program
from tests.prove.stub import Answer, Asked, stub

PASSWORDS = {"me": "my-long-secret", "second": "another-long-secret"}
ME, SECOND, WRONG = "me:my-long-secret", "second:another-long-secret", "me:not-the-password"
CLOSED, OPEN_READS, MANGLING = ["htpasswd"], ["htpasswd", "--allow_unauthenticated_reads"], [
    "--enable_ac_key_instance_mangling",
    "--disable_http_ac_validation",
]  # fmt: skip
UNKNOWN = "not known to the server"
READERS_WRITE = "the server lets this identity write"


@dataclasses.dataclass(frozen=True)
class Row:
    """How the server runs, what the environment says of it, and the verdicts with a part of what they say."""

    options: list[str]
    reader: str
    writer: str
    anonymous_verdict: tuple[str, str]
    reader_verdict: tuple[str, str]
    writer_verdict: tuple[str, str]
    rules: Mapping[str, Any] = dataclasses.field(default_factory=dict)


KEPT = ("kept", "")
ROWS = {
    "open": Row([], SECOND, ME, ("broken", READERS_WRITE), ("broken", READERS_WRITE), KEPT),
    "open, nobody is named": Row([], "", "", ("broken", READERS_WRITE), ("unproven", "no reader"), ("unproven", "no writer")),
    "closed, no reader": Row(CLOSED, "", ME, KEPT, ("unproven", "no reader"), KEPT),
    "closed, reader: none": Row(
        CLOSED, "", ME, KEPT, ("unproven", "the server knows no identity that may only read"), KEPT, {"no_reader": True},
    ),
    # Whoever is in its password file may write.
    "closed, the reader is a second user": Row(CLOSED, SECOND, ME, KEPT, ("broken", READERS_WRITE), KEPT),
    "closed, the reader's password is wrong": Row(CLOSED, WRONG, ME, KEPT, ("unproven", UNKNOWN), KEPT),
    "closed, the writer's password is wrong": Row(
        CLOSED, "", WRONG, ("unproven", "the writer failed too"), ("unproven", "no reader"), ("unproven", UNKNOWN),
    ),
    "open reads, no reader": Row(OPEN_READS, "", ME, KEPT, ("unproven", "no reader"), KEPT),
    "open reads, reader: anonymous": Row(OPEN_READS, "", ME, KEPT, KEPT, KEPT, {"anonymous_reader": True}),
    "open reads, the reader's password is wrong": Row(OPEN_READS, WRONG, ME, KEPT, ("unproven", UNKNOWN), KEPT),
    "instance names in keys": Row(
        MANGLING, "", ME, ("broken", READERS_WRITE), ("unproven", "no reader"), KEPT, {"instance": "main"},
    ),
}  # fmt: skip


def bench(folder: Path, server: BazelRemote, row: Row) -> LocalTestbed:
    created = machine_bench(folder, **{"bazel-grpc": server.grpc, "bazel-http": server.http})
    given = Credentials.from_texts(row.reader, row.writer)
    created.endpoints = {
        role: dataclasses.replace(endpoint, credentials=given, **row.rules)
        for role, endpoint in created.endpoints.items()
    }
    return created


@pytest.mark.parametrize("name", ROWS)
def test_publication_to_bazel_remote(tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    users = [password_file(tmp_path, PASSWORDS)] if "htpasswd" in row.options else []
    options = [option for option in row.options if option != "htpasswd"]
    with bazel_remote(tmp_path, [*users, *options]) as server:
        testbed = bench(tmp_path, server, row)
        for role in testbed.endpoints:
            with testbed.fresh("publication") as job:
                attempts = publication.prove(testbed, role, job)
            for identity in ("anonymous", "reader", "writer"):
                finding = judge(identity, attempts[identity])[0]
                outcome, text = getattr(row, f"{identity}_verdict")
                assert (role, identity, finding.outcome.value) == (role, identity, outcome), finding
                assert text in f"{finding.observation} / {finding.cause}"
        log = server.log.read_text("utf-8")
    # It does not log what it rejects: its log could confirm a write, and never a rejection.
    assert " 401 " not in log
    assert ("PUT 200" in log) is (row.writer_verdict == KEPT or not users)


def test_instances_of_one_server_hold_different_results(tmp_path: Path) -> None:
    """With instance names in its keys, a lookup under another name finds nothing: it has to be the writer's."""
    with bazel_remote(tmp_path, MANGLING) as server:
        key = {"kind": "grpc", "target": server.grpc, "hash": "a" * 64, "size": 1}
        updated = protocol_client.grpc({**key, "call": "UpdateActionResult", "instance": "main"})
        lookups = {
            name: protocol_client.grpc({**key, "call": "GetActionResult", "instance": name})["status"]
            for name in ("main", "", "other")
        }
    assert updated["status"] == "OK"
    assert lookups == {"main": "OK", "": "NOT_FOUND", "other": "NOT_FOUND"}


ENVIRONMENT = """\
apiVersion: builder-contracts/v1
kind: Environment
metadata: {{name: theirs, summary: A bazel-remote of somebody else}}
roles:
  bazel-grpc: {{url: "grpc://{address}:9092", writer: THEIR_WRITER, reader: {reader}, instance: main}}
  bazel-http: {{url: "http://{address}:8080", writer: THEIR_WRITER, reader: {reader}}}
"""


def check_job(folder: Path, options: Sequence[str], role: str, reader: str) -> Checked:
    """The clauses of one role, for a job next to a server that runs in this way, whose .bazelrc names an instance."""
    users = password_file(folder, PASSWORDS)
    with pool(folder) as runners:
        mounts = {
            server_program("bazel-remote"): {"bind": "/opt/bazel-remote", "mode": "ro"},
            users.partition("=")[2]: {"bind": "/opt/htpasswd", "mode": "ro"},
        }
        command = [
            "/opt/bazel-remote", "--dir=/tmp/data", "--max_size=1", "--http_address=0.0.0.0:8080",
            "--grpc_address=0.0.0.0:9092", *options,
        ]  # fmt: skip
        network = runners.host.network
        container = runners.host.container("bazel-remote", command, network_mode=network, binds=mounts)
        state = runners.client.api.inspect_container(container)
        address = state["NetworkSettings"]["Networks"][network]["IPAddress"]
        wait_for_port(address, 9092)
        text = ENVIRONMENT.format(address=address, reader=reader)
        (runners.folder / "theirs.yaml").write_text(text, "utf-8")
        machine = runners.runner("tinyland-docker")
        machine.put("/home/runner/.bazelrc", "build --remote_instance_name=main\n")
        return machine.check(
            "--environment", "/world/theirs.yaml", "-k", role, "--allow-writes", role,
            environment={"THEIR_WRITER": ME},
        )  # fmt: skip


PASSWORDS_ASKED = "--htpasswd_file=/opt/htpasswd"
BUILDS = ("upload", "hit", "counterfactual", "nonce-miss", "environment")


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("worlds")
def test_job_builds_with_a_closed_bazel_remote(tmp_path: Path) -> None:
    """It wants credentials to read and knows no reader; its keys have instance names, one of which the job's
    .bazelrc and the environment give."""
    result = check_job(tmp_path, [PASSWORDS_ASKED, MANGLING[0]], "bazel-grpc", "none")
    assert result.broken == set(), result.text
    assert result.kept == {f"caches/bazel-grpc-{show}" for show in BUILDS} | {
        "publication/bazel-grpc-anonymous",
        "publication/bazel-grpc-writer",
    }, result.text
    for clause in ("caches/bazel-grpc-forced-upload", "publication/bazel-grpc-reader"):
        assert "the server knows no identity that may only read" in result.seen(clause)


@pytest.mark.docker
@pytest.mark.long
@pytest.mark.usefixtures("worlds")
@pytest.mark.parametrize("role", ["bazel-grpc", "bazel-http"])
@pytest.mark.parametrize(
    ("options", "rejects"),
    [([], False), ([PASSWORDS_ASKED, OPEN_READS[1]], True), (MANGLING, False)],
    ids=["open", "open reads", "instance names in keys"],
)  # fmt: skip
def test_job_builds_with_a_bazel_remote_that_anybody_reads(
    tmp_path: Path, options: list[str], rejects: bool, role: str
) -> None:
    """Who may only read is nobody: where nobody is rejected, the boundary is broken, and every build is as promised."""
    result = check_job(tmp_path, options, role, "anonymous")
    boundary = {
        f"caches/{role}-forced-upload",
        *(f"publication/{role}-{name}" for name in ("anonymous", "reader")),
    }
    always = {f"publication/{role}-writer", *(f"caches/{role}-{show}" for show in BUILDS)}
    assert result.broken == (set() if rejects else boundary), result.text
    assert result.kept == (always | boundary if rejects else always), result.text


def certificates(folder: Path) -> tuple[Path, Path]:
    """The files of a certificate for this machine's loopback, which is its own authority, and of its key."""
    openssl = shutil.which("openssl") or pytest.skip("needs openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=cache", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def outcomes_over_tls(folder: Path, server: BazelRemote, row: Row) -> set[tuple[str, str, str]]:
    """The verdicts on each identity, by role."""
    encrypted = dataclasses.replace(
        server, http=server.http.replace("http:", "https:"), grpc=server.grpc.replace("grpc:", "grpcs:")
    )
    testbed = bench(folder, encrypted, row)
    outcomes = set()
    for role in testbed.endpoints:
        with testbed.fresh("publication") as job:
            attempts = publication.prove(testbed, role, job)
        outcomes |= {(role, name, judge(name, attempts[name])[0].outcome.value) for name in attempts}
    return outcomes


def in_both(anonymous: str, reader: str, writer: str) -> set[tuple[str, str, str]]:
    by_identity = {"anonymous": anonymous, "reader": reader, "writer": writer}
    return {(role, *pair) for role in ("bazel-grpc", "bazel-http") for pair in by_identity.items()}


def test_bazel_remote_with_a_private_authority(tmp_path: Path) -> None:
    """Its certificate is trusted only where the environment says so; without it, nothing is shown."""
    certificate, key = certificates(tmp_path)
    options = [password_file(tmp_path, PASSWORDS), f"--tls_cert_file={certificate}", f"--tls_key_file={key}"]
    row = dataclasses.replace(ROWS["closed, no reader"], rules={"authority": str(certificate)})
    with bazel_remote(tmp_path, options) as server:
        trusting = outcomes_over_tls(tmp_path, server, row)
        distrusting = outcomes_over_tls(tmp_path, server, dataclasses.replace(row, rules={}))
    assert trusting == in_both("kept", "unproven", "kept")
    assert distrusting == in_both("unproven", "unproven", "unproven")


@pytest.mark.parametrize(
    ("options", "verdicts"),
    [
        ([], in_both("kept", "unproven", "kept")),
        (["--allow_unauthenticated_reads"], in_both("kept", "kept", "kept")),
    ],
)
def test_writer_shows_a_client_certificate(
    tmp_path: Path, options: list[str], verdicts: set[tuple[str, str, str]]
) -> None:
    certificate, key = certificates(tmp_path)
    own = tmp_path / "own.pem"
    own.write_text(certificate.read_text() + key.read_text())
    files = [f"--tls_cert_file={certificate}", f"--tls_key_file={key}", f"--tls_ca_file={certificate}"]
    rules = {"authority": str(certificate), "client_certificate": str(own), "anonymous_reader": bool(options)}
    row = dataclasses.replace(ROWS["open, nobody is named"], rules=rules)
    with bazel_remote(tmp_path, [*files, *options]) as server:
        assert outcomes_over_tls(tmp_path, server, row) == verdicts


def test_client_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    row = dataclasses.replace(
        ROWS["closed, no reader"], rules={"client_certificate": str(tmp_path / "absent")}
    )
    testbed = bench(tmp_path, BazelRemote("https://127.0.0.1:1", "", tmp_path), row)
    with pytest.raises(StepFailed, match=r"reading the certificates for https://127\.0\.0\.1:1.*absent"):
        testbed.http_request("bazel-http", "writer", "cas/a")


def test_token_is_shown_in_its_header(tmp_path: Path) -> None:
    """As caches of other vendors want it: the secret itself, in a header of their own, and to no other server."""

    def answer(request: Asked) -> Answer:
        return Answer(200 if request.headers.get("x-api-key") == "my-long-secret" else 401)

    with stub(answer) as server:
        testbed = bench(tmp_path, BazelRemote(server.url, "", tmp_path), dataclasses.replace(
            ROWS["closed, no reader"], rules={"token_header": "x-api-key"},
        ))  # fmt: skip
        headers = testbed.headers("bazel-http", "writer")
        assert headers == {"x-api-key": "my-long-secret"}
        assert testbed.headers("bazel-http", "anonymous") == {}
        reply = protocol_client.plain_http({"url": f"{server.url}/ac/a", "headers": headers})
        assert reply["status"] == "200"
        assert testbed.mask.redact("my-long-secret") != "my-long-secret"


def http(server: BazelRemote, method: str, path: str, body: bytes = b"", user: str = "") -> str:
    """The status of one request."""
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    request = {"url": f"{server.http}/{path}", "method": method, "headers": headers}
    return str(protocol_client.http({**request, "body": encode_body(body)} if body else request)["status"])


def test_bazel_remote_differs_as_the_page_says(tmp_path: Path) -> None:
    """docs/reference/proofs/servers.md: what is no result, a result without its blobs, a digest that is wrong."""
    blob = b"nobody has stored this"
    digest = hashlib.sha256(blob).hexdigest()
    # ActionResult.output_files (2) with a path (1) and a digest (2) of its own: hash (1) and size (2).
    named = b"\x0a\x40" + digest.encode() + b"\x10" + bytes([len(blob)])
    output = b"\x0a\x01f" + b"\x12" + bytes([len(named)]) + named
    dangling = b"\x12" + bytes([len(output)]) + output
    key, other = "a" * 64, "b" * 64
    with bazel_remote(tmp_path) as server:
        assert http(server, "PUT", f"ac/{key}", b"no action result") == "400"
        assert http(server, "PUT", f"cas/{other}", blob) == "500"
        assert http(server, "HEAD", f"cas/{other}") == "404"
        assert http(server, "PUT", f"ac/{key}", dangling) == "200"
        # Taken, and a miss for as long as the blob is not there.
        assert http(server, "GET", f"ac/{key}") == "404"
        get = {"kind": "grpc", "call": "GetActionResult", "target": server.grpc, "hash": key, "size": 1}
        assert protocol_client.grpc(get)["status"] == "NOT_FOUND"
        assert http(server, "PUT", f"cas/{digest}", blob) == "200"
        assert http(server, "GET", f"ac/{key}") == "200"
        assert protocol_client.grpc(get)["status"] == "OK"
