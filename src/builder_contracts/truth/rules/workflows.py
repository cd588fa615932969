"""What jobs expect of the runners that they select."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.isolation import DockerDaemon
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.schema import nearest
from builder_contracts.errors import Source
from builder_contracts.truth.context import Context, excerpt
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.model import Job, Step, environment
from builder_contracts.truth.readers.shell import Command, commands
from builder_contracts.truth.speech import denies, names_any
from builder_contracts.truth.value import Unknown, Value, get, text

DAEMON = "docker-daemon"
_INSTALLERS = re.compile(r"^(apt|apt-get|dnf|yum|apk|microdnf|zypper|pacman|pip|pip3|npm)$")
_SWALLOWED = re.compile(r"\|\|\s*(?:echo|true|:|printf|exit 0)\b")
_PROBE = re.compile(r"\b(curl|wget|nc|ncat|getent|nslookup|dig|ping|grpcurl|attic|nix)\b")
_BAD_NEWS = re.compile(
    r"\b(echo|printf)\b.*\b(DEGRADED|UNHEALTHY|UNREACHABLE|FAIL(ED|URE)?|ERROR|DOWN|BROKEN)\b"
)
_LAZY = re.compile(r"yaml\.(?:safe_)?load_all\(")
_CONSUMED = re.compile(
    r"(?:list|tuple|any|all|sorted|next|len|sum)\(\s*yaml\.(?:safe_)?load_all\(|\bin\s+yaml\.(?:safe_)?load_all\("
)


def local_actions(context: Context) -> Iterator[Observation]:
    model = context.model
    elsewhere: dict[tuple[str, int], str] = {}
    places: list[tuple[Step, Job | None]] = [(step, job) for job in model.jobs for step in job.steps]
    places += [(step, None) for action in model.actions for step in action.steps]
    for owner in model.jobs:
        for step in owner.steps:
            checked_out = (text(step.uses) or "").startswith("actions/checkout@") or step.run is not None
            if checked_out and (
                {"repository", "path"} & step.arguments.keys() or "git clone" in (text(step.run) or "")
            ):
                elsewhere[(owner.at.file, owner.at.line)] = step.name
    for step, job in places:
        uses = text(step.uses)
        if step.uses is None or uses is None or not uses.startswith("./") or "${{" in uses:
            continue
        path = posixpath.normpath(uses)
        if any(model.exists(candidate) for candidate in (path, f"{path}/action.yml", f"{path}/action.yaml")):
            yield Agrees(step.uses.at)
        elif job is not None and (job.at.file, job.at.line) in elsewhere:
            yield Unseen(
                step.uses.at,
                f"{uses} may come from the checkout in step {elsewhere[(job.at.file, job.at.line)]!r}",
                decidable=False,
            )
        elif path.startswith("../"):
            yield Unseen(step.uses.at, f"{uses} is outside the checkout")
        else:
            actions = {action.path: action.at for action in model.actions}
            guess = next(
                (
                    action_path
                    for action_path in actions
                    if action_path.rpartition("/")[2] == path.rpartition("/")[2]
                ),
                None,
            )
            guess = guess or nearest(path, sorted(actions))
            expected = (
                Side(actions[guess], f"the action is at ./{guess}")
                if guess
                else Side(step.uses.at, f"{path} does not exist")
            )
            fix = f"use ./{guess}" if guess else "add the action, or fix the path"
            yield Contradicts(Side(step.uses.at, f"uses: {uses}"), expected, fix)


def labels(context: Context) -> Iterator[Observation]:
    facts = context.facts("workflows")
    hosted = facts.get("hosted", default=[])
    enrolment = context.facts("enrolment")
    prefixes = tuple(enrolment.get("label_prefixes", default=[]))
    extra = enrolment.get("extra_scale_sets", default={})
    deployed = {label for scale_set in context.model.scale_sets if (label := text(scale_set.label))}
    known_labels = [*context.labels, *extra, *deployed]
    for job in context.model.jobs:
        if job.forge != "github":
            continue
        if job.labels is None:
            if context.ours:
                yield Unseen(job.at, f"the label of job {job.name} is computed at run time")
            continue
        for value in job.labels:
            written = text(value) or ""
            if written in known_labels:
                yield Agrees(value.at)
            elif (
                prefixes
                and written.startswith(prefixes)
                and not any(fnmatch.fnmatch(written, pattern) for pattern in hosted)
            ):
                guess = nearest(written, known_labels)
                if guess is not None and guess in context.labels:
                    expected = Side(context.labels[guess].source, f"the class {context.labels[guess].name}")
                else:
                    expected = Side(
                        enrolment.at("label_prefixes"),
                        f"known labels: {', '.join(dict.fromkeys(known_labels))}",
                    )
                fix = f"use {guess}" if guess else f"known labels: {', '.join(dict.fromkeys(known_labels))}"
                yield Contradicts(Side(value.at, f"job {job.name} runs on {written!r}"), expected, fix)


@dataclass(frozen=True)
class Need:
    """Something that a step needs of its runner, and why."""

    what: str
    because: str
    at: Source


def steps_of(context: Context, steps: Sequence[Step], depth: int = 0) -> Iterator[Step]:
    """The steps with those of composite actions of this repository in their place."""
    repository = context.facts("identity").get("repository", default="/").rpartition("/")[2].lower()
    actions = {action.path: action for action in context.model.actions}
    for step in steps:
        yield step
        uses = (text(step.uses) or "").partition("@")[0]
        path = posixpath.normpath(uses) if uses.startswith("./") else None
        parts = uses.split("/", 2)
        if path is None and len(parts) == 3 and parts[1].lower() == repository:
            path = parts[2]
        action = actions.get(path) if path is not None else None
        if action is not None and depth < 5:
            yield from steps_of(context, action.steps, depth + 1)


def needs_of_job(context: Context, job: Job) -> Iterator[Need]:
    """What the steps of a job need and do not bring with them."""
    facts = context.facts("workflows")
    by_command: Mapping[str, str] = facts.get("commands", default={})
    by_action: Mapping[str, str] = facts.get("actions", default={})
    brings: Mapping[str, list[str]] = facts.get("brings", default={})
    in_container = job.forge == "gitlab" or job.container is not None
    brought: set[str] = set()
    for step in steps_of(context, job.steps):
        action = (text(step.uses) or "").partition("@")[0]
        if step.uses is not None and action in by_action:
            yield Need(by_action[action], f"uses: {action}", step.uses.at)
        brought.update(brings.get(action, ()))
        script = text(step.run)
        if script is None or step.run is None:
            continue
        for command in commands(script):
            if _INSTALLERS.match(command.words[0]):
                brought.update(command.words[1:])
                continue
            need = by_command.get(" ".join(command.words[:2])) or by_command.get(command.words[0])
            if need is None or command.words[0] in brought or need in brought:
                continue
            if in_container and need != DAEMON:
                continue
            yield Need(need, " ".join(command.words[:3]), line_of(step.run, command))


def line_of(run: Value, command: Command) -> Source:
    written = text(run) or ""
    # A block scalar's text begins on the line after its key.
    return Source(run.at.file, run.at.line + command.line + (1 if "\n" in written else 0))


def promise_of(contract: Contract, need: str) -> tuple[bool, Source]:
    """Whether a class promises a need, and the line that says so or the class itself."""
    for clause in contract.clauses:
        if need == DAEMON and isinstance(clause.promise, DockerDaemon):
            return clause.promise.reachable, clause.source
        if isinstance(clause.promise, Tool) and clause.promise.name == need:
            return clause.promise.present, clause.source
    return False, contract.source


def needs(context: Context) -> Iterator[Observation]:
    for job in context.model.jobs:
        contract = next(
            (builder for label in job.labels or () if (builder := _class(context, text(label) or ""))), None
        )
        if contract is None:
            continue
        seen: set[str] = set()
        for need in needs_of_job(context, job):
            if need.what in seen:
                continue
            seen.add(need.what)
            promised, at = promise_of(contract, need.what)
            if promised:
                yield Agrees(need.at)
                continue
            others = [contract.name for contract in context.classes if promise_of(contract, need.what)[0]]
            what = "a Docker daemon" if need.what == DAEMON else need.what
            actual = Side(need.at, f"job {job.name} on {contract.name}: {need.because}")
            expected = Side(at, f"{contract.name} does not promise {what}")
            fix = (
                f"run the job on {' or '.join(others)}"
                if others
                else f"install {what} in the job, or add it to a class"
            )
            yield Contradicts(actual, expected, fix)
        if not seen:
            yield Agrees(job.at)


def _class(context: Context, label: str) -> Contract | None:
    like = context.facts("enrolment").get("extra_scale_sets", label, "like")
    return context.labels.get(label) or next(
        (contract for contract in context.classes if contract.name == like), None
    )


def checks_fail(context: Context) -> Iterator[Observation]:
    endpoints = context.facts("endpoints")
    zones = [*endpoints.get("zones", default={}), *endpoints.get("settings", default={})]
    expected = Side(endpoints.at("endpoints"), "an endpoint check must be able to fail")
    runs = [step.run for job in context.model.jobs for step in job.steps if step.run is not None]
    runs += [step.run for action in context.model.actions for step in action.steps if step.run is not None]
    for run in runs:
        script = text(run) or ""
        block = 1 if "\n" in script else 0
        for number, line in enumerate(script.replace("\\\n", " \x00").split("\n")):
            at = Source(run.at.file, run.at.line + number + block + line.count("\0"))
            about = _PROBE.search(line) and any(zone in line for zone in zones)
            if about and _SWALLOWED.search(line):
                fix = "propagate the command's status: remove the part after ||, or end it with 'exit 1'"
                yield Contradicts(Side(at, excerpt(line)), expected, fix)
            elif about:
                yield Agrees(at)
            if _LAZY.search(line) and not _CONSUMED.search(line):
                parser = Side(at, "load_all() is lazy: it parses only when its result is consumed")
                yield Contradicts(
                    Side(at, excerpt(line)), parser, "consume the result: list(yaml.safe_load_all(…))"
                )
    for script_file in context.model.scripts:
        yield from _check_script(script_file.path, script_file.text) if context.ours else ()


def _check_script(path: str, script: str) -> Iterator[Observation]:
    """A script that prints bad news and then ends with success."""
    lines = script.split("\n")
    for number, line in enumerate(lines):
        if not _BAD_NEWS.search(line) or line.lstrip().startswith("#"):
            continue
        for later, following in enumerate(lines[number + 1 : number + 4], number + 1):
            word = following.strip()
            if word in ("exit 0", "return 0"):
                actual = Side(Source(path, later + 1), word)
                bad = Side(Source(path, number + 1), excerpt(line))
                yield Contradicts(actual, bad, "exit with a non-zero status on failure")
                break
            if re.match(r"(exit|return) [1-9]", word) or word in ("else", "fi", ";;", "}"):
                yield Agrees(Source(path, number + 1))
                break


def artifacts(context: Context) -> Iterator[Observation]:
    for job in context.model.jobs:
        if not job.artifacts:
            continue
        links: dict[str, Source] = {}
        for step in job.steps:
            script = text(step.run)
            if script is None or step.run is None:
                continue
            for command in commands(script):
                if command.words[:2] == ("nix", "build") or command.words[0] == "nix-build":
                    words = command.words
                    if "--no-link" in words or "--no-out-link" in words:
                        continue
                    named = [
                        words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--out-link", "-o")
                    ]
                    links[named[0] if named else "result"] = line_of(step.run, command)
        for path in job.artifacts:
            name = (text(path) or "").rstrip("/*").removeprefix("./")
            made = links.get(name)
            if made is not None:
                expected = Side(made, f"'nix build' makes {name} a symlink into /nix/store")
                fix = f"copy its target first (cp -rL {name} out/) and upload out/"
                yield Contradicts(Side(path.at, f"job {job.name} uploads {name}"), expected, fix)
            else:
                yield Agrees(path.at)


def not_root(context: Context) -> Iterator[Observation]:
    refusals = context.model.root_refusals
    for job in context.model.jobs:
        bazel = next((step for step in job.steps if any(command.words[0] in ("bazel", "bazelisk")
                      for command in commands(text(step.run) or ""))), None)  # fmt: skip
        if bazel is None:
            continue
        user = text(get(job.container, "options")) or ""
        root = (job.forge == "gitlab" or job.container is not None) and "--user" not in user
        if root and refusals:
            actual = Side(refusals[0], "this Python toolchain rejects root")
            at = job.container.at if job.container is not None else job.at
            expected = Side(
                at,
                f"job {job.name} runs as the image's user, which defaults to root",
            )
            yield Contradicts(
                actual, expected, "set ignore_root_user_error = True, or run the job as a different user"
            )
        else:
            yield Agrees(bazel.at)


def substituters(context: Context) -> Iterator[Observation]:
    injected: list[tuple[str, Value]] = []
    for scale_set in context.model.scale_sets:
        value = environment(scale_set.runner).get("NIX_CONFIG")
        if value is not None:
            injected.append((scale_set.name, value))
    for sentence in context.sentences:
        claims = names_any(sentence.text, ["substituter"]) and names_any(
            sentence.text, ["pre-configured", "preconfigured", "configured", "automatically", "already"]
        )
        if not claims or denies(sentence.text):
            continue
        actual = Side(sentence.at, excerpt(sentence.text))
        if not injected:
            yield Unseen(sentence.at, "no scale set in this checkout sets NIX_CONFIG")
        for name, value in injected:
            if isinstance(value, Unknown):
                yield Unseen(value.at, value.reason)
            elif "substituters" in (text(value) or ""):
                yield Agrees(value.at)
            else:
                expected = Side(value.at, f"{name} gets NIX_CONFIG={excerpt(text(value) or '')}")
                yield Contradicts(
                    actual,
                    expected,
                    "set substituters and trusted-public-keys there, or correct the documentation",
                )
                break
