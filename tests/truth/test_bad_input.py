"""Checkouts that are damaged, hostile or strange: judged as far as possible, and what was not read is listed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.errors import InputError
from builder_contracts.truth.checkout import MAX_BYTES
from builder_contracts.truth.git_index import commit, tracked_folders
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.verdicts import TruthReport, judge
from builder_contracts.verdict import Outcome
from tests.truth.conftest import broken
from tests.truth.miniature import Edit, changed, write

Contracts = tuple[Platform, list[Contract]]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A miniature with one break, so that it shows that the rest is still judged."""
    return write(
        tmp_path / "repo", changed(Edit("flake.nix", "nix-cache.tinyland", "nix-cache.fuzzy-dev.tinyland"))
    )


def look(repo: Path, contracts: Contracts) -> TruthReport:
    judgement = judge(repo, *contracts)
    assert "endpoints/retired-hosts" in broken(judgement)
    return judgement


def unread(judgement: TruthReport) -> dict[str, str]:
    return {entry.path: entry.reason for entry in judgement.unread}


def test_a_file_that_is_too_large_is_listed(repo: Path, contracts: Contracts) -> None:
    (repo / "huge.txt").write_bytes(b"a" * (MAX_BYTES + 1))
    assert "larger than" in unread(look(repo, contracts))["huge.txt"]


