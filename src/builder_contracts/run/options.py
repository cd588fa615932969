"""The table of options, from which click, pytest, shell completion and docs/reference/cli.md are made.

``parse`` converts the values of a command line into ``RunOptions``. It reads no files: ``inputs`` reads, for example,
the environment file.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from builder_contracts.contract import schemas
from builder_contracts.contract.platforms import normalize
from builder_contracts.contract.variables import NAME
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.reporting.registry import FORMATS
from builder_contracts.verdict import Rung

CHECK, PYTEST, FACTS, DIFF, DOCTOR = "check", "pytest", "facts", "diff", "doctor"
EXPLAIN, SELECT, VALIDATE, TRUTH, WORKFLOWS = "explain", "select", "validate", "truth", "workflows"
DASHBOARD, INIT, TEETH, VERIFY, MCP, LOCK = "dashboard", "init", "teeth", "verify", "mcp", "lock"

RUNNERS = ("docker", "local", "kubernetes")
SSH_URL = r"ssh://(\w[\w.-]*@)?(\w[\w.-]*|\[[0-9a-fA-F:.]+\])(:\d{1,5})?"
"""A host as ssh itself takes it; no word of it can be an option."""
WRITABLE = ("nix", "bazel-grpc", "bazel-http", "registry", "objects", "state")
"""The roles of environments that can be written to at all."""


def usage_error(message: str, fix: str) -> InputError:
    """Words of the command line that cannot be used."""
    return InputError([Problem(Location("command line"), message, fix)])


def seconds(text: object) -> float:
    """A time limit. Raises ValueError for anything that is not a time to wait."""
    try:
        number = float(str(text))
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{str(text)!r} is not a positive number of seconds")
    return number


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def time_span(text: object) -> timedelta:
    """``26h`` and the like. Raises ValueError for anything else, and for no time at all."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", str(text))
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is not an age such as 90m, 26h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def minimum_rung(text: object) -> tuple[str, Rung]:
    """The glob and the rung of [GLOB=]RUNG; the glob is empty if it is left out. Raises ValueError for any other form."""
    glob, _, rung = str(text).rpartition("=")
    try:
        return glob, Rung(rung)
    except ValueError:
        raise ValueError(f"{text!r}: use RUNG or GLOB=RUNG, for example C1 or caches/*=C2") from None


def class_image(text: object) -> tuple[str, str]:
    """The class and the image of CLASS=REF. Raises ValueError for any other form."""
    builder, equals, reference = str(text).partition("=")
    if not (builder and equals and schemas.is_image(reference)):
        raise ValueError(f"{text!r}: use CLASS=REF, for example tinyland-nix=ghcr.io/me/runner:1")
    return builder, reference


def class_pod(text: object) -> tuple[str, str]:
    """The class and the file of [CLASS=]FILE; the class is empty if it is left out."""
    match = re.fullmatch(r"(?:([a-z0-9-]+)=)?(.+)", str(text), re.DOTALL)
    if match is None:
        raise ValueError(f"{text!r}: use FILE or CLASS=FILE")
    return match[1] or "", match[2]


def class_scale_set(text: object) -> tuple[str, str]:
    """The class and the name of [CLASS=]NAMESPACE/NAME. Raises ValueError for any other form."""
    builder, name = class_pod(text)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*", name):
        raise ValueError(f"{text!r}: use NAMESPACE/NAME, for example arc-runners/tinyland-nix")
    return builder, name


def setting(text: object) -> tuple[str, str]:
    """The variable and the value of NAME=VALUE. Raises ValueError for any other form."""
    name, equals, value = str(text).partition("=")
    if not equals or not re.fullmatch(NAME, name):
        raise ValueError(f"{text!r}: use NAME=VALUE, for example NIX_VERSION=>=2.24")
    return name, value


def platform_name(text: object) -> str:
    """A platform by its usual name. Raises ValueError for any other text."""
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_-]+(/[a-z0-9.]+)?", str(text)):
        raise ValueError(f"{text!r}: use OS/ARCH, for example linux/arm64")
    return normalize(str(text))


