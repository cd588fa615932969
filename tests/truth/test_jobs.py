"""Which labels a job can ask for, and what each of them gets: resolved as GitHub resolves them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.loading import load_all
from builder_contracts.errors import InputError
from builder_contracts.truth.finding import Finding
from builder_contracts.truth.model import Model
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.readers import workflows, yaml
from builder_contracts.truth.readers.expressions import possible_values
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.value import text
from tests.truth.conftest import Judge, broken

PATH = ".github/workflows/ci.yml"
ACTIONLINT = ".github/actionlint.yaml"


def job(runs_on: str, *steps: str, matrix: str = "{}") -> dict[str, str]:
    """A checkout with a workflow of one job."""
    lines = "".join(f"      - {step}\n" for step in steps or ("run: echo",))
    body = f"on: push\njobs:\n  build:\n    strategy: {{matrix: {matrix}}}\n    runs-on: {runs_on}\n"
    return {PATH: f"{body}    timeout-minutes: 9\n    steps:\n{lines}"}


def labels(runs_on: str, matrix: str = "{}", triggers: str = "push") -> list[list[str | None] | None]:
    """The choices of a job's labels, and None for those that are known only at run time."""
    model = Model()
    body = job(runs_on, matrix=matrix)[PATH].replace("on: push", f"on: {triggers}")
    for document in yaml.read(body, PATH):
        workflows.read_workflow(document, model)
    (read,) = model.jobs
    return [
        *([text(label) for label in choice.labels] for choice in read.choices),
        *([None] if read.computed else []),
    ]


@pytest.mark.parametrize(
    ("runs_on", "matrix", "expected"),
    [
        ("a", "{}", [["a"]]),
        ("[self-hosted, a]", "{}", [["self-hosted", "a"]]),
        ("${{ matrix.r }}", "{r: [a, b]}", [["a"], ["b"]]),
        ("${{ matrix.r }}", "{r: [a, [b, c]]}", [["a"], ["b", "c"]]),
        ("x-${{ matrix.r }}", "{r: [a, b]}", [["x-a"], ["x-b"]]),
        ("[self-hosted, '${{ matrix.r }}']", "{r: [a, b]}", [["self-hosted", "a"], ["self-hosted", "b"]]),
        ("${{matrix.r}}-${{ matrix.s }}", "{r: [a, b], s: [x, y]}", [["a-x"], ["a-y"], ["b-x"], ["b-y"]]),
        ("${{ matrix.r }}", "{r: [a, b], exclude: [{r: b}], include: [{r: c, os: x}, {os: y}]}", [["a"], ["c"]]),
        # What excludes some jobs of a label leaves others.
        ("${{ matrix.r }}", "{r: [a, b], os: [x, y], exclude: [{r: b, os: x}]}", [["a"], ["a"], ["b"]]),
        ("${{ matrix.r.name }}", "{r: [{name: a}, {name: b}]}", [["a"], ["b"]]),
        ("${{ matrix.os == 'x' && 'a' || 'b' }}", "{os: [x, y]}", [["a"], ["b"]]),
        ("${{ matrix.big && 'a' || 'b' }}", "{os: [x], include: [{os: x, big: true}]}", [["a"]]),
        ("${{ matrix.big && 'a' || 'b' }}", "{os: [x], include: [{os: y, big: true}]}", [["b"], ["a"]]),
        ("${{ matrix.r }}", "'${{ fromJSON(inputs.m) }}'", [None]),
        ("${{ matrix.r }}", "{r: '${{ fromJSON(inputs.m) }}'}", [None]),
    ],
)  # fmt: skip
def test_runs_on_has_a_choice_for_each_matrix_value(
    runs_on: str, matrix: str, expected: list[list[str | None] | None]
) -> None:
    assert labels(runs_on, matrix) == expected


