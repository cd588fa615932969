"""The parts of script/mutants: which changes are tried, on which tests, and what becomes of them."""

from __future__ import annotations

import functools
import re
import sys
import types
from pathlib import Path

import pytest

from tests.mutants import __main__ as program
from tests.mutants.mutation import Mutant, mutants
from tests.mutants.tables import Acceptance, Suite, TableError, acceptances, selected, suites
from tests.mutants.trial import Ending, Loaded, Trial, covering

SOURCE = """\
LIMIT = 5

class Judge:
    limit: int = 3

    @staticmethod
    def judge(value: int, most: int = LIMIT) -> str:
        if value > most or not value:
            return "too much"
        return "kept" if value else "broken"


def unused(text: str) -> bool:
    return not text
"""

MUTANT = Mutant("judge/a.py", "judge", 3, 4, 2, "a < b", "a <= b", 0, "")


def changes(source: str) -> list[tuple[str, str]]:
    return [(mutant.before, mutant.after) for mutant in mutants("a.py", source)]


def test_a_mutant_has_a_single_change_in_a_body() -> None:
    assert changes(SOURCE) == [
        ("if value > most or not value:", "if value > most and not value:"),
        ("if value > most or not value:", "if value >= most or not value:"),
        ("if value > most or not value:", "if value > most or value:"),
        ('return "kept" if value else "broken"', 'return "kept" if (value) and False else "broken"'),
        ('return "kept" if value else "broken"', 'return "kept" if (value) or True else "broken"'),
        ('return "kept" if value else "broken"', 'return "XXkeptXX" if value else "broken"'),
        ('return "kept" if value else "broken"', 'return "kept" if value else "XXbrokenXX"'),
        ("return not text", "return text"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("if a: f()", "if not a: f()"),
        ("return f(a, key=b)", "return f(a, )"),
        ("return (a in b)", "return (a not in b)"),
        ("return [a for a in b if f(a)]", "return [a for a in b if not f(a)]"),
    ],
)
def test_every_kind_of_condition_has_a_mutant(line: str, expected: str) -> None:
    assert expected in [after for _, after in changes(f"def f(a, b):\n    {line}\n")]


def test_a_case_of_a_match_is_removed() -> None:
    source = "def f(a):\n    match a:\n        case 1:\n            g()\n        case _:\n            h()\n"
    assert ("case 1: g()", "") in changes(source)


def test_every_mutant_compiles_and_has_its_own_name() -> None:
    source = (program.SOURCE / "judge" / "privileges.py").read_text("utf-8")
    made = list(mutants("judge/privileges.py", source))
    for mutant in made:
        compile(mutant.source, mutant.module, "exec")
        assert mutant.source != source
    assert len({mutant.identity for mutant in made}) == len(made)
    assert {mutant.function for mutant in made} >= {"judge", "_only", "_sudo", "explain"}


def test_tests_of_the_line_or_its_statement_are_asked() -> None:
    contexts = {1: ["other"], 2: ["head"], 3: ["", "first"], 4: ["last"], 5: ["other"]}
    assert covering(contexts, MUTANT) == {"head", "first", "last"}
    assert covering({1: ["other"], 3: [""]}, MUTANT) == set()


def loaded(tmp_path: Path, source: str) -> types.ModuleType:
    module = types.ModuleType("sample")
    exec(compile(source, str(tmp_path / "sample.py"), "exec"), vars(module))  # noqa: S102 - the sample above
    return module


def test_a_change_reaches_functions_under_any_name(tmp_path: Path) -> None:
    sample = loaded(tmp_path, SOURCE)
    judge = sample.Judge.judge
    mutant = next(mutant for mutant in mutants("sample.py", SOURCE) if "and not" in mutant.after)
    assert judge(9) == "too much"
    assert Loaded(str(tmp_path)).put_in(mutant)
    assert judge(9) == "kept"


def test_a_change_reaches_results_that_are_remembered(tmp_path: Path) -> None:
    sample = loaded(tmp_path, SOURCE)
    remembered = functools.cache(sample.unused)
    assert remembered("")
    mutant = next(mutant for mutant in mutants("sample.py", SOURCE) if mutant.function == "unused")
    assert Loaded(str(tmp_path)).put_in(mutant)
    assert not remembered("")


def test_a_change_of_what_is_not_loaded_changes_nothing(tmp_path: Path) -> None:
    assert not Loaded(str(tmp_path)).put_in(next(mutants("sample.py", SOURCE)))


SAMPLE = """\
def least(a: int, b: int) -> int:
    if a < b:
        return a
    return b


def never(a: int) -> bool:
    return not a
"""
LOOP = """\
def last(a: int) -> int:
    while a > 0:
        a -= 1
    return a
"""
TESTS = """\
import sample_of_mutants as sample


def test_least():
    assert sample.least(1, 2) == 1
    assert sample.least(2, 1) == 1
"""
TESTS_OF_LOOP = """\
import sample_of_mutants as sample


def test_last():
    assert sample.last(3) == 0
"""