@dataclass(frozen=True)
class Option:
    """An option of some faces. ``help`` is a sentence; a face that wants another form of it makes it from this.

    ``name`` is the key under which a face hands the value to ``parse``. A ``variable`` of the environment gives the
    default if the option is absent; ``aliases`` are accepted and not shown. Besides ``choices`` it takes what ``pattern``
    matches.
    """

    name: str
    flags: tuple[str, ...]
    help: str
    faces: tuple[str, ...]
    metavar: str = ""
    convert: Callable[[object], Any] = str
    choices: tuple[str, ...] = ()
    pattern: str = ""
    default: Any = None
    repeatable: bool = False
    is_flag: bool = False
    aliases: tuple[str, ...] = ()
    variable: str = ""
    completes: str = ""

    def read(self, value: object) -> Any:
        """The value of one occurrence. Raises InputError with the option, what is wrong and what would be right."""
        in_form = bool(self.pattern and re.fullmatch(self.pattern, str(value), re.ASCII))
        if self.choices and value not in self.choices and not in_form:
            nearest = schemas.nearest(str(value), self.choices)
            forms = self.metavar.split("|") if self.pattern else self.choices
            fix = f"did you mean {nearest}?" if nearest else f"use one of {', '.join(forms)}"
            raise usage_error(f"{self.flags[-1]} {value}: {value!r} is not one of {', '.join(forms)}", fix)
        try:
            return self.convert(value)
        except ValueError as error:
            raise usage_error(f"{self.flags[-1]}: {error}", f"pass {self.flags[-1]} {self.metavar}") from None

    @property
    def help_with_notes(self) -> str:
        """The help, with what the table knows besides."""
        default = f"{self.default:g}" if isinstance(self.default, float) else self.default
        notes = [
            *(["repeatable"] if self.repeatable else []),
            *([f"default: {default}"] if default is not None else []),
        ]
        return f"{self.help.removesuffix('.')} ({'; '.join(notes)})." if notes else self.help

    @property
    def from_environment(self) -> str:
        """The default that the environment gives, or nothing."""
        return os.environ.get(self.variable, "") if self.variable else ""


def _option(name: str, *flags: str, help: str, faces: tuple[str, ...], **rest: Any) -> Option:  # noqa: A002 # click's word
    return Option(name, flags, help, faces, **rest)


_RUNNER = _option(
    "runner", "--runner", choices=RUNNERS, pattern=SSH_URL, metavar="|".join((*RUNNERS, "ssh://[USER@]HOST[:PORT]")),
    default="docker", faces=(PYTEST, FACTS), variable="BUILDER_CONTRACTS_RUNNER",
    help="Where to look: a container (docker), this machine (local), a pod (kubernetes) or a host (ssh).",
)  # fmt: skip