INPUTS = "{workflow_call: {inputs: {r: {default: a}, s: {type: string}, t: {type: choice, options: [a, b]}}}}"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("inputs.r", [["a"], None]),
        ("inputs.s", [None]),
        ("inputs.t", [["a"], ["b"]]),
        ("inputs.s || 'b'", [["b"], None]),
        ("github.ref == 'refs/heads/main' && 'a' || 'b'", [["b"], ["a"]]),
        ("vars.LARGE && 'a' || 'b'", [["b"], ["a"]]),
        ("!vars.LARGE && 'a' || 'b'", [["a"], ["b"]]),
        ("(contains(github.ref, 'x') || true) && 'a' || 'b'", [["a"]]),
        ("'A' == 'a' && 'same' || 'different'", [["same"]]),
        ("'it''s' != 'it' && 'a' || 'b'", [["a"]]),
        ('fromJSON(\'["self-hosted", "a"]\')', [["self-hosted", "a"]]),
        ("fromJSON(vars.X)", [None]),
        ("fromJSON('[')", [None]),
        ("fromJSON('{\"a\": 1}')", [None]),
        ("fromJSON('[[1]]')", [None]),
        ("(" * 5000 + "'a'" + ")" * 5000, [None]),
        ("fromJSON('" + "[" * 5000 + "')", [None]),
        ("format('{0}-{1}', 'a', 1)", [["a-1"]]),
        ("format('{0}', vars.X)", [None]),
        ("needs.plan.outputs.runner", [None]),
        ("false || 'a'", [["a"]]),
        ("1 < 2 && 'a' || 'b'", [["a"], ["b"]]),
        ("", [None]),
        ("'a' 'b'", [None]),
        ("('a'", [None]),
        ("'a' ||", [None]),
        ("a[0]", [None]),
        ("#", [None]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_expression_of_runs_on_has_its_possible_values(
    expression: str, expected: list[list[str | None] | None]
) -> None:
    quoted = "${{ " + expression.replace("'", "''") + " }}"
    assert sorted(labels(f"'{quoted}'", triggers=INPUTS), key=repr) == sorted(expected, key=repr)


@given(st.lists(st.sampled_from(["'a'", "matrix.r", "&&", "||", "!", "(", ")", "==", ",", "fromJSON(", "format(", "1", "x.y",
                                 "'['", "'{9}'", "[", "]", "null", "'{\"a\": {}}'"]), max_size=12).map(" ".join))  # fmt: skip
def test_no_expression_makes_the_reader_fail(expression: str) -> None:
    assert possible_values(expression, {"matrix.r": ["a", ["b"]]})


def findings(judge: Judge, tree: dict[str, str]) -> list[Finding]:
    return [finding for finding in judge(tree).findings if finding.clause.startswith("platform/workflows/")]


@pytest.mark.parametrize("label", ["tinyland-nix", "Tinyland-NIX", "[TINYLAND-NIX]"])
def test_label_of_a_class_is_compared_without_case(judged: Judge, label: str) -> None:
    assert broken(judged(job(label))) == set()
    (finding,) = findings(judged, job(label, "run: docker build ."))
    assert finding.clause == "platform/workflows/needs"
    assert "tinyland-nix does not promise a Docker daemon" in finding.expected.says


@pytest.mark.parametrize(
    ("steps", "fix"),
    [
        (["run: docker build ."], "run the job on tinyland-dind"),
        (
            ["run: docker build .", "run: nix build"],
            "split the job, with this part on tinyland-dind: no class promises all that it needs",
        ),
    ],
    ids=["one class has all", "no class has both"],
)
def test_the_proposed_class_has_all_that_the_job_needs(judged: Judge, steps: list[str], fix: str) -> None:
    assert [finding.fix for finding in findings(judged, job("tinyland-nix", *steps))] == [fix]


@pytest.mark.parametrize("label", ["tinyland-nxi", "Tinyland-Nxi"])
def test_unknown_label_is_found_without_case(judged: Judge, label: str) -> None:
    (finding,) = findings(judged, job(label))
    assert (finding.clause, finding.fix) == ("platform/workflows/labels", "use tinyland-nix")


@pytest.mark.parametrize(
    ("runs_on", "fix"),
    [
        ("[self-hosted, linux, x64, tinyland-docker]", "use runs-on: tinyland-docker"),
        ("[tinyland-docker, tinyland-nix]", "use runs-on: tinyland-docker or use runs-on: tinyland-nix"),
        ("{group: default, labels: [linux, tinyland-docker]}", "use runs-on: tinyland-docker"),
        ("[self-hosted, linux-xr-docker]", "use runs-on: linux-xr-docker"),
    ],
)
def test_scale_set_label_in_a_longer_list_is_broken(judged: Judge, runs_on: str, fix: str) -> None:
    (finding,) = findings(judged, job(runs_on))
    assert finding.clause == "platform/workflows/labels"
    assert "no runner has all of these" in finding.expected.says
    assert finding.fix == fix


@pytest.mark.parametrize(
    "runs_on",
    ["[tinyland-docker]", "{group: default, labels: [tinyland-docker]}", "[self-hosted, linux, gpu]",
     "[tinyland-docker, Tinyland-Docker]"],
)  # fmt: skip
def test_single_scale_set_label_is_kept(judged: Judge, runs_on: str) -> None:
    assert findings(judged, job(runs_on)) == []


def test_labels_of_actionlint_are_known(judged: Judge) -> None:
    tree = job("${{ matrix.r }}", matrix="{r: [tinyland-kvm, tinyland-gpu-large]}")
    assert len(findings(judged, tree)) == 2
    tree[ACTIONLINT] = "self-hosted-runner:\n  labels: [Tinyland-KVM, tinyland-gpu-*]\n"
    assert findings(judged, tree) == []


@pytest.mark.parametrize(
    "body", ["", "[]", "self-hosted-runner: {labels: {a: b}}", "self-hosted-runner: {labels: [[x]]}"]
)
def test_odd_actionlint_file_declares_no_labels(judged: Judge, body: str) -> None:
    assert len(findings(judged, {**job("tinyland-kvm"), ACTIONLINT: body})) == 1


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("result*", "result-client"),
        ("./result-client", "result-client"),
        ("result-client/**", "result-client"),
        ("result-?lient/", "result-client"),
        ("*", "result-client"),
        ("result", None),
        ("out/result*", None),
    ],
)
def test_artifact_glob_matches_links_of_nix_build(judged: Judge, path: str, link: str | None) -> None:
    pipeline = f"build:\n  script: [nix build .#client --out-link result-client]\n  artifacts: {{paths: ['{path}']}}\n"
    names = [finding.expected.says.split()[3] for finding in findings(judged, {".gitlab-ci.yml": pipeline})]
    assert names == ([link] if link else [])


