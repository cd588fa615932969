"""Judge builder classes by the Dockerfile of their image, with the judges of live runners.

A Dockerfile decides what it states and what it makes impossible. It does not decide what its base image contains,
what a script does or what a pool's template sets: the clause is then *unproven*.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.environment import EnvironmentVariable, ForbiddenValue
from builder_contracts.contract.promises.identity import NotRoot, Shell, Uid, User
from builder_contracts.contract.promises.image import ImageEntrypoint, ImageLabel
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Location
from builder_contracts.facts.model import Facts, ImageFacts, Unseen, UserFacts
from builder_contracts.judge import find
from builder_contracts.truth.debian import brings, owners
from builder_contracts.truth.installs import Installs, commands_of, installs
from builder_contracts.truth.model import ImageBuild, Instruction, image_name, split_reference
from builder_contracts.truth.readers.dockerfile import argument_list, assignments, expand
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.value import Known, Unknown
from builder_contracts.verdict import Assessment as Judged
from builder_contracts.verdict import Outcome, broken, kept, unproven

T = TypeVar("T")

DECIDED = (Tool, EnvironmentVariable, ForbiddenValue, User, Uid, NotRoot, Shell, ImageEntrypoint, ImageLabel)
"""Kinds of promises that a Dockerfile can speak of."""


def builds_of(context: RuleContext, contract: Contract) -> Iterator[ImageBuild]:
    """The Dockerfiles of a class's image: their folder, their suffix or their title carries its name."""
    reference = contract.image.rpartition("/")[2].partition(":")[0]
    names = {contract.name, reference}
    for build in context.model.builds:
        if context.is_history(build.path):
            continue
        folder, _, file = build.path.rpartition("/")
        suffix = file.removeprefix("Dockerfile.").removesuffix(".Dockerfile")
        title = assignments(build, "LABEL").get("org.opencontainers.image.title")
        title_text = title.data if isinstance(title, Known) else None
        if names & {folder.rpartition("/")[2], suffix, title_text}:
            yield build


def judge_image_build(
    clause: Clause, build: ImageBuild, context: RuleContext, templates: Mapping[str, Location]
) -> tuple[Judged, Location]:
    """The answer of a Dockerfile to a clause of a kind in DECIDED, and the line that decides it.

    ``templates`` are the variables (and ``USER`` for a user) that the pool's own templates set over the image's.
    """  # fmt: skip
    promise = clause.promise
    top = Location(build.path, 1)
    if isinstance(promise, Tool):
        return _tool(promise, build, context)
    if isinstance(promise, EnvironmentVariable | ForbiddenValue):
        return _environment(promise, build, context, templates)
    if isinstance(promise, User | Uid | NotRoot):
        if "USER" in templates:
            return unproven(f"{templates['USER']} overrides the image's user", provable_here=False), top
        return _user(promise, build, context)
    if isinstance(promise, Shell):
        return _shell(promise, build, context)
    if isinstance(promise, ImageEntrypoint):
        return _entrypoint(promise, build)
    if isinstance(promise, ImageLabel):
        value = assignments(build, "LABEL").get(promise.key)
        if not isinstance(value, Known):
            return unproven(
                "no LABEL line sets it, but the build or base image may", provable_here=False
            ), top
        image = ImageFacts("", "", "", {promise.key: str(value.data)}, [], 0)
        return find(promise, _facts(image=image)), value.at
    raise TypeError(f"not decidable from a Dockerfile: {type(promise).__name__}")


def _once(context: RuleContext, build: ImageBuild, what: str, read: Callable[[ImageBuild], T]) -> T:
    """A property of a build that many clauses use, computed once."""
    key = f"{what} of build {id(build)}"
    if key not in context.memo:
        context.memo[key] = read(build)
    cached: T = context.memo[key]
    return cached


def _facts(**given: Any) -> Facts:
    unseen = Unseen("not decidable from a Dockerfile", provable_here=False)
    return Facts(**{"runner": unseen, "image": unseen, "start": unseen, **given})