EVERYWHERE = (CHECK, PYTEST)
OPTIONS: tuple[Option, ...] = (
    _option(
        "contracts", "--contracts", metavar="PATH", convert=Path, repeatable=True,
        faces=(*EVERYWHERE, FACTS, EXPLAIN, VALIDATE, SELECT, TEETH, VERIFY), aliases=("--contract",),
        help="Read contracts from this file or directory, or from elsewhere: git+https://…, https://…, oci://….",
    ),
    _option(
        "contracts_directory", "--contracts", metavar="DIR", convert=Path, default=Path("contracts"),
        faces=(TRUTH, WORKFLOWS, MCP), help="Class contracts, with platform contracts in DIR/platform.",
    ),
    _option(
        "lock", "--lock", metavar="FILE", convert=Path, variable="BUILDER_CONTRACTS_LOCK",
        faces=(*EVERYWHERE, FACTS, EXPLAIN, VALIDATE, SELECT, TEETH, VERIFY, TRUTH, WORKFLOWS, MCP, LOCK),
        help="Lock of contracts from elsewhere (default: contracts.lock).",
    ),
    _option(
        "builder", "--builder", metavar="CLASS", repeatable=True, faces=(*EVERYWHERE, FACTS), completes="builders",
        help="Use only this builder class.",
    ),
    _option(
        "image", "--image", metavar="CLASS=REF", convert=class_image, repeatable=True, faces=EVERYWHERE,
        help="Use image REF as the runner of CLASS.",
    ),
    _option(
        "settings", "--set", metavar="NAME=VALUE", convert=setting, repeatable=True, variable="BUILDER_CONTRACTS_SET",
        faces=(*EVERYWHERE, FACTS, DOCTOR, EXPLAIN, SELECT, VALIDATE, TRUTH, WORKFLOWS, DASHBOARD, TEETH, VERIFY, MCP),
        help="Set a variable that contracts declare under 'vars'.",
    ),
    _option(
        "platform", "--platform", metavar="OS/ARCH", convert=platform_name, faces=(*EVERYWHERE, FACTS),
        variable="BUILDER_CONTRACTS_PLATFORM", help="Check the image for this platform, one of the contract's.",
    ),
    _option(
        "facts_image", "--image", metavar="REF", faces=(FACTS,), help="Image to start instead of the contract's.",
    ),
    _option(
        "saved_facts", "--facts", metavar="PATH", faces=(CHECK, TEETH),
        help="Judge on saved facts: a directory with a CLASS.json for each class, or the file of one class.",
    ),
    _option(
        "max_age", "--max-age", metavar="AGE", convert=time_span, faces=(CHECK,),
        help="With --facts: clauses are unproven on facts that are older, such as 26h, 90m or 7d.",
    ),
    _option(
        "save", "--save", metavar="DIR", convert=Path, faces=(CHECK,),
        help="Save facts and records of proofs as CLASS.json and CLASS.proofs.json, for a later --facts DIR.",
    ),
    _option("init_image", "--image", metavar="REF", faces=(INIT,), help="Image to look at."),
    _option(
        "runner", "--runner", choices=("docker", "local"), default="docker", faces=(INIT,),
        help="Where to look: a container (docker) or this machine (local).",
    ),
    _RUNNER,
    dataclasses.replace(
        _RUNNER, faces=(CHECK,), repeatable=True, help=f"{_RUNNER.help.removesuffix('.')}; several are compared."
    ),
    _option(
        "pod", "--pod", metavar="[CLASS=]FILE", convert=class_pod, repeatable=True, faces=(*EVERYWHERE, FACTS),
        help="Manifest of the pod of CLASS, or a rendered AutoscalingRunnerSet (with --runner kubernetes).",
    ),
    _option(
        "helm_values", "--helm-values", metavar="[CLASS=]FILE", convert=class_pod, repeatable=True,
        faces=(*EVERYWHERE, FACTS), help="Values of the chart gha-runner-scale-set that deploys CLASS.",
    ),
    _option(
        "helm_chart", "--helm-chart", metavar="PATH", convert=Path, faces=(*EVERYWHERE, FACTS),
        help="That chart on this machine: helm renders --helm-values with it, instead of its documented additions.",
    ),
    _option(
        "scale_set", "--scale-set", metavar="[CLASS=]NAMESPACE/NAME", convert=class_scale_set, repeatable=True,
        faces=(*EVERYWHERE, FACTS), help="Scale set of CLASS in the cluster; its own pod template is used.",
    ),
    _option(
        "kube_context", "--kube-context", metavar="NAME", faces=(*EVERYWHERE, FACTS),
        help="Context of kubectl, instead of its current one.",
    ),
    _option(
        "namespace", "--namespace", metavar="NAME", faces=(*EVERYWHERE, FACTS),
        help="Namespace of the run's pods, instead of the manifest's or kubectl's own.",
    ),
    _option(
        "witness_image", "--witness-image", metavar="REF", faces=(*EVERYWHERE, FACTS),
        help="Image with a shell and Python for a second witness in each pod, not the runner's own.",
    ),
    _option(
        "environment", "--environment", metavar="NAME_OR_FILE", faces=(*EVERYWHERE, FACTS, TEETH),
        variable="BUILDER_CONTRACTS_ENVIRONMENT",
        help="Environment file, or a name in environments/ next to the contracts (default: embedded, if present).",
    ),
    _option(
        "allow_writes", "--allow-writes", choices=WRITABLE, repeatable=True, faces=EVERYWHERE,
        help="Allow proofs to write to this role in a live environment; otherwise nothing is written.",
    ),
    _option(
        "linux_xr_source", "--linux-xr-source", metavar="DIR_OR_TARBALL", convert=Path, faces=EVERYWHERE,
        help="Kernel source for the linux-xr canary, with its own xr/patches/series and xr/config/*.",
    ),
    _option(
        "linux_xr_config", "--linux-xr-config", metavar="FILE", convert=Path, faces=EVERYWHERE,
        help="Base configuration for the linux-xr canary, such as a distribution's, instead of a minimal one.",
    ),
    _option(
        "evidence", "--evidence", metavar="DIR", convert=Path, faces=EVERYWHERE,
        help="Write evidence.jsonl to DIR, one line per verdict.",
    ),
    _option(
        # Pytest has this option itself.
        "junitxml", "--junitxml", metavar="FILE", convert=Path, faces=(CHECK,), aliases=("--junit-xml",),
        help="Write JUnit XML to FILE.",
    ),
    _option(
        "report", "--report", metavar="FORMAT[=FILE]", repeatable=True, faces=(*EVERYWHERE, TRUTH, WORKFLOWS),
        help="Write a report in FORMAT to FILE, or to standard output.",
    ),
    _option(
        "sign_key", "--sign-key", metavar="FILE", convert=Path, faces=EVERYWHERE,
        help="Sign the attestation with this key: PEM, EC P-256 or Ed25519; BUILDER_CONTRACTS_SIGN_PASSPHRASE opens it.",
    ),
    _option(
        "report_format", "--format", metavar="FORMAT", choices=("text", *FORMATS), faces=(CHECK, TRUTH, WORKFLOWS),
        convert=lambda text: "terminal" if text == "text" else text,
        help=f"Print one report to standard output: text, {', '.join(FORMATS)}.",
    ),
    _option(
        "form", "--format", choices=("text", "json"), default="text",
        faces=(DIFF, DOCTOR, EXPLAIN, SELECT, VALIDATE, TEETH, VERIFY), help="Print text or JSON.",
    ),
    _option(
        "form", "--format", choices=("text", "json"), faces=(FACTS,),
        help="Print a list (text), or JSON. Default: text where no contract decides and no file is written.",
    ),
    _option(
        "no_contract", "--no-contract", is_flag=True, faces=(FACTS,),
        help="Ask for everything that is known, whatever contracts promise.",
    ),
    _option(
        "keyword", "-k", metavar="EXPRESSION", faces=(CHECK,),
        help="Check only clauses whose ID matches: words, parts of IDs or globs, with 'and', 'or', 'not'.",
    ),
    _option(
        "exit_first", "-x", "--exitfirst", is_flag=True, faces=(CHECK,),
        help="Stop at the first clause that is broken, or unproven although provable here.",
    ),
    _option(
        "last_failed", "--last-failed", "--lf", is_flag=True, faces=(CHECK,),
        help="Check only clauses that failed in the last run here; all clauses if none did.",
    ),
    _option(
        "pull", "--pull", is_flag=True, faces=(*EVERYWHERE, FACTS, INIT, TEETH), variable="BUILDER_CONTRACTS_PULL",
        help="Pull images that are not in the engine.",
    ),
    _option(
        "strict", "--strict", is_flag=True, faces=(CHECK,), aliases=("--strict-contracts",), variable="BUILDER_CONTRACTS_STRICT",
        help="Fail on any unproven clause, even one this host cannot prove.",
    ),
    _option(
        "strict", "--strict", is_flag=True, faces=(TRUTH, WORKFLOWS), variable="BUILDER_CONTRACTS_STRICT",
        help="Fail on any unproven clause, even one a checkout cannot prove.",
    ),
    _option(
        # Pytest's own --strict is of markers.
        "strict", "--strict-contracts", is_flag=True, faces=(PYTEST,), variable="BUILDER_CONTRACTS_STRICT",
        help="Fail on any unproven clause, even one this host cannot prove.",
    ),
    _option(
        "deadline", "--deadline", metavar="SECONDS", convert=seconds, default=60.0, faces=(*EVERYWHERE, FACTS, INIT, TEETH),
        variable="BUILDER_CONTRACTS_DEADLINE",
        help="Time limit for each observation, in seconds since its latest answer, and three times that in all.",
    ),
    _option(
        "repo", "--repo", metavar="PATH", convert=Path, default=Path(), faces=(TRUTH,),
        help="Root of the checkout to check.",
    ),
    _option(
        "repo", "--repo", metavar="PATH", faces=(PYTEST,),
        help="Check this checkout against the platform's contracts without running it (select with -m truth).",
    ),
    _option(
        "planning", "--planning", metavar="FILE", repeatable=True, faces=(PYTEST, TRUTH),
        help="Tracker export for planning clauses, GitHub REST or Linear JSON.",
    ),
    _option(
        "rendered", "--rendered", metavar="DIR", repeatable=True, faces=(TRUTH,),
        help="Rendered manifests of the deployment ('helm template --output-dir DIR'); they replace what files suggest.",
    ),
    _option(
        "renders_charts", "--helm", is_flag=True, faces=(TRUTH,),
        help="Render the charts in the checkout that a release names by their path, with helm on this machine.",
    ),
    _option(
        "plans", "--plan", metavar="FILE", repeatable=True, faces=(TRUTH,),
        help="Plan of OpenTofu or Terraform as JSON ('tofu show -json PLAN'); it replaces what files suggest.",
    ),
    _option(
        "checkouts", "--checkout", metavar="OWNER/NAME[@REF]=PATH", repeatable=True, faces=(TRUTH, WORKFLOWS),
        help="Checkout of another repository, whose actions and reusable workflows are followed.",
    ),
    _option(
        "waivers", "--waivers", metavar="FILE", convert=Path, faces=(WORKFLOWS,),
        help="Clauses that this repository may break for a while (kind: Waivers).",
    ),
    _option("verbose", "-v", "--verbose", is_flag=True, faces=(CHECK,), help="Print one line per clause."),
    _option(
        "verbose", "-v", "--verbose", is_flag=True, faces=(TRUTH, WORKFLOWS),
        help="Also print kept clauses and those a checkout cannot prove.",
    ),
)  # fmt: skip


