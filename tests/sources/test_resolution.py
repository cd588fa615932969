"""Contracts from elsewhere: what is locked is used, from the cache; what changed or is hostile is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.errors import BuilderContractsError, ExitCode, InputError
from builder_contracts.prove.canary.definition import folder_of
from builder_contracts.sources import documents, registry
from builder_contracts.sources.address import ContractSource, parse
from builder_contracts.sources.cache import digest_of
from builder_contracts.sources.documents import read_archive
from builder_contracts.sources.resolution import local_path, renew
from tests.cli.terminal import call
from tests.sources.conftest import CONTRACT, Host, Repository, serve, tar, tls

CHANGED = CONTRACT.replace(b"sh: present", b"sh: present, git: present")


def resolve(text: str) -> Path:
    return local_path(text, Path.cwd(), lambda _: None)


def refused(text: str) -> str:
    with pytest.raises(BuilderContractsError) as caught:
        resolve(text)
    return str(caught.value)


# -- addresses


@pytest.mark.parametrize(
    "text",
    [
        "http://host/contracts.tar.gz",
        "git+http://host/repository@v1",
        "git+file:///repository@v1",
        "ext::sh -c touch% /tmp/x",
        "git+ext::sh -c id",
        "file:///etc/passwd.tar.gz",
        "git+https://host/repository@--upload-pack=id",
        "git+https://host/repository@a:b",
        "git+https://-oProxyCommand=id/repository@v1",
        "git+ssh://-oProxyCommand=id/repository@v1",
        "git+ssh://git:password@host/repository@v1",
        "git+https:///repository@v1",
        "https://host/x.tar.gz#../../etc",
        "oci://registry/Repository:v1",
        "oci://registry/repository@sha256:short",
        "oci://user:password@registry/repository:v1",
    ],
)
def test_other_addresses_are_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert (
        "use " in str(caught.value)
        or "append @REF" in str(caught.value)
        or "name a folder" in str(caught.value)
    )
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_address_has_neither_credentials_nor_the_folder() -> None:
    source = parse("git+https://me:s3cret-of-mine@host/runners@release/1#contracts")
    assert source == ContractSource(
        "git", "git+https://host/runners@release/1", "https://host/runners", "release/1", "contracts", "me", "s3cret-of-mine"
    )  # fmt: skip


# -- git


def test_repository_is_fetched_and_locked(place: Path, host: Host, repository: Repository) -> None:
    folder = resolve(f"git+https://{host.name}/git/runners@v1#contracts")
    assert (folder / "there.yaml").read_bytes() == CONTRACT
    assert repository.git("rev-parse", "v1") in (place / "contracts.lock").read_text()


def test_locked_commit_is_used_though_its_tag_moved(place: Path, host: Host, repository: Repository) -> None:
    address = f"git+https://{host.name}/git/runners@v1"
    resolve(address)
    repository.commit({"contracts/there.yaml": CHANGED})
    repository.git("tag", "--force", "v1")
    for file in sorted((place.parent / "cache").rglob("there.yaml")):
        file.write_bytes(b"changed by somebody")
    assert (resolve(f"{address}#contracts") / "there.yaml").read_bytes() == CONTRACT
    renew(address, place, place / "contracts.lock")
    assert (resolve(f"{address}#contracts") / "there.yaml").read_bytes() == CHANGED


def test_locked_source_needs_no_network(place: Path, host: Host, repository: Repository) -> None:
    address = f"git+https://{host.name}/git/runners@v1#contracts"
    resolve(address)
    asked = len(host.asked)
    assert (resolve(address) / "there.yaml").is_file()
    assert asked > 0
    assert len(host.asked) == asked


def test_nothing_of_a_repository_is_executed(place: Path, host: Host, repository: Repository) -> None:
    """Filters, hooks and submodules need a checkout, or a configuration: neither is there."""
    attributes = b"* filter=mark export-subst\n"
    modules = b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch %s/executed"\n' % bytes(place)
    repository.commit({".gitattributes": attributes, ".gitmodules": modules, ".lfsconfig": b"[lfs]\n"})
    home = place.parent / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[filter "mark"]\n\tsmudge = touch {place}/executed\n[core]\n\tfsmonitor = touch {place}/executed\n'
        f"\thooksPath = {home}\n[credential]\n\thelper = !touch {place}/executed\n"
    )
    (home / "reference-transaction").write_text(f"#!/bin/sh\ntouch {place}/executed\n")
    (home / "reference-transaction").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        assert (resolve(f"git+https://{host.name}/git/runners@main#contracts") / "there.yaml").is_file()
        host.files["/private/info/refs"] = 401, {"WWW-Authenticate": "Basic realm=x"}, b""
        assert "terminal prompts disabled" in refused(f"git+https://{host.name}/private@main")
    assert not (place / "executed").exists()


def test_password_is_in_neither_lock_nor_message(place: Path, host: Host, repository: Repository) -> None:
    resolve(f"git+https://me:s3cret-of-mine@{host.name}/git/runners@v1")
    assert "s3cret" not in (place / "contracts.lock").read_text()
    message = refused(f"git+https://me:s3cret-of-mine@{host.name}/git/runners@gone")
    assert "s3cret" not in message
    assert f"git+https://{host.name}/git/runners@gone" in message


def test_unknown_reference_is_named(place: Path, host: Host, repository: Repository) -> None:
    message = refused(f"git+https://{host.name}/git/runners@v2")
    assert "v2" in message
    assert "a branch, a tag or a whole commit ID" in message


def test_repository_above_the_limit_is_refused(
    place: Path, host: Host, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit({"large.bin": os.urandom(200_000)})
    monkeypatch.setattr("builder_contracts.sources.git.MOST_COMPRESSED", 100_000)
    assert "larger than 100,000 bytes" in refused(f"git+https://{host.name}/git/runners@main")


# -- archives


def test_archive_is_fetched_below_its_one_top_folder(place: Path, host: Host) -> None:
    host.files["/v1.tar.gz"] = (
        200,
        {},
        tar(("runners-1/contracts/there.yaml", CONTRACT), ("runners-1/x.sh", b"exit 1")),
    )
    folder = resolve(f"https://{host.name}/v1.tar.gz#contracts")
    assert (folder / "there.yaml").read_bytes() == CONTRACT
    assert [path.name for path in (place.parent / "cache" / "sources").rglob("*") if path.is_file()] == [
        "there.yaml"
    ]


def test_changed_archive_is_an_error_until_it_is_locked_again(place: Path) -> None:
    archive = place / "contracts.zip"
    for content in (CONTRACT, CHANGED):
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("there.yaml", content)
        if content == CONTRACT:
            resolve("contracts.zip")
    message = refused("contracts.zip")
    assert "the content changed" in message
    assert "builder-contracts lock contracts.zip" in message
    renew("contracts.zip", place, place / "contracts.lock")
    assert (resolve("contracts.zip") / "there.yaml").read_bytes() == CHANGED


def test_token_stays_with_its_host_and_https(place: Path, host: Host, tmp_path: Path) -> None:
    for other in serve(Host(tmp_path)):
        host.files["/plain.tar.gz"] = 302, {"Location": f"http://{other.name}/x.tar.gz"}, b""
        assert "the server leads to http://" in refused(f"https://me:token-of-mine@{host.name}/plain.tar.gz")
        assert other.asked == []
    host.files["/again.tar.gz"] = 302, {"Location": "/x.tar.gz"}, b""
    host.files["/x.tar.gz"] = 200, {}, tar(("there.yaml", CONTRACT))
    resolve(f"https://me:token-of-mine@{host.name}/again.tar.gz")
    assert [bool(credentials) for _, credentials in host.asked[-2:]] == [True, True]
    # The same certificate at another port: another server, over TLS that is trusted.
    for other in serve(Host(tmp_path, tls(tmp_path / "host.pem"))):
        host.files["/moved.tar.gz"] = 302, {"Location": f"https://{other.name}/x.tar.gz"}, b""
        other.files["/x.tar.gz"] = 200, {}, tar(("there.yaml", CHANGED))
        moved = resolve(f"https://me:token-of-mine@{host.name}/moved.tar.gz")
        assert (moved / "there.yaml").read_bytes() == CHANGED
        assert (host.asked[-1][0], bool(host.asked[-1][1]), other.asked) == (
            "/moved.tar.gz",
            True,
            [("/x.tar.gz", "")],
        )


def test_host_that_cannot_be_reached_is_no_bad_input(place: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve("https://127.0.0.1:9/contracts.tar.gz")
    assert caught.value.exit_code == ExitCode.CANNOT_RUN


def entry(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (tar(("../x.yaml", b"")), "leads out of it"),
        (tar(("/etc/x.yaml", b"")), "leads out of it"),
        (tar(("a/../../x.yaml", b"")), "leads out of it"),
        (tar(("a\n.yaml", b"")), "leads out of it"),
        (tar((entry("x.yaml", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"")), "is a link to"),
        (tar((entry("x.yaml", type=tarfile.SYMTYPE, linkname="../../y.yaml"), b"")), "is a link to"),
        (tar((entry("x.yaml", type=tarfile.SYMTYPE, linkname="x.yaml"), b"")), "is a link to"),
        (tar((entry("x.yaml", type=tarfile.LNKTYPE, linkname="/etc/passwd"), b"")), "is a link to"),
        (tar((entry("null", type=tarfile.CHRTYPE), b"")), "has a device"),
        (tar(("x.yaml", b"1"), ("./x.yaml", b"2")), "twice"),
        (tar(*((f"{number}.txt", b"") for number in range(60))), "more than 50 entries"),
        (tar(("zeros.bin", bytes(3_000_000))), "more than 1,000,000 bytes"),
        (tar((entry("x.yaml", pax_headers={"comment": "x" * 2_000_000}), b"")), "more than 1,000,000 bytes"),
        (b"no archive at all", "not an archive"),
        (tar(("x.yaml", CONTRACT))[:-30], "not an archive"),
        (b"", "not an archive"),
    ],
)  # fmt: skip
def test_hostile_archive_is_refused(archive: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_EXPANDED", 1_000_000)
    monkeypatch.setattr(documents, "MOST_ENTRIES", 50)
    with pytest.raises(InputError, match=message):
        read_archive(archive, "an address")


def zipped(name: str, content: bytes, mode: int = 0o644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, method
        archive.writestr(info, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (zipped("../x.yaml", b""), "leads out of it"),
        (zipped("x.yaml", bytes(3_000_000)), "more than 1,000,000 bytes"),
        (zipped("x.yaml", b"/etc/passwd", stat.S_IFLNK | 0o777), "is a link to"),
        (zipped("x.yaml", b"1", method=zipfile.ZIP_LZMA), "unusual"),
    ],
)
def test_hostile_zip_is_refused(archive: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_EXPANDED", 1_000_000)
    with pytest.raises(InputError, match=message):
        read_archive(archive, "an address")


def test_link_inside_an_archive_is_the_document_it_names() -> None:
    link = entry("a/x.yaml", type=tarfile.SYMTYPE, linkname="../b/y.yaml")
    assert read_archive(tar((link, b""), ("b/y.yaml", b"text")), "")["a/x.yaml"] == b"text"


def test_digest_is_that_of_the_lines_of_sha256sum(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.json"):
        (tmp_path / name).write_text(name)
    listing = subprocess.run(
        ["sha256sum", "a.yaml", "b.json"],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    assert (
        digest_of({"b.json": b"b.json", "a.yaml": b"a.yaml"})
        == f"sha256:{hashlib.sha256(listing).hexdigest()}"
    )


@pytest.mark.parametrize(
    "text", ["sources: 1", "sources: {a: {digest: x, resolved: y}}", "[", "sources: {a: 1}"]
)
def test_broken_lock_is_named(place: Path, text: str) -> None:
    (place / "contracts.lock").write_text(text)
    assert "contracts.lock:" in refused("https://127.0.0.1:9/contracts.tar.gz")


def test_fetched_contract_brings_no_program_for_canaries(place: Path) -> None:
    (place / "x.tar").write_bytes(
        tar(("contracts/there.yaml", CONTRACT), ("canaries/flake/canary.yaml", b""))
    )
    assert folder_of(str(resolve("x.tar#contracts") / "there.yaml")) == place / "canaries"


# -- registries

LAYER = tar(("contracts/there.yaml", CONTRACT))


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Host]:
    """A registry on loopback without TLS, which gives a token to anybody, and an artifact to its bearer."""
    for host in serve(Host(tmp_path)):
        artifact(host, "v1", LAYER)
        host.files["/token"] = 200, {}, b'{"token": "for-anybody"}'
        yield host


def artifact(host: Host, tag: str, layer: bytes, content: bytes | None = None) -> str:
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    manifest = json.dumps(
        {"schemaVersion": 2, "layers": [{"mediaType": "x", "digest": digest, "size": 1}]}
    ).encode()
    name = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    for reference in (tag, name):
        host.files[f"/v2/runners/manifests/{reference}"] = 200, {}, manifest
    host.files[f"/v2/runners/blobs/{digest}"] = 200, {}, layer if content is None else content
    return name


def test_locked_artifact_is_used_though_its_tag_moved(place: Path, plain: Host) -> None:
    address = f"oci://{plain.name}/runners:v1"
    resolve(address)
    artifact(plain, "v1", tar(("contracts/there.yaml", CHANGED)))
    for file in (place.parent / "cache").rglob("there.yaml"):
        file.unlink()
    assert (resolve(f"{address}#contracts") / "there.yaml").read_bytes() == CONTRACT


def test_registry_that_wants_a_token_is_asked_for_one(
    place: Path, plain: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(place))
    challenge = f'Bearer realm="http://{plain.name}/token",service="here"'
    source = parse(f"oci://{plain.name}/runners:v1")
    files, plain.files = plain.files, {
        "/v2/runners/manifests/v1": (401, {"WWW-Authenticate": challenge}, b""), "/token": plain.files["/token"],
    }  # fmt: skip
    with pytest.raises(InputError, match="401"):
        registry.fetch(source, "")
    assert [path for path, _ in plain.asked] == [
        "/v2/runners/manifests/v1",
        "/token",
        "/v2/runners/manifests/v1",
    ]
    assert plain.asked[-1][1] == "Bearer for-anybody"
    plain.files = files
    assert registry.fetch(source, "")[0] == {"contracts/there.yaml": CONTRACT}


def test_registry_that_sends_another_content_is_refused(place: Path, plain: Host) -> None:
    artifact(plain, "v2", LAYER, b"something else")
    assert "sent another content" in refused(f"oci://{plain.name}/runners:v2")
    name = artifact(plain, "v3", LAYER)
    plain.files[f"/v2/runners/manifests/{name}"] = 200, {}, b'{"layers": []}'
    assert "the registry sent sha256:" in refused(f"oci://{plain.name}/runners@{name}")


def test_registry_elsewhere_is_never_asked_without_tls(place: Path) -> None:
    message = refused("oci://registry.invalid:1/runners:v1")
    assert "https://registry.invalid:1" in message


# -- commands


def command(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate",), ("validate", "--contracts"), ("explain", "toolchain/sh", "--contracts"), ("check", "--facts", "none", "--contracts"),
        ("select", "--needs", "sh", "--contracts"), ("workflows", ".", "--contracts"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_take_contracts_from_elsewhere(place: Path, arguments: tuple[str, ...]) -> None:
    (place / "x.tar.gz").write_bytes(tar(("there.yaml", CONTRACT)))
    done = command(place, "builder_contracts", *arguments, "x.tar.gz")
    assert "locked x.tar.gz" in done.stderr
    # No saved facts are there, and no workflows: the contracts were read before.
    expected = {"check": ExitCode.BAD_INPUT, "workflows": ExitCode.NOTHING_SELECTED}
    assert done.returncode == expected.get(arguments[0], ExitCode.KEPT), done.stderr


def test_pytest_takes_contracts_from_elsewhere(place: Path) -> None:
    (place / "x.tar.gz").write_bytes(tar(("there.yaml", CONTRACT)))
    done = command(
        place, "pytest", "--collect-only", "-q", "--contracts", "x.tar.gz", "-p", "no:cacheprovider"
    )
    assert "toolchain/sh" in done.stdout, done.stdout + done.stderr
    (place / "x.tar.gz").write_bytes(tar(("there.yaml", CHANGED)))
    done = command(place, "pytest", "--contracts", "x.tar.gz", "-p", "no:cacheprovider")
    assert (done.returncode, "the content changed" in done.stderr) == (3, True), done.stderr


def test_another_lock_is_used_by_its_option(place: Path) -> None:
    (place / "x.tar.gz").write_bytes(tar(("there.yaml", CONTRACT)))
    # Contracts that stand before the option are locked there, too.
    assert "there.yaml: there," in call("validate", "x.tar.gz", "--lock", "other.lock")[1]
    assert call("lock", "--lock", "other.lock")[1].startswith("unchanged  x.tar.gz")
    assert sorted(file.name for file in place.iterdir()) == ["other.lock", "x.tar.gz"]


def test_lock_renews_what_is_locked(place: Path) -> None:
    assert command(place, "builder_contracts", "lock").returncode == ExitCode.NOTHING_SELECTED
    (place / "x.tar.gz").write_bytes(tar(("there.yaml", CONTRACT)))
    assert command(place, "builder_contracts", "lock", "x.tar.gz").stdout.startswith("locked     x.tar.gz")
    assert command(place, "builder_contracts", "lock").stdout.startswith("unchanged  x.tar.gz")
    (place / "x.tar.gz").write_bytes(tar(("there.yaml", CHANGED)))
    assert "(was sha256:" in command(place, "builder_contracts", "lock").stdout