def _base(build: ImageBuild, context: RuleContext) -> tuple[Mapping[str, Any] | None, str]:
    """The declaration of the image that a build starts from, or None, and the image's name."""
    if isinstance(build.base, Unknown):
        return None, "an image named only at build time"
    reference = str(build.base.data)
    name = image_name(reference)
    if name == "scratch":
        return {"user": "root", "uid": 0, "holds": [], "lacks": None}, name
    return context.facts("deployment").get("bases", name), reference


def _environment(
    promise: EnvironmentVariable | ForbiddenValue,
    build: ImageBuild,
    context: RuleContext,
    templates: Mapping[str, Location],
) -> tuple[Judged, Location]:
    env = _once(context, build, "environment", lambda dockerfile: assignments(dockerfile, "ENV"))
    top = Location(build.path, 1)
    if isinstance(promise, ForbiddenValue):
        for name, value in env.items():
            judged = find(promise, _facts(env={name: str(value.data)})) if isinstance(value, Known) else None
            if judged is not None and judged.outcome is Outcome.BROKEN:
                return judged, value.at
        return unproven(
            "no ENV line sets it, but the base image or the template may", provable_here=False
        ), top
    setting = env.get(promise.name)
    if setting is None:
        return unproven(
            "the Dockerfile does not set it, but the base image or the template may", provable_here=False
        ), top
    if promise.present and promise.name in templates:
        return unproven(
            f"{templates[promise.name]} overrides the image's value", provable_here=False
        ), setting.at
    if isinstance(setting, Unknown):
        if not promise.present:
            return broken(f"{promise.name} is set", "remove the ENV line that sets it"), setting.at
        return unproven(setting.reason, provable_here=False), setting.at
    return find(promise, _facts(env={promise.name: str(setting.data)})), setting.at


def _user(promise: User | Uid | NotRoot, build: ImageBuild, context: RuleContext) -> tuple[Judged, Location]:
    base, name = _base(build, context)
    at, user, uid = build.base.at, None, None
    if base is not None:
        user, uid = base.get("user"), base.get("uid")
    users = {"root": 0}
    if user is not None and uid is not None:
        users[str(user)] = int(uid)
    for step in build.steps:
        if step.keyword == "RUN":
            users.update(_added(step))
        elif step.keyword == "USER":
            written = expand(step.words.partition(":")[0].strip(), {}, step.at)
            at = step.at
            if isinstance(written, Unknown):
                return unproven(written.reason, provable_here=False), at
            word = str(written.data)
            user = (
                next((n for n, number in users.items() if str(number) == word), None)
                if word.isdecimal()
                else word
            )
            uid = int(word) if word.isdecimal() else users.get(word)
    if user is None and uid is None:
        return unproven(f"no USER line, so the user of {name} applies", provable_here=False), at
    if isinstance(promise, User) and user is None:
        return unproven(f"this file does not name uid {uid}", provable_here=False), at
    if not isinstance(promise, User) and uid is None:
        return unproven(f"the uid of {user} depends on {name}", provable_here=False), at
    seen = Unseen("not decidable from a Dockerfile") if user is None else str(user)
    identity = UserFacts(
        -1 if uid is None else int(uid), -1, seen, "", home_exists=False, home_writable=False
    )
    return find(promise, _facts(identity=identity)), at


def _added(step: Instruction) -> dict[str, int]:
    """Users that a step adds with a number."""
    users: dict[str, int] = {}
    for command in commands_of(step):
        if command.words[0] in ("useradd", "adduser") and len(command.words) > 2:
            for place, word in enumerate(command.words):
                flag, _, number = word.partition("=")
                if flag in ("--uid", "-u"):
                    number = number or (command.words[place + 1] if place + 1 < len(command.words) else "")
                    named = [w for w in command.words[1:] if not w.startswith("-") and not w.isdecimal()]
                    if number.isdecimal() and named:
                        users[named[-1]] = int(number)
    return users


