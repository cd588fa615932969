"""Files to contracts: bases, positions, digests, waivers, and what counts as a contract."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.loading import MAX_BASES, is_contract, load, load_all, load_environment
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.errors import InputError
from builder_contracts.tools.catalog import catalog
from builder_contracts.tools.work import ToolWork, WorkStep
from tests.unit.contract.growth import calls

HEAD = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
"""
BASE = "apiVersion: builder-contracts/v1\nkind: BuilderBase\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def loaded(text: str, **bases: str) -> Contract:
    written({"sample.yaml": text, **{f"{name}.yaml": base for name, base in bases.items()}})
    return load(Path("sample.yaml"))


def refusal(text: str, **bases: str) -> str:
    with pytest.raises(InputError) as caught:
        loaded(text, **bases)
    return str(caught.value)


def test_clauses_are_in_order_of_kind_and_line_with_sources(folder: Path) -> None:
    contract = loaded(HEAD + "toolchain:\n  xz: present\n  nix: present\nidentity:\n  uid: 7\n  user: me\n")
    assert [(clause.local_id, str(clause.source)) for clause in contract.clauses] == [
        ("labels/sample", "sample.yaml:4"),
        ("image/reference", "sample.yaml:5"),
        ("identity/uid", "sample.yaml:10"),
        ("identity/user", "sample.yaml:11"),
        ("toolchain/xz", "sample.yaml:7"),
        ("toolchain/nix", "sample.yaml:8"),
    ]
    assert contract.clauses[-1].id == "sample/toolchain/nix"
    assert str(contract.source) == "sample.yaml:3"


def test_the_class_wins_over_its_base_and_inherits_the_rest(folder: Path) -> None:
    contract = loaded(
        HEAD + "extends: base.yaml\ntoolchain:\n  xz: absent\n  jq: present\n",
        base=BASE
        + "toolchain:\n  xz: {version: '>=5'}\n  git: {package: git-core}\nidentity: {user: runner}\n",
    )
    assert [(tool.name, tool.present, tool.package) for tool in contract.promised(Tool)] == [
        ("xz", False, None),
        ("git", True, "git-core"),
        ("jq", True, None),
    ]
    sources = {clause.local_id: str(clause.source) for clause in contract.clauses}
    assert sources["toolchain/xz"] == "sample.yaml:8"
    assert sources["toolchain/git"] == "base.yaml:5"
    assert sources["identity/user"] == "base.yaml:6"


def test_extends_merges_mappings_and_replaces_lists(folder: Path) -> None:
    contract = loaded(
        HEAD
        + "extends: base.yaml\nfilesystem:\n  /nix: {owner: runner}\n"
        + "toolchain:\n  nix:\n    version: '>=2.30'\n    features: {flakes: [c]}\n",
        base=BASE
        + "filesystem:\n  /nix: {type: directory, mode: '0755'}\n"
        + "toolchain:\n  nix:\n    version: '>=2.24'\n    features: {flakes: [a, b], daemon: [d]}\n",
    )
    assert contract.promised(PathState) == [PathState("/nix", type="directory", mode=0o755, owner="runner")]
    (nix,) = contract.promised(Tool)
    assert nix.version == VersionRange(">=2.30")
    assert nix.features == (("flakes", ("c",)), ("daemon", ("d",)))


def test_paths_of_bases_are_relative_to_the_naming_file(folder: Path) -> None:
    written(
        {
            "classes/sample.yaml": HEAD + "extends: ../shared/one.yaml\n",
            "shared/one.yaml": BASE + "extends: deep/two.yaml\ntoolchain: {xz: absent}\n",
            "shared/deep/two.yaml": BASE + "toolchain:\n  xz: present\n  jq: present\n",
        }
    )
    contract = load(Path("classes/sample.yaml"))
    assert contract.promised(Tool) == [
        Tool("xz", present=False),
        Tool("jq", work=catalog()["jq"].work),
    ]
    clause = contract.clause("toolchain/jq")
    assert clause is not None
    assert str(clause.source) == "classes/../shared/deep/two.yaml:5"


def test_a_base_lends_neither_version_nor_kind(folder: Path) -> None:
    message = refusal(
        HEAD.split("\n", 1)[1] + "extends: base.yaml\n", base=BASE + "toolchain: {xz: present}\n"
    )
    assert "sample.yaml:1: the document is missing required field 'apiVersion'" in message


def test_what_a_class_replaces_never_points_into_the_base(folder: Path) -> None:
    message = refusal(
        HEAD + "extends: base.yaml\nnetwork:\n  reach: ['a:80', 'b:0']\n",
        base=BASE + "network:\n  reach:\n  - c:1\n  - d:2\n",
    )
    assert message.startswith("sample.yaml:8: invalid port in 'b:0'")


