"""builder-contracts explain, and the explanations behind it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder_contracts import cli
from builder_contracts.cli.explain import explain_id
from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Clause
from builder_contracts.contract.promises import READERS
from builder_contracts.errors import InputError
from builder_contracts.judge.explanations import explanation

ROOT = Path(__file__).parents[2]
EVERY_FIELD = ROOT / "docs" / "examples" / "every-field.yaml"
CLASSES = ("tinyland-nix", "tinyland-docker", "tinyland-dind")


def explained(*arguments: str) -> str:
    """What the command prints. Raises what the command raises."""
    # By way of the group, whose settings say how help is asked for: click remembers whose it was first.
    result = CliRunner().invoke(cli.group, ["explain", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def about(*arguments: str) -> dict[str, str]:
    answer: dict[str, str] = json.loads(explained(*arguments, "--json"))
    return answer


@pytest.fixture
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("clause", load(EVERY_FIELD).clauses, ids=lambda clause: clause.local_id)
def test_every_clause_is_explained_in_whole_sentences(clause: Clause) -> None:
    said = explanation(clause.promise)
    for text in (said.how, said.unproven, said.why, said.breaks, said.fix):
        assert text.endswith("."), text
        assert "None" not in text
        assert "  " not in text


@pytest.mark.usefixtures("in_checkout")
def test_clause_is_explained_with_location_fix_and_command() -> None:
    answer = about("tinyland-nix/toolchain/xz")
    assert answer["clause"] == "tinyland-nix/toolchain/xz"
    assert answer["promised"] == "xz >=5.2 on the job's PATH"
    file, _, line = answer["declared"].rpartition(":")
    assert file == "contracts/base/linux-runner.yaml"
    assert "xz" in Path(file).read_text("utf-8").splitlines()[int(line) - 1]
    assert "'xz --version' must run" in answer["judged"]
    assert "xz-utils" in answer["fix"]
    assert answer["check"] == "pytest 'contracts/tinyland-nix.yaml::toolchain/xz'"
    assert answer["look"].startswith("builder-contracts facts --contract contracts/tinyland-nix.yaml --image")


@pytest.mark.usefixtures("in_checkout")
def test_the_contracts_own_reason_comes_before_the_general_one() -> None:
    assert about("tinyland-nix/toolchain/xz")["matters"].startswith("Nix installers unpack")
    assert about("tinyland-nix/toolchain/jq")["matters"].startswith("Without the tool")


@pytest.mark.usefixtures("in_checkout")
def test_id_without_class_is_enough_if_unambiguous() -> None:
    assert about("daemon/ready")["clause"] == "tinyland-dind/daemon/ready"


@pytest.mark.usefixtures("in_checkout")
def test_id_without_class_is_rejected_if_ambiguous() -> None:
    with pytest.raises(InputError, match="is ambiguous: 3 classes have this clause") as refused:
        explained("toolchain/xz")
    assert "tinyland-docker/toolchain/xz" in str(refused.value)


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tinyland-nix/toolchain/zx", "tinyland-nix/toolchain/xz"),
        ("tolchain", "toolchain"),
        ("tinyland-dind/daemon/redy", "tinyland-dind/daemon/ready"),
    ],
)
def test_an_unknown_id_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"did you mean {meant}?")):
        explained(typed)


@pytest.mark.usefixtures("in_checkout")
def test_unknown_id_names_the_command_that_lists_ids() -> None:
    with pytest.raises(InputError, match="validate --list"):
        explained("%" * 5000)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("kind", list(READERS))
def test_a_kind_is_explained_where_there_are_no_contracts(kind: str) -> None:
    text = explained(kind)
    assert text.startswith(kind)
    assert "docs/reference/clauses.md" in text


@pytest.mark.usefixtures("in_checkout")
def test_section_lists_its_fields_and_clauses() -> None:
    answer = about("filesystem")
    assert any(field.startswith("writable: ") for field in answer["fields"])
    assert "tinyland-nix/filesystem/nix: /nix is a directory, mode 0755, owned by runner" in answer["clauses"]


@pytest.mark.usefixtures("elsewhere")
def test_a_clause_without_contracts_says_that_there_are_none() -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        explained("tinyland-nix/toolchain/xz")


def test_a_waiver_is_part_of_the_explanation(elsewhere: Path) -> None:
    del elsewhere
    answer = about("every-field/filesystem/opt/tools", "--contract", str(EVERY_FIELD))
    assert answer["waived"].startswith("until 2099-12-31: The pool still runs")


def test_a_waiver_that_is_over_is_told_as_over(elsewhere: Path) -> None:
    text = (EVERY_FIELD.parent / "every-field.yaml").read_text("utf-8").replace("2099-12-31", "2020-01-01")
    shutil.copytree(EVERY_FIELD.parent, elsewhere / "examples")
    (elsewhere / "examples" / "every-field.yaml").write_text(text, "utf-8")
    answer = about("every-field/filesystem/opt/tools", "--contract", "examples/every-field.yaml")
    assert answer["waived"].startswith("expired on 2020-01-01: The pool still runs")


@pytest.mark.usefixtures("in_checkout")
def test_lines_fit_the_terminal_and_commands_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = explained("tinyland-nix/network/deny/metadata").splitlines()
    long = [line.strip() for line in lines if len(line) > 60]
    assert [line.split()[0] for line in long] == ["check", "inspect"]


@pytest.mark.docker
@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize("builder", CLASSES)
def test_inspect_command_finds_its_fact_in_real_facts(builder: str) -> None:
    result = CliRunner().invoke(cli.group, ["facts", "--builder", builder])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        pytest.skip(str(result.exception))
    facts = json.loads(result.stdout)
    nowhere = []
    contract = load(ROOT / "contracts" / f"{builder}.yaml")
    for clause in contract.clauses:
        look = str(explain_id(clause.id, [contract]).get("look", ""))
        if look and _at(facts, look.partition("jq '")[2].rstrip("'")) is None:
            nowhere.append(f"{clause.id}: {look}")
    assert nowhere == []


def _at(facts: object, path: str) -> object:
    """What jq finds at a path such as ``.tools["xz"].path``."""
    for quoted, plain in re.findall(r'\["([^"]+)"\]|\.([A-Za-z_][A-Za-z0-9_]*)', path):
        if not isinstance(facts, dict):
            return None
        facts = facts.get(quoted or plain)
    return facts
