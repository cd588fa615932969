"""Judge promises about programs on the job's PATH."""

from __future__ import annotations

import re

from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts import model
from builder_contracts.facts.model import NOT_ASKED, Facts, Seen, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.interruption import doubt
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.tools.versions import ToolVersion, version_in, without_escapes
from builder_contracts.tools.work import NONCE, WorkStep
from builder_contracts.verdict import Assessment, Outcome, broken, kept, unproven


def judge(promise: Tool, facts: Facts) -> Assessment:
    inspect = f'.tools["{promise.name}"]'
    tool = facts.tools.get(promise.name, NOT_ASKED)
    if isinstance(tool, Unseen):
        return unproven_because(tool, inspect)
    if not promise.present:
        if not tool.path:
            return kept(f"not found on {_path(facts)}", inspect=inspect)
        return broken(tool.path, "a package pulled it in; remove it from the image", inspect=inspect)
    if not tool.path:
        return broken(f"not found on {_path(facts)}", _absent(promise), inspect=inspect)
    control = facts.control if isinstance(facts.control, Unseen) else facts.control.slowest
    problems = (
        _version(promise, tool, control, inspect),
        _work(promise, tool, control, inspect),
        _features(promise, tool, control, inspect),
    )
    # What is broken goes before what could not be seen: a tool that hangs says nothing more.
    problems_by_weight = sorted(
        filter(None, problems), key=lambda problem: problem.outcome is not Outcome.BROKEN
    )
    if problems_by_weight:
        return problems_by_weight[0]
    second = not isinstance(facts.control, Unseen) and promise.name in facts.control.recovered
    return _present(promise, tool, inspect, "; at the second try" if second else "")


def _path(facts: Facts) -> str:
    return "the job's PATH" if isinstance(facts.path, Unseen) else facts.path or "an empty PATH"


def _absent(promise: Tool) -> str:
    package = promise.package or promise.name
    return f"the image lacks package {package}, or its directory is not on PATH"


def _version(promise: Tool, tool: model.ToolFacts, control: Seen[float], inspect: str) -> Assessment | None:
    """The problem with the version, or None."""
    if promise.version is None:
        return None
    if isinstance(tool.status, Unseen):
        return unproven_because(tool.status, inspect)
    if isinstance(tool.output, Unseen):
        return unproven_because(tool.output, inspect)
    command = " ".join((promise.name, *promise.version_command))
    if doubtful := doubt(f"'{command}'", tool.status, control, inspect):
        return doubtful
    if tool.status != 0:
        return broken(
            f"{tool.path} {_ended(tool.status)}: {_first_line(tool.output)}",
            f"'{command}' fails to run; {likely_cause(tool.status, tool.output)}",
            inspect=inspect,
        )
    version = version_in(tool.output, promise.name, promise.pattern, promise.order)
    if version is None and re.search("[0-9]", tool.output):
        return unproven(
            f"no line of '{command}' says that its number is the version of {promise.name}: "
            f"{_first_line(tool.output)}",
            inspect=inspect,
        )
    if version is None:
        return broken(
            f"no version in the output of {tool.path}: {_first_line(tool.output)}",
            f"'{command}' does not print a version; set version_command in the contract",
            inspect=inspect,
        )
    if not promise.version.holds(version.release):
        return broken(
            f"{tool.path} is version {version.text}{_line(version)}",
            f"the installed release does not satisfy {promise.version.text}; "
            f"pin or upgrade package {promise.package or promise.name}",
            inspect=inspect,
        )
    return None


def _line(version: ToolVersion) -> str:
    return "" if version.line == version.text else f" ({version.line[:200]})"


def _work(promise: Tool, tool: model.ToolFacts, control: Seen[float], inspect: str) -> Assessment | None:
    """The problem with the piece of work, or None."""
    if promise.work is None:
        return None
    work, where = tool.work, f"{inspect}.work"
    if isinstance(work, Unseen):
        return unproven_because(work, where)
    if not 1 <= work.step <= len(promise.work.steps):
        return unproven(f"the observation has step {work.step} of other work", inspect=where)
    command = _command(promise, promise.work.steps[work.step - 1])
    text = work.errors or work.output
    if doubtful := doubt(f"'{command}'", work.status, control, where):
        return doubtful
    if work.status != 0:
        return broken(
            f"{tool.path} does not do its work: '{command}' {_ended(work.status)}: {_first_line(text)}",
            likely_cause(work.status, text),
            inspect=where,
        )
    if work.step != len(promise.work.steps):
        return unproven(f"its work ended early, after '{command}'", inspect=where)
    expected = promise.work.output
    # Not every blank: a file that git clones with other line breaks is not the one that was committed.
    printed = without_escapes(work.output).strip("\n")
    if expected is not None and printed != expected.strip("\n"):
        new = ", whose {nonce} is a number that is new in each run" if NONCE in expected else ""
        return broken(
            f"{tool.path} does not do its work: '{command}' printed {printed[:200]!r}, not {expected!r}{new}",
            "a startup file, a variable or its configuration makes it print more"
            if expected.strip() in printed
            else "another program of this name comes first on PATH, or the tool is damaged",
            inspect=where,
        )
    return None


def _command(promise: Tool, step: WorkStep) -> str:
    return " ".join((step.program or promise.name, *step.arguments))[:200]


def _ended(status: int) -> str:
    return "did not end in time" if status == model.HUNG else f"exited with status {status}"