def test_an_alias_in_the_class_hides_the_position_in_the_base(folder: Path) -> None:
    contract = loaded(
        HEAD + "extends: base.yaml\nfilesystem:\n  /a: &x {type: file}\n  /b: *x\n",
        base=BASE + "filesystem:\n  /b: {type: directory}\n",
    )
    clause = contract.clause("filesystem/b")
    assert clause is not None
    assert str(clause.source) == "sample.yaml:9"


def test_the_name_in_messages_can_be_another_than_the_path(folder: Path) -> None:
    written({"sample.yaml": HEAD + "extends: base.yaml\n", "base.yaml": BASE + "tools: {}\n"})
    with pytest.raises(InputError, match=r"^shown/base\.yaml:3: unknown field"):
        load(folder / "sample.yaml", "shown/sample.yaml")


def test_a_chain_of_bases_has_an_end(folder: Path) -> None:
    for index in range(MAX_BASES + 2):
        written({f"base{index}.yaml": BASE + f"extends: base{index + 1}.yaml\nidentity: {{uid: {index}}}\n"})
    assert f"'extends' chain is longer than {MAX_BASES}" in refusal(HEAD + "extends: base0.yaml\n")
    Path(f"base{MAX_BASES - 1}.yaml").write_text(BASE + "identity: {user: me}\n")
    assert loaded(HEAD + "extends: base0.yaml\n").clause("identity/user")


def test_a_base_behind_a_loop_of_links_is_not_there(folder: Path) -> None:
    Path("base.yaml").symlink_to("base.yaml")
    assert "'extends' names 'base.yaml', which does not exist" in refusal(HEAD + "extends: base.yaml\n")


def test_a_ring_behind_a_link_is_seen(folder: Path) -> None:
    Path("link.yaml").symlink_to("base.yaml")
    message = refusal(HEAD + "extends: base.yaml\n", base=BASE + "extends: link.yaml\nidentity: {uid: 1}\n")
    assert "circular 'extends': base.yaml -> base.yaml" in message


def test_a_folder_and_a_pipe_are_no_bases(folder: Path) -> None:
    Path("folder.yaml").mkdir()
    os.mkfifo("pipe.yaml")
    assert "which does not exist" in refusal(HEAD + "extends: folder.yaml\n")
    assert "which does not exist" in refusal(HEAD + "extends: pipe.yaml\n")


def test_a_base_is_checked_by_itself(folder: Path) -> None:
    message = refusal(HEAD + "extends: base.yaml\n", base=BASE + "metadata: {name: x}\n")
    assert "base.yaml:3: unknown field" in message


BODY: dict[str, Any] = {
    "identity": {"user": "runner", "uid": 1001},
    "toolchain": {"xz": "present", "nix": {"version": ">=2.24,<3", "features": {"flakes": ["eval", "1"]}}},
    "isolation": {"privileged": False},
    "resources": {"cpu": {"limit": "4"}},
}


def digest(body: str, **bases: str) -> str:
    return loaded(HEAD + body, **bases).digest


def test_the_digest_does_not_see_comments_order_quotes_or_style(folder: Path) -> None:
    digests = {
        digest(yaml.safe_dump(BODY)),
        digest(yaml.safe_dump(BODY, default_flow_style=False, sort_keys=False) + "# a comment\n"),
        digest(
            yaml.safe_dump(dict(reversed(BODY.items())), sort_keys=False, default_style='"')
            .replace('!!int "1001"', "0x3e9")
            .replace('!!bool "false"', "False")
        ),
        digest(yaml.safe_dump(BODY, default_flow_style=False, indent=8).replace("1001", "1001.0")),
    }
    assert len(digests) == 1
    assert digests.pop().startswith("sha256:")


def test_the_digest_does_not_see_where_a_promise_comes_from(folder: Path) -> None:
    alone = digest(yaml.safe_dump(BODY))
    base = BASE + yaml.safe_dump({**BODY, "identity": {"user": "other", "uid": 1001}})
    assert digest("extends: base.yaml\nidentity: {user: runner}\n", base=base) == alone


@pytest.mark.parametrize(
    "change",
    [
        {"identity": {"user": "other", "uid": 1001}},
        {"isolation": {"privileged": True}},
        {"why": {"labels/sample": "x"}},
    ],
)
def test_the_digest_sees_every_change_of_a_value(folder: Path, change: dict[str, Any]) -> None:
    assert digest(yaml.safe_dump({**BODY, **change})) != digest(yaml.safe_dump(BODY))


