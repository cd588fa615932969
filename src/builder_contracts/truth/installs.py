"""Packages that the steps of a Dockerfile install and remove, as far as its text states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder_contracts.errors import Location
from builder_contracts.truth.model import ImageBuild, Instruction
from builder_contracts.truth.readers.dockerfile import argument_list
from builder_contracts.truth.readers.shell import Command, commands, started

_APT = frozenset({"apt", "apt-get", "aptitude"})
_OTHER_MANAGERS = frozenset({"apk", "dnf", "microdnf", "yum", "zypper", "pacman"})
_INSTALLS = frozenset({"install", "add"})
_REMOVES = frozenset({"remove", "purge", "del", "erase"})
# Commands that neither add nor remove a tool, whatever their arguments (rm is checked separately).
_HARMLESS = frozenset(
    "adduser addgroup apt-mark cd chmod chown dpkg-reconfigure echo export false groupadd groupmod ldconfig locale-gen "
    "mkdir printf set sleep test touch true umask update-ca-certificates useradd usermod [ :".split()
)
_TO_APT = frozenset({"update", "clean", "autoclean", "upgrade", "dist-upgrade", "full-upgrade"})
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})
_BIN = re.compile(r"^/(?:usr/(?:local/)?)?s?bin/([\w.+-]+)$")
_DATA = ("/etc/", "/home/", "/root/", "/srv/", "/tmp/", "/var/")  # noqa: S108 - compared, never written
_FLAGS = re.compile(r"^(?:--\S+(?:\s|\\\n)+)+")
_HEREDOC = re.compile(r"<<-?\s*[\"']?\w+[\"']?")
# A condition: the text does not decide whether the rest runs.
_CONDITION = re.compile(r"(?:^|[;&|\s(])(?:if|case|while|until|for)\s|\|\|")
_WRITTEN = re.compile(r">\s*[\"']?/(?:usr/(?:local/)?|opt/\S*)?s?bin/")
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True)
class Installs:
    """Installed and removed packages with their lines, and the first step whose effect is unknown."""

    installed: Mapping[str, Location]
    recommended: frozenset[str]
    removed: Mapping[str, Location]
    foreign: bool
    opaque: tuple[Location, str] | None


def commands_of(step: Instruction) -> Iterator[Command]:
    """The commands of a RUN step, those inside ``sh -c '…'`` included."""
    listed = argument_list(step)
    if listed is not None:
        yield from started(Command((listed[0].rpartition("/")[2], *listed[1:]), 0)) if listed else ()
        return
    script = _FLAGS.sub("", step.words)
    if step.body and not _HEREDOC.sub("", script).strip():
        script = step.body
    yield from commands(script)


def installs(build: ImageBuild) -> Installs:
    """The packages that a build leaves installed and removed; after a step of unknown effect the rest is uncertain."""
    installed: dict[str, Location] = {}
    removed: dict[str, Location] = {}
    recommended: set[str] = set()
    foreign = False
    opaque: tuple[Location, str] | None = None

    def unsure(at: Location, what: str) -> None:
        nonlocal opaque
        opaque = opaque or (at, what)
        # A removed package may be back.
        removed.clear()

    for step in build.steps:
        if step.keyword in ("COPY", "ADD"):
            target = (argument_list(step) or step.words.split() or [""])[-1]
            if not target.startswith(_DATA):
                unsure(step.at, f"the content copied to {target}")
        elif step.keyword == "SHELL" and (argument_list(step) or ["sh"])[0].rpartition("/")[2] not in _SHELLS:
            unsure(step.at, "a command of a different shell")
        elif step.keyword == "ENV" and re.search(r"(?:^|\s)PATH[ =]", step.words):
            unsure(step.at, "a changed PATH")
        elif step.keyword == "RUN" and _CONDITION.search(step.words + "\n" + step.body):
            unsure(step.at, "a script with conditions")
        elif step.keyword == "RUN" and _WRITTEN.search(step.words + "\n" + step.body):
            unsure(step.at, "a program written by this step")
        elif step.keyword == "RUN":
            for command in commands_of(step):
                name, rest = command.words[0], command.words[1:]
                verbs = [word for word in rest if not word.startswith("-")]
                verb = verbs[0] if verbs else ""
                if name in _APT | _OTHER_MANAGERS and (verb in _INSTALLS or verb in _REMOVES):
                    foreign = foreign or name in _OTHER_MANAGERS
                    names = [match[0] for word in _named(rest, verb) if (match := _PACKAGE.match(word))]
                    if "--no-install-recommends" not in rest:
                        recommended.update(names)
                    into, out = (installed, removed) if verb in _INSTALLS else (removed, installed)
                    for package in names:
                        out.pop(package, None)
                        into[package] = step.at
                    if any(not _PACKAGE.match(word) for word in _named(rest, verb)):
                        unsure(step.at, "a package named only at build time")
                elif name == "rm":
                    for word in verbs:
                        if match := _BIN.match(word):
                            installed.pop(match[1], None)
                            removed[match[1]] = step.at
                elif name not in _HARMLESS and not (name in _APT | _OTHER_MANAGERS and verb in _TO_APT):
                    unsure(step.at, name)
    return Installs(installed, frozenset(recommended), removed, foreign, opaque)


def _named(words: tuple[str, ...], verb: str) -> list[str]:
    """The packages of a command: the words after its verb that are not options or values of options."""
    packages: list[str] = []
    skip = False
    for word in words[words.index(verb) + 1 :]:
        if skip or word.startswith("-"):
            # Options of apt-get with their value in a separate word.
            skip = not skip and word in (
                "-o",
                "-c",
                "-t",
                "--option",
                "--target-release",
                "--default-release",
            )
            continue
        packages.append(word)
    return packages