_CAUSES = (
    (r"loading shared librar|cannot open shared object|lib\S+\.so\S*: cannot open|symbol not found|version `\S+' not found",
     "it lacks a library; install the package that provides it, or the tool from its own package"),
    (r"exec format error|cannot execute binary file", "it is built for another architecture than the runner's"),
    (r"bad interpreter|env: \S+: no such file|required file not found", "its interpreter is missing from the image"),
    (r"out of memory|cannot allocate memory|memory exhausted", "the memory limit of the runner is too small for it"),
    (r"no space left on device|disk quota exceeded", "the disk of the runner is full"),
    (r"read-only file system", "it writes where the job's file system is read-only"),
    (r"\b(bad|invalid|unknown|malformed)\b.*\bconfig|config\w*\b.*\b(error|invalid|malformed|bad|parse)|\.\w*(rc|conf|cfg|toml|json)\b.*\b(error|line \d)",
     "a configuration file that it reads is broken; correct or remove the file"),
    (r"no such file or directory.*\.h\b|\.h: no such file", "header files are missing; install the development package of the C library"),
    (r"cannot connect to \w*socket", "the daemon that it works with does not run, or a variable such as NIX_REMOTE names one"),
    (r"operation not permitted", "it needs a privilege that the job does not have, such as file capabilities; remove them (setcap -r)"),
)  # fmt: skip
_STATUS_CAUSES = {
    model.HUNG: "it hangs: it waits for input, a lock or the network",
    126: "it is not executable for the job's user, or its file system is mounted noexec",
    127: "its interpreter, its loader or a program that it calls is missing from the image",
    132: "it is built for a newer processor than the runner's (illegal instruction)",
    134: "it aborts; its package is damaged, or does not match its libraries",
    137: "it was killed, most likely by the memory limit of the runner",
    139: "it crashes (segmentation fault); its package is damaged, or does not match its libraries",
}


def likely_cause(status: int, output: str) -> str:
    """Why a command failed, by what it printed and how it ended."""
    for pattern, cause in _CAUSES:
        if re.search(pattern, output, re.IGNORECASE):
            return cause
    return _STATUS_CAUSES.get(status, "its own message names the cause; run it in the image to see all of it")


def _features(promise: Tool, tool: model.ToolFacts, control: Seen[float], inspect: str) -> Assessment | None:
    """The problem with the features, or None."""
    for name, arguments in promise.features:
        feature = tool.features.get(name, NOT_ASKED)
        where = f'{inspect}.features["{name}"]'
        if isinstance(feature, Unseen):
            return unproven_because(feature, where)
        if doubtful := doubt(name, feature.status, control, where):
            return doubtful
        if feature.status != 0:
            return broken(
                f"{name}: status {feature.status}: {_first_line(feature.output)}",
                f"the feature is disabled or not compiled in; try {' '.join((promise.name, *arguments))}"
                if feature.status not in _STATUS_CAUSES
                else likely_cause(feature.status, feature.output),
                inspect=where,
            )
    return None


def _present(promise: Tool, tool: model.ToolFacts, inspect: str, note: str) -> Assessment:
    version = None
    if promise.version and isinstance(tool.output, str):
        version = version_in(tool.output, promise.name, promise.pattern, promise.order)
    features = ", ".join(name for name, _ in promise.features)
    parts = [tool.path, version.text if version else "", f"with {features}" if features else ""]
    if version:
        parts.append(_line(version).strip())
    seen = " ".join(filter(None, parts))
    if promise.work is not None:
        return kept(f"{seen}; it does its work{note}", inspect=inspect)
    if promise.features:
        return kept(f"{seen}{note}", inspect=inspect)
    # Nothing is known that would show that it works.
    shown = "version only" if version else "not run"
    return kept(f"{seen} ({shown}){note}", inspect=inspect, checked=1, total=2)


def _first_line(text: str) -> str:
    lines = without_escapes(text).strip().splitlines()
    return lines[0][:200] if lines else "no output"


def explain(promise: Tool) -> Explanation:
    if not promise.present:
        return Explanation(
            how="No directory on the job's PATH (not a login shell's) may contain an executable of this name. "
            "The PATH is the evidence.",
            unproven=RUNNER_LOST + ".",
            why="An unpromised tool invites jobs to rely on it, or gives them more than the class should.",
            breaks="A package that pulls it in as a dependency.",
            fix=f"Remove {promise.name} from the image.",
        )
    asked = release = ""
    if promise.version:
        release = f" at version {promise.version.text}"
        command = " ".join((promise.name, *promise.version_command))
        asked += (
            f" '{command}' must run, and the version that it states must satisfy {promise.version.text}; "
            "pre-releases come before their release."
        )
    for name, arguments in promise.features:
        command = " ".join((promise.name, *arguments))
        asked += f" Feature {name} is exercised: '{command}' must exit with 0."
    if promise.work is None:
        asked += " Nothing more is known of its work, so the verdict says 'version only' or 'not run'."
    else:
        steps = ", then ".join(f"'{_command(promise, step)}'" for step in promise.work.steps)
        asked += f" It must do a piece of work in a scratch folder: {steps}."
    return Explanation(
        how=f"The job's PATH (not a login shell's) must contain an executable of this name.{asked}",
        unproven=f"{RUNNER_LOST}; or its time was up, or it was killed, twice, and a control command in the same runner "
        "was late too; or no line explains its number; or the job can write to no folder.",
        why="Without the tool, or with another release, a job fails midway.",
        breaks="The base image or package list dropped it, ENV PATH lost its directory, or its release left the range.",
        fix=f"Install the package {promise.package or promise.name}{release} in a directory on PATH.",
    )