def _shell(promise: Shell, build: ImageBuild, context: RuleContext) -> tuple[Judged, Location]:
    base, name = _base(build, context)
    short = split_reference(name)[0].removeprefix("docker.io/")
    patterns = context.facts("deployment").get("without_shell", default=[])
    packages = _once(context, build, "installs", installs)
    without = name == "scratch" or any(fnmatch.fnmatch(short, pattern) for pattern in patterns)
    if without and packages.opaque is None and not packages.installed:
        return broken(f"{name} has no usable {promise.path}, and nothing here adds one",
                      "start from an image with a shell; every job step needs one"), build.base.at  # fmt: skip
    if base is not None and promise.path == "/bin/sh" and "sh" in base.get("holds", ()):
        return kept(f"{name} is declared to contain it", declared=True), build.base.at
    return unproven("not decidable from a Dockerfile", provable_here=False), build.base.at


def _entrypoint(promise: ImageEntrypoint, build: ImageBuild) -> tuple[Judged, Location]:
    last = next((step for step in reversed(build.steps) if step.keyword == "ENTRYPOINT"), None)
    if last is None:
        return unproven("no ENTRYPOINT line, so the base image's applies", provable_here=False), Location(
            build.path, 1
        )
    listed = argument_list(last)
    shells = [step for step in build.steps if step.keyword == "SHELL"]
    if listed is None:
        shell = argument_list(shells[-1]) if shells else None
        listed = [*(shell or ["/bin/sh", "-c"]), last.words]
    return find(promise, _facts(image=ImageFacts("", "", "", {}, listed, 0))), last.at


def _tool(promise: Tool, build: ImageBuild, context: RuleContext) -> tuple[Judged, Location]:
    base, name = _base(build, context)
    packages = _once(context, build, "installs", installs)
    holders = owners(promise.name, promise.package)
    installed = next(
        (
            (package, packages.installed[package])
            for package in sorted(holders)
            if package in packages.installed
        ),
        None,
    )
    removed = next(
        ((package, packages.removed[package]) for package in sorted(holders) if package in packages.removed),
        None,
    )
    holds = base is not None and promise.name in base.get("holds", ())
    top = Location(build.path, 1)
    if not promise.present:
        if installed is not None:
            return broken(
                f"package {installed[0]} is installed", "do not install it in this class's image"
            ), installed[1]
        if holds and removed is None and packages.opaque is None:
            return broken(
                f"{name} contains it", "start from an image without it, or remove it"
            ), build.base.at
        return unproven(
            "no listed package provides it, but the base image or another package may", provable_here=False
        ), top
    if installed is not None:
        if promise.version is not None or promise.features:
            return unproven(
                f"{installed[1]} installs {installed[0]}; only a runner proves version and features",
                provable_here=False,
            ), installed[1]
        return kept(f"package {installed[0]} is installed", declared=True), installed[1]
    if removed is not None:
        return broken(f"{removed[0]} is removed", "do not remove it; the class promises it"), removed[1]
    if holds:
        if promise.version is not None or promise.features:
            return unproven(
                f"{name} contains it; only a runner proves version and features", provable_here=False
            ), build.base.at
        return kept(f"{name} is declared to contain it", declared=True), build.base.at
    return _missing(promise, packages, base, name), build.base.at


def _missing(promise: Tool, packages: Installs, base: Mapping[str, Any] | None, name: str) -> Judged:
    """Broken where neither the base image nor any step can bring a tool; unproven where one may."""
    if packages.opaque is not None:
        return unproven(f"{packages.opaque[0]}: {packages.opaque[1]} may provide it", provable_here=False)
    # "scratch" is known to be empty.
    lacking = base["lacks"] if base is not None else []
    if lacking is not None and promise.name not in lacking:
        return unproven(f"{name} may contain it", provable_here=False)
    if packages.foreign and packages.installed:
        return unproven("the contents of this distribution's packages are unknown", provable_here=False)
    for package, at in packages.installed.items():
        tools = brings(package, recommended=package in packages.recommended)
        if tools is None or promise.name in tools:
            return unproven(f"{at}: package {package} may provide it", provable_here=False)
    bring = "no installed package provides it" if packages.installed else "no package is installed"
    return broken(
        f"{name} lacks {promise.name}, and {bring}",
        f"install the package {promise.package or promise.name}",
    )