@pytest.mark.parametrize("matrix", ["[tinyland-dind, tinyland-nix]", "[tinyland-nix, tinyland-dind]"])
def test_every_label_of_a_matrix_is_judged(judged: Judge, matrix: str) -> None:
    (finding,) = findings(judged, job("${{ matrix.r }}", "run: docker build .", matrix=f"{{r: {matrix}}}"))
    assert "on tinyland-nix: docker build ." in finding.actual.says


@pytest.mark.parametrize(
    ("condition", "breaks"),
    [
        ("matrix.r == 'ubuntu-latest'", False),
        ("${{ matrix.r == 'Ubuntu-Latest' && always() }}", False),
        ("matrix.r != 'tinyland-nix'", False),
        ("matrix.r == 'tinyland-nix'", True),
        ("matrix.r == 'ubuntu-latest' || always()", True),
        ("github.ref == 'refs/heads/main'", True),
        ("matrix.other == 'x'", True),
    ],
)
def test_step_counts_where_its_condition_can_hold(judged: Judge, condition: str, breaks: bool) -> None:
    step = f'{{run: docker build ., if: "{condition}"}}'
    tree = job("${{ matrix.r }}", step, matrix="{r: [ubuntu-latest, tinyland-nix]}")
    assert len(findings(judged, tree)) == int(breaks)


def gpu_class(name: str, own: str) -> str:
    return (
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        f"metadata: {{name: {name}, summary: A class of runners, owner: me}}\nlabels: [self-hosted, linux, {own}]\n"
        "image: {reference: runner}\ntoolchain: {git: present}\n"
    )


@pytest.mark.parametrize(
    ("runs_on", "expected"),
    [
        ("gpu", ["gpu"]),
        ("[self-hosted, GPU]", ["gpu"]),
        ("[self-hosted, x64, gpu]", ["gpu"]),
        ("self-hosted", ["gpu", "big"]),
        ("[self-hosted, linux]", ["gpu", "big"]),
        ("[gpu, big]", []),
        ("[self-hosted, windows, gpu]", []),
        ("ubuntu-latest", []),
    ],
)
def test_label_sets_select_the_classes_that_carry_them_all(
    tmp_path: Path, runs_on: str, expected: list[str]
) -> None:
    for name in ("gpu", "big"):
        (tmp_path / f"{name}.yaml").write_text(gpu_class(name, name))
    classes = load_all(sorted(tmp_path.glob("*.yaml"), reverse=True))
    context = RuleContext(Platform({}, (), "", (), (), "", tmp_path), Model(), tuple(classes))
    (choice,) = labels(runs_on)
    assert choice is not None
    assert sorted(found.name for found in context.builders_of(map(str, choice))) == sorted(expected)


def test_two_classes_share_no_label_of_their_own(tmp_path: Path) -> None:
    for name in ("gpu", "big"):
        (tmp_path / f"{name}.yaml").write_text(gpu_class(name, "gpu"))
    with pytest.raises(InputError, match="label gpu already selects class"):
        load_all(sorted(tmp_path.glob("*.yaml")))


def test_label_that_nobody_serves_is_listed(judged: Judge) -> None:
    report = judged(job("my-own-runner"))
    (entry,) = [entry for entry in report.unjudged if entry.clause == "platform/workflows/labels"]
    assert "no class has label my-own-runner of job build" in entry.reason
    assert entry.at.line == 5


@pytest.mark.parametrize(
    ("runs_on", "is_broken"), [("[big, gpu]", False), ("gpu", False), ("[big, x]", True)]
)
def test_scale_set_has_the_labels_that_its_values_add(judged: Judge, runs_on: str, is_broken: bool) -> None:
    values = "githubConfigUrl: https://github.com/o\nrunnerScaleSetName: big\nscaleSetLabels: [gpu]\n"
    report = judged({**job(runs_on), "runners/values.yaml": values})
    assert ("workflows/labels" in broken(report)) is is_broken