def options_of(face: str) -> list[Option]:
    """The options of a face, in the order of the table."""
    return [option for option in OPTIONS if face in option.faces]


_NO = ("", "0", "false", "no")
"""Values of a flag's variable that leave it unset."""


@dataclass(frozen=True)
class RunOptions:
    """The options of a run. Paths are relative to ``cwd``; ``paths`` are files and directories of contracts.

    There is one of ``runners``, but where ``check`` compares several: it makes a run of each.
    """

    cwd: Path = field(default_factory=Path.cwd)
    paths: tuple[Path, ...] = ()
    builders: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    runners: tuple[str, ...] = ("docker",)
    pods: tuple[tuple[str, str], ...] = ()
    helm_values: tuple[tuple[str, str], ...] = ()
    helm_chart: Path | None = None
    scale_sets: tuple[tuple[str, str], ...] = ()
    kube_context: str = ""
    witness_image: str = ""
    namespace: str = ""
    environment: str | None = None
    allow_writes: frozenset[str] = frozenset()
    linux_xr_source: Path | None = None
    linux_xr_config: Path | None = None
    evidence: Path | None = None
    junitxml: Path | None = None
    reports: tuple[str, ...] = ()
    saved_facts: str | None = None
    max_age: timedelta | None = None
    save: Path | None = None
    sign_key: Path | None = None
    report_format: str | None = None
    keyword: str = ""
    exit_first: bool = False
    last_failed: bool = False
    pull: bool = False
    strict: bool = False
    deadline: float = 60.0
    verbose: bool = False

    @property
    def runner(self) -> str:
        """The first of the runners."""
        return self.runners[0]


