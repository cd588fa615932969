"""canaries/ is a place where people add their own: a new folder is picked up, and a bad one is told what is wrong."""

from __future__ import annotations

import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from builder_contracts.contract import loading as contracts
from builder_contracts.errors import InputError
from builder_contracts.prove.canary.definition import check, load
from builder_contracts.prove.job import archive
from tests.prove.conftest import ROOT, Worlds, ids

CANARY = """\
apiVersion: builder-contracts/v1
kind: Canary
metadata: {name: mine, summary: A program of my own and its Makefile}
tool: make
builders: [tinyland-docker]
inputs: [Makefile, main.c, nonce]
nonce: nonce
command: [make, out/mine]
artifacts: [out]
run: {command: [out/mine], says: NONCE}
budget: {seconds: 30, memory: 1Gi}
"""
MAKEFILE = """\
out/mine: main.c nonce
\tmkdir -p out
\t$(CC) -DNONCE="\\"$$(cat nonce)\\"" -o $@ main.c
"""
FILES = {
    "canary.yaml": CANARY,
    "Makefile": MAKEFILE,
    "main.c": "#include <stdio.h>\nint main(void) { return puts(NONCE) < 0; }\n",
    "nonce": "none\n",
}
MINE = ("canaries:\n", "canaries:\n  mine: [builds, runs, artifacts]\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder_made = tmp_path / "canaries" / "mine"
    folder_made.mkdir(parents=True)
    for name, text in FILES.items():
        (folder_made / name).write_text(text, "utf-8")
    return folder_made


@pytest.mark.docker
def test_new_folder_is_built_by_its_class(worlds: Worlds) -> None:
    files = {f"mine/{name}": text for name, text in FILES.items()}
    proved = worlds.prove("tinyland-docker", ids("canaries/mine-"), canary=files, promise=MINE)
    assert {name: verdict.observation for name, verdict in proved.verdicts.items()}.keys() == {
        "canaries/mine-builds", "canaries/mine-runs", "canaries/mine-artifacts",
    }  # fmt: skip
    assert proved.ids_kept == set(proved.verdicts), proved.verdicts
    assert all(len(verdict.witnesses) == 2 for verdict in proved.verdicts.values())


@pytest.mark.docker
def test_second_flake_is_built_without_the_cache(worlds: Worlds) -> None:
    text = (ROOT / "canaries/flake/canary.yaml").read_text("utf-8").replace("name: flake", "name: mine")
    inputs = next(line for line in text.splitlines() if line.startswith("inputs:"))
    files = {
        "canary.yaml": text.replace(inputs, "inputs: [nonce, build.sh]"),
        "nonce": "",
        "build.sh": "exit 7\n",
    }
    proved = worlds.prove(
        "tinyland-nix",
        ids("canaries/", "caches/nix-"),
        canary={f"mine/{name}": content for name, content in files.items()},
        promise=("pure, lock]\n", "pure, lock]\n  mine: [builds]\n"),
    )
    assert proved.broken == {"canaries/mine-builds"}
    assert proved.unproven == set()


@pytest.mark.docker
def test_canary_of_another_class_is_not_built(worlds: Worlds) -> None:
    text = (ROOT / "canaries/flake/canary.yaml").read_text("utf-8")
    changed = text.replace("builders: [tinyland-nix]", "builders: [tinyland-docker]")
    proved = worlds.prove("tinyland-nix", ids("canaries/flake-"), canary={"flake/canary.yaml": changed})
    assert proved.unproven == set(proved.verdicts)
    assert "add tinyland-nix to 'builders'" in proved.seen("canaries/flake-builds")


def test_only_inputs_reach_the_builder(folder: Path) -> None:
    (folder / "secret.txt").write_text("not an input", "utf-8")
    canary = load(folder)
    with tarfile.open(fileobj=BytesIO(archive(folder, canary.inputs, {"nonce": b"fresh"}))) as packed:
        assert packed.getnames() == ["Makefile", "main.c", "nonce"]
        member = packed.extractfile("nonce")
        assert member is not None
        assert member.read() == b"fresh"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("inputs: [Makefile, ", "inputs: [Makefil, Makefile, ", "input Makefil not found in "),
        ("main.c, nonce]", "main.c]", "nonce nonce is not an input"),
        ("name: mine", "name: yours", "canary name does not match its directory mine"),
        ("tool: make", "tool: ninja", "ninja"),
        ("budget: {seconds: 30", "budget: {seconds: soon", "soon"),
        ("command: [make, out/mine]", "comand: [make, out/mine]", "command"),
    ],
)
def test_bad_canary_yaml_names_the_line(folder: Path, old: str, new: str, message: str) -> None:
    assert old in CANARY
    (folder / "canary.yaml").write_text(CANARY.replace(old, new), "utf-8")
    with pytest.raises(InputError) as caught:
        load(folder)
    assert message in str(caught.value)
    assert "canary.yaml:" in str(caught.value)


def test_check_compares_contracts_with_canaries(folder: Path, tmp_path: Path) -> None:
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    text = CANARY.replace("name: mine", "name: other").replace("tinyland-docker", "another-class")
    (other / "canary.yaml").write_text(text, "utf-8")
    (tmp_path / "contracts").mkdir()
    file = tmp_path / "contracts" / "tinyland-docker.yaml"
    file.write_text(
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        "metadata: {name: tinyland-docker, summary: A class of my own, owner: me}\nlabels: [own]\n"
        "image: {reference: own}\ncanaries:\n  mine: [builds, runs, boot]\n  mien: [builds, runs]\n  other: [builds]\n"
    )
    contract = contracts.load(file)
    assert list(map(str, check([contract]))) == [
        f"{file}:7: canary mine does not support boot\n    fix: use one of builds, runs, artifacts",
        f"{file}:8: no such canary: mien\n    fix: did you mean mine?",
        f"{other / 'canary.yaml'}: 'builders' lists another-class but not tinyland-docker\n"
        "    fix: add tinyland-docker to 'builders', or remove other from the contract",
    ]
    assert check(contracts.load_all(sorted((ROOT / "contracts").glob("*.yaml")))) == []
    shutil.rmtree(folder.parent)
    assert check([contract]) == []


def test_folder_without_canary_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such canary: mine") as caught:
        load(tmp_path / "mine")
    file = tmp_path / "mine" / "canary.yaml"
    # As the reason why nothing was proved it stands on one line.
    assert caught.value.sentence == f"{file}: no such canary: mine; create {file}, or fix the name"