def tried(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tests: str,
    *,
    sample: str = SAMPLE,
    seconds: float = 60,
) -> tuple[Trial, list[str]]:
    """What became of the mutants. Where one must not count as noticed, a busy machine takes less than the limit."""
    source = pytester.mkdir("source")
    (source / "sample_of_mutants.py").write_text(sample, "utf-8")
    monkeypatch.syspath_prepend(source)
    pytester.makepyfile(test_sample=tests)
    endings: list[str] = []

    def report(mutant: Mutant, ending: Ending) -> None:
        endings.append(f"{mutant.after}: {ending.name}")

    trial = Trial(source, lambda: mutants("sample_of_mutants.py", sample), report, jobs=2, seconds=seconds)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[trial])
    sys.modules.pop("sample_of_mutants", None)
    return trial, endings


def test_mutants_are_noticed_or_survive(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    trial, endings = tried(pytester, monkeypatch, TESTS)
    assert trial.failed == []
    assert sorted(endings) == ["if a <= b:: SURVIVED", "return a: UNCOVERED"]


def test_a_mutant_that_does_not_end_is_noticed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, endings = tried(pytester, monkeypatch, TESTS_OF_LOOP, sample=LOOP, seconds=0.2)
    assert trial.failed == []
    assert sorted(endings) == [
        "a += 1: NOTICED",
        "a -= 2: NOTICED",
        "a = 1: NOTICED",
        "while a > 1:: NOTICED",
        "while a >= 0:: NOTICED",
    ]


def test_tests_that_fail_without_a_mutant_try_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, endings = tried(pytester, monkeypatch, TESTS + "    assert sample.least(2, 1) == 2\n")
    assert trial.failed == ["test_sample.py::test_least"]
    assert endings == []


def test_tests_that_pass_only_once_try_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = TESTS + "    assert not hasattr(sample, 'once')\n    sample.once = 1\n"
    trial, endings = tried(pytester, monkeypatch, once)
    assert trial.failed == ["the tests fail in a fork without a change"]
    assert endings == []


@pytest.mark.parametrize(
    ("acceptance", "accepts"),
    [
        (Acceptance("r", function="judge"), True),
        (Acceptance("r", module="judge/*", before="a < b", after="a <= b"), True),
        (Acceptance("r", change=r"a\s*<"), True),
        (Acceptance("r", module="facts/*", before="a < b"), False),
        (Acceptance("r", function="explain"), False),
        (Acceptance("r", before="a < b", after="a > b"), False),
        (Acceptance("r", change="^b"), False),
    ],
)
def test_all_fields_of_an_acceptance_must_match(acceptance: Acceptance, accepts: bool) -> None:
    assert acceptance.accepts(MUTANT) is accepts


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[accepted]]\nmodule = "a"', "[[accepted]] number 1 lacks 'reason'"),
        ('[[accepted]]\nreason = "r"\nmodule = "a"', "'r' accepts whole modules"),
        ('[[accepted]]\nreason = ""\nfunction = "f"', "'reason' is no str"),
        ('[[accepted]]\nreason = "r"\nline = "f"', "an unknown field 'line'"),
        ('[[accepted]]\nreason = "r"\nchange = "("', "'(' is no pattern"),
        ("[[acepted]]", "unknown table 'acepted'"),
        ("x", "Expected '='"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (file := tmp_path / "accepted.toml").write_text(text, "utf-8")
    with pytest.raises(TableError, match=re.escape(problem)):
        acceptances(file)


def test_every_suite_names_modules_and_tests_that_exist() -> None:
    rows = suites(program.TABLES / "tests.toml")
    for suite in rows:
        assert all(list(program.SOURCE.glob(pattern)) for pattern in suite.modules), suite
        assert all((program.ROOT / path).exists() for path in suite.tests), suite
    modules = [module for suite in rows for module in selected([], suite, program.SOURCE)]
    assert len({*modules}) == len(modules), "a module is in two suites"


def test_every_acceptance_names_a_module() -> None:
    for acceptance in acceptances(program.TABLES / "accepted.toml"):
        assert list(program.SOURCE.glob(acceptance.module)), acceptance


def test_a_path_selects_modules_below_it() -> None:
    suite = Suite("judge", ("judge/*.py",), ())
    assert selected([str(program.SOURCE / "judge" / "nix.py")], suite, program.SOURCE) == ["judge/nix.py"]
    assert len(selected([str(program.SOURCE)], suite, program.SOURCE)) > 20
    assert selected([str(program.SOURCE / "facts")], suite, program.SOURCE) == []


def test_a_path_without_a_suite_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["nowhere.py"]) == 3
    assert "nowhere.py: no module there has tests in tests/mutants/tests.toml" in capsys.readouterr().err