NAMES = st.sampled_from(["identity", "toolchain", "network", "why"])
TREES: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TREES), st.dictionaries(NAMES, TREES))
def test_merging_keeps_the_class_and_adds_from_the_base(below: dict[str, Any], above: dict[str, Any]) -> None:
    from builder_contracts.contract.loading import _inherited, _overlay

    def check(merged: Any, over: Any, under: Any, at: tuple[str, ...]) -> None:
        if not (isinstance(over, dict) and isinstance(under, dict)):
            assert merged == over
            return
        assert merged.keys() == over.keys() | under.keys()
        for key in merged:
            pointer = (*at, key)
            assert _inherited(pointer, above) is (key not in over)
            if key not in over:
                assert merged[key] == under[key]
            elif key not in under:
                assert merged[key] == over[key]
            else:
                check(merged[key], over[key], under[key], pointer)

    check(_overlay(below, above), above, below, ())


def test_waivers_and_reasons_are_carried_by_their_clauses(folder: Path) -> None:
    contract = loaded(
        HEAD
        + "toolchain: {xz: present}\n"
        + "waivers:\n  toolchain/xz: {reason: the image is being rebuilt, until: 2099-12-31}\n"
        + "why:\n  toolchain/xz: installers need it\n"
    )
    clause = contract.clause("toolchain/xz")
    assert clause is not None
    assert clause.why == "installers need it"
    assert clause.waiver is not None
    assert clause.waiver.until == date(2099, 12, 31)
    assert str(clause.waiver.source) == "sample.yaml:8"
    other = contract.clause("image/reference")
    assert other is not None
    assert other.waiver is None
    assert contract.clause("toolchain/nothing") is None