def test_symbolic_links_are_not_followed(repo: Path, contracts: Contracts, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.md").write_text("https://nix-cache.fuzzy-dev.tinyland.dev\n")
    (repo / "loop").symlink_to(repo)
    (repo / "docs" / "up").symlink_to("..")
    (repo / "away").symlink_to(outside)
    (repo / "dangling").symlink_to("nowhere")
    judgement = look(repo, contracts)
    assert {finding.actual.at.file for finding in judgement.findings} == {"flake.nix"}


def test_binary_files_are_counted_and_passed_over(repo: Path, contracts: Contracts) -> None:
    (repo / "blob.yaml").write_bytes(b"apiVersion: v1\0kind: Service" * 50)
    assert unread(look(repo, contracts)) == {}


def test_invalid_utf8_is_judged_around_the_damage(repo: Path, contracts: Contracts) -> None:
    (repo / "docs" / "latin.md").write_bytes(b"caf\xe9 at http://attic-api.nix-cache.svc.cluster.local\n")
    judgement = look(repo, contracts)
    assert ("docs/latin.md", 1) in {
        (finding.actual.at.file, finding.actual.at.line) for finding in judgement.findings
    }


def test_names_outside_utf8_do_not_stop_judging(repo: Path, contracts: Contracts) -> None:
    os.mkdir(os.fsencode(repo) + b"/d\xff")  # noqa: PTH102 - the name is not text
    with open(os.fsencode(repo) + b"/f\xff.md", "wb") as stream:  # noqa: PTH123 - the name is not text
        stream.write(b"# x\n")
    look(repo, contracts)


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("tofu/stacks/attic/broken.tf", b'resource "x" {{{ "', "invalid HCL at line 1"),
        (".github/workflows/broken.yml", b"jobs: [\n", "not YAML at line"),
        ("k8s/broken.yaml", b"apiVersion: v1\nkind: Service\n  metadata: : :\n", "not YAML at line 3"),
        ("k8s/bomb.yaml", b"apiVersion: v1\nkind: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"k%d: &%c [%s]\n" % (i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)), "too deeply, or too many"),
        ("k8s/deep.yaml", b"apiVersion: v1\nkind: " + b"[" * 3000 + b"]" * 3000, ""),
        ("chart/templates/x.yaml", b"apiVersion: v1\nkind: {{ .Values.kind }}\n", "Helm template"),
        ("chart/templates/y.yaml", b"{{- if .enabled }}\napiVersion: v1\nkind: Service\n{{- end }}\n", "Helm template"),
        ("chart/templates/z.yaml", b"apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Values.name }}'}\n", "Helm template"),
        ("tofu/stacks/deep/main.tf", b"a {\n" * 3000 + b"}\n" * 3000, "nested too deeply"),
        ("tofu/stacks/deep/main.tf", b'resource "kubectl_manifest" "x" {\n yaml_body = <<-E\nkind: ' + b"[" * 3000 + b"\nE\n}\n",
         "not YAML at line 3"),
        ("docker-bake.hcl", b"a {\n" * 3000 + b"}\n" * 3000, "nested too deeply"),
        ("sub/MODULE.bazel", b"x = " + b"-" * 100_000 + b"1", "nested too deeply"),
        ("sub/MODULE.bazel", b"x = (", "not Starlark"),
        ("package.json", b"{", "not JSON"),
        ("package.json", b"[" * 100_000, "nested too deeply"),
        ("pyproject.toml", b"[", "not TOML"),
        ("pyproject.toml", b"a = " + b"[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else None,
)  # fmt: skip
def test_a_file_that_does_not_parse_is_listed_with_its_line(
    repo: Path, contracts: Contracts, path: str, body: bytes, reason: str
) -> None:
    (repo / path).parent.mkdir(parents=True, exist_ok=True)
    (repo / path).write_bytes(body)
    assert reason in unread(look(repo, contracts))[path]


def test_deep_toml_in_a_heredoc_is_unproven(repo: Path, contracts: Contracts) -> None:
    body = "locals {\n x = <<-E\n[[runners]]\n a = " + "[" * 3000 + "]" * 3000 + "\nE\n}\n"
    (repo / "tofu" / "stacks" / "deep").mkdir()
    (repo / "tofu" / "stacks" / "deep" / "main.tf").write_text(body)
    verdicts = {verdict.clause: verdict for verdict in look(repo, contracts).verdicts}
    assert "nested too deeply" in verdicts["platform/deployment/settings-apply"].observation


def test_deep_exec_form_of_a_dockerfile_is_judged(repo: Path, contracts: Contracts) -> None:
    body = "FROM debian:12.9\nENTRYPOINT " + "[" * 3000 + "]" * 3000 + "\n"
    (repo / "builders" / "tinyland-nix" / "Dockerfile").write_text(body)
    assert "tinyland-nix/image/entrypoint" in broken(look(repo, contracts))


def test_a_broken_module_file_is_listed(tmp_path: Path, contracts: Contracts) -> None:
    root = write(tmp_path, changed(Edit("MODULE.bazel", "module(", "module((")))
    assert "not Starlark" in unread(judge(root, *contracts))["MODULE.bazel"]


def test_submodules_are_listed_and_not_entered(repo: Path, contracts: Contracts) -> None:
    (repo / "vendor" / "lib").mkdir(parents=True)
    (repo / "vendor" / "lib" / ".git").write_text("gitdir: ../../.git/modules/lib\n")
    (repo / "vendor" / "lib" / "x.md").write_text("http://attic-api.nix-cache.svc.cluster.local\n")
    judgement = look(repo, contracts)
    assert "submodule" in unread(judgement)["vendor/lib"]
    assert len(judgement.findings) == 1


def test_pipe_socket_and_huge_file_are_listed(repo: Path, contracts: Contracts) -> None:
    os.mkfifo(repo / "pipe.yaml")
    with (repo / "huge.md").open("wb") as stream:
        stream.truncate(3 << 30)
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(repo, os.O_RDONLY)
        # A socket's path may have 107 bytes at most.
        listener.bind(f"/proc/self/fd/{folder}/daemon.sock")
        os.close(folder)
    reasons = unread(look(repo, contracts))
    assert reasons["pipe.yaml"] == reasons["daemon.sock"] == "not a regular file"
    assert reasons["huge.md"] == "larger than 2,000,000 bytes"


def test_link_to_itself_is_listed(repo: Path, contracts: Contracts) -> None:
    (repo / "self").symlink_to("self")
    (repo / "docs" / "a").symlink_to("b")
    (repo / "docs" / "b").symlink_to("a")
    reasons = unread(look(repo, contracts))
    assert reasons.keys() == {"self", "docs/a", "docs/b"}
    assert all("cannot follow link" in reason for reason in reasons.values())


@pytest.mark.parametrize("name", [".gitignore", ".git/index", ".git/config", ".git/HEAD", ".git/packed-refs"])
def test_pipe_in_place_of_a_git_file_is_not_read(repo: Path, contracts: Contracts, name: str) -> None:
    (repo / ".git").mkdir()
    (repo / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (repo / name).unlink(missing_ok=True)
    os.mkfifo(repo / name)
    look(repo, contracts)
    assert commit(repo) == ""


@contextmanager
def as_somebody_who_is_not_root() -> Iterator[None]:
    """Root reads everything; this process is somebody else meanwhile."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_unreadable_file_is_listed(repo: Path, contracts: Contracts) -> None:
    # Nobody but its owner may enter pytest's own folder.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        checkout = Path(shutil.copytree(repo, f"{folder}/repo"))
        (checkout / "secret.md").write_text("x")
        (checkout / "secret.md").chmod(0)
        with as_somebody_who_is_not_root():
            judgement = look(checkout, contracts)
    assert "Permission denied" in unread(judgement)["secret.md"]


def test_empty_directory_has_no_findings(tmp_path: Path, contracts: Contracts) -> None:
    judgement = judge(tmp_path, *contracts)
    assert judgement.findings == ()
    assert judgement.count(Outcome.BROKEN) == 0


def test_root_that_is_not_a_directory_is_bad_input(tmp_path: Path, contracts: Contracts) -> None:
    with pytest.raises(InputError, match="does not exist"):
        judge(tmp_path / "gone", *contracts)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is not a directory"):
        judge(tmp_path / "file", *contracts)


def git(root: Path, *arguments: str) -> str:
    command = [
        shutil.which("git") or "git",
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "core.hooksPath=/dev/null",
        *arguments,
    ]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("version", ["2", "4"])
def test_git_index_lists_the_same_folders_as_git(tmp_path: Path, version: str) -> None:
    root = write(tmp_path)
    git(root, "init", "-q")
    git(root, "config", "index.version", version)
    git(root, "add", ".")
    listed = git(root, "ls-files").split()
    folders = frozenset(str(parent) for path in listed for parent in Path(path).parents) - {"."}
    assert tracked_folders(root) == folders


def test_ignored_folders_are_left_out_unless_git_tracks_them(tmp_path: Path, contracts: Contracts) -> None:
    root = write(tmp_path)
    stale = "https://nix-cache.fuzzy-dev.tinyland.dev\n"
    for folder in ("build", "kept"):
        (root / folder).mkdir()
        (root / folder / "x.conf").write_text(stale)
    (root / ".gitignore").write_text("/build/\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    (root / ".gitignore").write_text("/build/\n/kept/\n")
    judgement = judge(root, *contracts)
    assert {finding.actual.at.file for finding in judgement.findings} == {"kept/x.conf"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"DIRC",
        b"DIRC\0\0\0\x02\xff\xff\xff\xff" + b"\0" * 40,
        b"DIRC\0\0\0\x04\0\0\0\x05" + b"\xff" * 90,
    ],
)
def test_damaged_git_index_is_ignored(tmp_path: Path, contracts: Contracts, body: bytes) -> None:
    root = write(tmp_path)
    (root / ".git").mkdir()
    (root / ".git" / "index").write_bytes(body)
    assert judge(root, *contracts).findings == ()


def test_directory_of_thousands_of_files_is_judged(tmp_path: Path, contracts: Contracts) -> None:
    root = write(tmp_path)
    for number in range(3000):
        folder = root / "many" / str(number % 50)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.yaml").write_text(f"key: {number}\n")
    judgement = judge(root, *contracts)
    assert judgement.files > 3000
    assert judgement.findings == ()