def kind_of(runner: str) -> str:
    """The kind of the runner that ``--runner`` names."""
    return runner.partition("://")[0]


def settings_of(face: str, texts: Iterable[str]) -> Mapping[str, str]:
    """The variables that ``--set`` or the environment sets. Raises InputError."""
    return parse(face, {"settings": tuple(texts)}, cwd=Path()).settings


def parse(face: str, values: Mapping[str, Any], *, cwd: Path, paths: Iterable[Path] = ()) -> RunOptions:
    """Convert values by option name into the options of a run. Raises InputError."""
    read: dict[str, Any] = {}
    problems: list[Problem] = []
    for option in options_of(face):
        value = values.get(option.name)
        if value in (None, (), []) and option.from_environment:
            # A line each in the variable of an option that can be repeated.
            given = option.from_environment
            value = [line for line in given.splitlines() if line] if option.repeatable else given
        try:
            if option.is_flag:
                read[option.name] = bool(value) or option.from_environment.lower() not in _NO
            elif option.repeatable:
                items = (value,) if isinstance(value, str) else value or ()
                read[option.name] = tuple(option.read(item) for item in items)
            else:
                read[option.name] = option.default if value is None else option.read(value)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    chosen = read.get("runner") or "docker"
    return RunOptions(
        cwd=cwd,
        paths=(*paths, *read.get("contracts", ())),
        builders=read.get("builder", ()),
        images=dict(read.get("image", ())),
        settings=dict(read.get("settings", ())),
        platform=read.get("platform") or "",
        # The same vantage twice shows nothing more.
        runners=tuple(dict.fromkeys(chosen if isinstance(chosen, tuple) else (chosen,))),
        pods=read.get("pod", ()),
        helm_values=read.get("helm_values", ()),
        helm_chart=read.get("helm_chart"),
        scale_sets=read.get("scale_set", ()),
        kube_context=read.get("kube_context") or "",
        witness_image=read.get("witness_image") or "",
        namespace=read.get("namespace") or "",
        environment=read.get("environment"),
        allow_writes=frozenset(read.get("allow_writes", ())),
        linux_xr_source=read.get("linux_xr_source"),
        linux_xr_config=read.get("linux_xr_config"),
        evidence=read.get("evidence"),
        junitxml=read.get("junitxml"),
        reports=read.get("report", ()),
        saved_facts=read.get("saved_facts"),
        max_age=read.get("max_age"),
        save=read.get("save"),
        sign_key=read.get("sign_key"),
        report_format=read.get("report_format"),
        keyword=read.get("keyword") or "",
        exit_first=read.get("exit_first", False),
        last_failed=read.get("last_failed", False),
        pull=read.get("pull", False),
        strict=read.get("strict", False),
        deadline=read.get("deadline", 60.0),
        verbose=read.get("verbose", False),
    )