def test_the_problems_of_all_files_are_told_together(folder: Path) -> None:
    written({"one.yaml": HEAD + "tools: {}\n", "two.yaml": HEAD + "identity: {uid: x}\n"})
    with pytest.raises(InputError) as caught:
        load_all([Path("one.yaml"), Path("two.yaml")])
    assert [str(problem.source) for problem in caught.value.problems] == ["one.yaml:6", "two.yaml:6"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD.replace("BuilderClass", "BuilderClas"),
        HEAD.replace("builder-contracts/v1", "builder-contract/v1"),
        HEAD.replace("kind:", "knd:"),
        HEAD.replace("apiVersion:", "apiversion:"),
        HEAD.replace("builder-contracts/v1", "'builder-contracts/v9'"),
        "\ufeff" + HEAD,
        HEAD.replace("\n", "\r\n"),
        "# " + "x" * 5000 + "\n" + HEAD,
        "{apiVersion: builder-contracts/v1, kind: BuilderClass}",
        '{"apiVersion": "builder-contracts/v1"}',
        '{\n  "kind": "BuilderClass"}',
        '{"metadata": {"name": "sample"}, "kind": "BuilderClass"}',
        "# indented as a whole\n\n---\n" + textwrap.indent(HEAD, "  "),
    ],
)
def test_a_misspelt_contract_is_still_a_contract(folder: Path, text: str) -> None:
    Path("sample.yaml").write_text(text)
    assert is_contract(Path("sample.yaml"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_contract_in_another_encoding_is_one(folder: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    Path("sample.yaml").write_bytes((mark + HEAD).encode(encoding))
    assert is_contract(Path("sample.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        "apiVersion: builder-contracts/v1\nkind: Environment\n",
        "apiVersion: v1\nkind: ConfigMap\n",
        "on: push\njobs: {}\n",
        "# apiVersion: builder-contracts/v1\n",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    apiVersion: builder-contracts/v1\n",
        "  apiVersion: v1\n  kind: ConfigMap\n  data:\n    a: |\n      apiVersion: builder-contracts/v1\n",
        '{"apiVersion": "builder-contracts/v1", "kind": "Environment", "metadata": {"name": "x"}}',
        "",
    ],
)
def test_other_yaml_is_no_contract(folder: Path, text: str) -> None:
    Path("other.yaml").write_text(text)
    assert not is_contract(Path("other.yaml"))


def test_unreadable_file_counts_as_contract_and_fails_to_load(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("link.yaml").symlink_to("nowhere.yaml")
    Path("loop.yaml").symlink_to("loop.yaml")
    Path(".#lock.yaml").symlink_to("me@machine.1234")
    assert is_contract(Path("link.yaml"))
    assert is_contract(Path("loop.yaml"))
    assert not is_contract(Path(".#lock.yaml"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    Path("sample.yaml").write_text(HEAD)
    # Nothing is forbidden to root, which tests may run as.
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert is_contract(Path("sample.yaml"))
    with pytest.raises(InputError, match=r"^sample\.yaml: cannot read: Permission denied"):
        load(Path("sample.yaml"))


def test_pipes_and_folders_are_no_contracts_and_do_not_block(folder: Path) -> None:
    os.mkfifo("pipe.yaml")
    Path("folder.yaml").mkdir()
    for name in ("pipe.yaml", "folder.yaml", "nowhere.yaml"):
        assert not is_contract(Path(name))


@pytest.mark.parametrize(
    "body",
    [
        lambda count: "labels2: [" + ", ".join(f"x{n}" for n in range(count)) + "]\n",
        lambda count: "toolchain: {" + ", ".join(f"t{n}: maybe" for n in range(count)) + "}\n",
        lambda count: "network: {reach: [" + ", ".join(f"{n}, a" for n in range(count)) + "]}\n",
        lambda count: (
            "network: {deny: [" + ", ".join("{}" if n % 2 else f"a{n}" for n in range(count)) + "]}\n"
        ),
        lambda count: (
            "waivers: {"
            + ", ".join(f"a/{n}: {{reason: xxxxxxxxxx, until: 2099-01-01}}" for n in range(count))
            + "}\n"
        ),
        lambda count: "".join(f"unknown-{n}: 1\n" for n in range(count)),
        lambda count: "why: {image/reference: " + "x" * 300 * count + "}\n",
    ],
    ids=[
        "unknown field",
        "wrong words",
        "wrong items",
        "mixed items",
        "dangling ids",
        "unknown fields",
        "long text",
    ],
)
def test_refusal_of_a_hostile_file_grows_with_it_and_is_short(
    folder: Path, body: Callable[[int], str]
) -> None:
    # Before anything is counted: the first refusal of a process imports what refuses.
    assert len(refusal(HEAD + body(3000))) < 20_000
    # Where it grew with the square, twice the file would be four times the work.
    assert calls(lambda: refusal(HEAD + body(3000))) < 2.5 * calls(lambda: refusal(HEAD + body(1500)))


def test_a_large_valid_contract_loads(folder: Path) -> None:
    contract = loaded(HEAD + "toolchain:\n" + "".join(f"  tool-{n}: present\n" for n in range(5000)))
    assert len(contract.promised(Tool)) == 5000


def test_an_environment_is_held_to_its_schema(folder: Path) -> None:
    head = "apiVersion: builder-contracts/v1\nkind: Environment\n"
    head += "metadata: {name: here, summary: Only for tests}\n"
    written(
        {
            "good.yaml": head + "hosts:\n  a.example: {ports: [80]}\n",
            "bad.yaml": head + "hosts:\n  a: {port: 80}\n",
        }
    )
    assert load_environment(Path("good.yaml")).data["hosts"] == {"a.example": {"ports": [80]}}
    with pytest.raises(InputError, match=r"bad\.yaml:5: unknown field \"port\" in hosts\.a"):
        load_environment(Path("bad.yaml"))


OUR_TOOL = """
version = ["-V"]
pattern = '^ours r(\\S+)'
[work]
output = "42"
steps = [{arguments = ["6*7"]}]
"""


def test_tools_beside_the_contract_are_known(folder: Path) -> None:
    (folder / "tools").mkdir()
    (folder / "tools" / "ours.toml").write_text(OUR_TOOL)
    contract = loaded(HEAD + "toolchain:\n  ours: {version: '>=3'}\n  xz: present\n")
    ours, xz = contract.promised(Tool)
    assert (ours.version_command, ours.pattern) == (("-V",), r"^ours r(\S+)")
    assert ours.work == ToolWork((WorkStep(("6*7",)),), "42")
    assert xz.work == catalog()["xz"].work


def test_a_broken_tool_beside_the_contract_is_named(folder: Path) -> None:
    (folder / "tools").mkdir()
    (folder / "tools" / "ours.toml").write_text("speed = 1")
    with pytest.raises(InputError, match="unknown key 'speed'"):
        loaded(HEAD + "toolchain: {xz: present}\n")


def test_work_in_the_contract_takes_the_place_of_the_known_one(folder: Path) -> None:
    contract = loaded(
        HEAD
        + "toolchain: {xz: {work: {arguments: [-l, f], stdin: a, output: b}}, jq: {work: {arguments: [.]}}}\n"
    )
    xz, jq = contract.promised(Tool)
    assert xz.work == ToolWork((WorkStep(("-l", "f"), stdin="a"),), "b")
    assert jq.work == ToolWork((WorkStep((".",)),))
