"""What the steps of a Dockerfile bring into an image and take out of it, as far as its text shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder_contracts.errors import Source
from builder_contracts.truth.model import ImageBuild, Instruction
from builder_contracts.truth.readers.dockerfile import argument_list
from builder_contracts.truth.readers.shell import Command, commands

_APT = frozenset({"apt", "apt-get", "aptitude"})
_OTHER_MANAGERS = frozenset({"apk", "dnf", "microdnf", "yum", "zypper", "pacman"})
_INSTALLS = frozenset({"install", "add"})
_REMOVES = frozenset({"remove", "purge", "del", "erase"})
# Commands that neither bring a tool nor take one away, whatever their arguments (rm is looked at by itself).
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
# What follows may run or not; nobody reads that off the text.
_CONDITION = re.compile(r"(?:^|[;&|\s(])(?:if|case|while|until|for)\s|\|\|")
_WRITTEN = re.compile(r">\s*[\"']?/(?:usr/(?:local/)?|opt/\S*)?s?bin/")
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True)
class Installs:
    """What the steps install and remove, where, and the first step that may do either unseen."""

    installed: Mapping[str, Source]
    recommended: frozenset[str]
    removed: Mapping[str, Source]
    foreign: bool
    opaque: tuple[Source, str] | None


def commands_of(one: Instruction) -> Iterator[Command]:
    """The commands of a RUN step, those inside ``sh -c '…'`` included."""
    listed = argument_list(one)
    if listed is not None:
        found = [Command((listed[0].rpartition("/")[2], *listed[1:]), 0)] if listed else []
    else:
        script = _FLAGS.sub("", one.words)
        if one.body and not _HEREDOC.sub("", script).strip():
            script = one.body
        found = list(commands(script))
    for command in found:
        inner = next((place for place, word in enumerate(command.words[:-2])
                      if word.rpartition("/")[2] in _SHELLS and command.words[place + 1] in ("-c", "-ec", "-exc")), None)  # fmt: skip
        if inner is None:
            yield command
        else:
            yield from commands(command.words[inner + 2])


def installs(build: ImageBuild) -> Installs:
    """What the steps of a build leave installed and removed; a step that may do more makes the rest uncertain."""
    installed: dict[str, Source] = {}
    removed: dict[str, Source] = {}
    recommended: set[str] = set()
    foreign = False
    opaque: tuple[Source, str] | None = None

    def unsure(at: Source, what: str) -> None:
        nonlocal opaque
        opaque = opaque or (at, what)
        # What was taken away before may be back.
        removed.clear()

    for one in build.steps:
        if one.keyword in ("COPY", "ADD"):
            target = (argument_list(one) or one.words.split() or [""])[-1]
            if not target.startswith(_DATA):
                unsure(one.at, f"the content copied to {target}")
        elif one.keyword == "SHELL" and (argument_list(one) or ["sh"])[0].rpartition("/")[2] not in _SHELLS:
            unsure(one.at, "a command of a different shell")
        elif one.keyword == "ENV" and re.search(r"(?:^|\s)PATH[ =]", one.words):
            unsure(one.at, "a changed PATH")
        elif one.keyword == "RUN" and _CONDITION.search(one.words + "\n" + one.body):
            unsure(one.at, "a script with conditions")
        elif one.keyword == "RUN" and _WRITTEN.search(one.words + "\n" + one.body):
            unsure(one.at, "a program written by this step")
        elif one.keyword == "RUN":
            for command in commands_of(one):
                name, rest = command.words[0], command.words[1:]
                verbs = [word for word in rest if not word.startswith("-")]
                verb = verbs[0] if verbs else ""
                if name in _APT | _OTHER_MANAGERS and (verb in _INSTALLS or verb in _REMOVES):
                    foreign = foreign or name in _OTHER_MANAGERS
                    names = [found[0] for word in _named(rest, verb) if (found := _PACKAGE.match(word))]
                    if "--no-install-recommends" not in rest:
                        recommended.update(names)
                    into, out = (installed, removed) if verb in _INSTALLS else (removed, installed)
                    for package in names:
                        out.pop(package, None)
                        into[package] = one.at
                    if any(not _PACKAGE.match(word) for word in _named(rest, verb)):
                        unsure(one.at, "a package named only at build time")
                elif name == "rm":
                    for word in verbs:
                        if found := _BIN.match(word):
                            installed.pop(found[1], None)
                            removed[found[1]] = one.at
                elif name not in _HARMLESS and not (name in _APT | _OTHER_MANAGERS and verb in _TO_APT):
                    unsure(one.at, name)
    return Installs(installed, frozenset(recommended), removed, foreign, opaque)


def _named(words: tuple[str, ...], verb: str) -> list[str]:
    """The packages of a command: what stands after its verb and is no option or an option's value."""
    found: list[str] = []
    skip = False
    for word in words[words.index(verb) + 1 :]:
        if skip or word.startswith("-"):
            # Options of apt-get that take a value in a word of its own.
            skip = not skip and word in (
                "-o",
                "-c",
                "-t",
                "--option",
                "--target-release",
                "--default-release",
            )
            continue
        found.append(word)
    return found
