"""Read what a command of a job starts in the checkout: targets of make and just, scripts of npm, and shell scripts.

Languages: https://www.gnu.org/software/make/manual/make.html#Rules, https://just.systems/man/en/,
https://docs.npmjs.com/cli/using-npm/scripts
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from builder_contracts.errors import Location
from builder_contracts.truth.checkout import File
from builder_contracts.truth.readers import yaml
from builder_contracts.truth.value import Known, Value, fields, get, text

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
JUSTFILES = ("justfile", "Justfile", ".justfile")
_PACKAGE = "package.json"
_RULE = re.compile(r"^([A-Za-z0-9_./%$(){}-][^:=#\t]*?)\s*::?(?![=:])\s*([^#]*)")
_SETTING = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*[?:]*=\s*(.*)$")
_USE = re.compile(r"\$[({]([A-Za-z_]\w*)[)}]")
_RECIPE = re.compile(r"^@?([A-Za-z_][\w-]*)(?:\s+[^:]*)?:(?!=)\s*([^#]*)")
_SHELL = re.compile(r"^#!\s*(?:/usr)?/bin/(?:env\s+(?:-S\s+)?)?(?:ba|da|z|k)?sh\b")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh"})
_RUNNERS = frozenset({"npm", "pnpm", "yarn", "bun"})
_MAKE_CONDITION = re.compile(r"if(?:n?eq|n?def)\b")
_MAKE_VALUES = frozenset({"-C", "--directory", "-f", "--file", "-j", "-o", "-W", "-I"})


@dataclass(frozen=True)
class LocalTarget:
    """The commands of a target, each at its line, and the targets that run before."""

    runs: tuple[Value, ...]
    before: tuple[str, ...] = ()


@dataclass
class Recipes:
    """The recipes of a checkout, by the folder, the program that runs them and the target.

    ``conditional`` are the lines of those that a condition of make may leave out.
    """

    by_target: dict[tuple[str, str, str], LocalTarget] = field(default_factory=dict)
    scripts: dict[str, Value] = field(default_factory=dict)
    conditional: set[Location] = field(default_factory=set)
    _first: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, file: File) -> None:
        """Take a file, if it has recipes."""
        folder, name = posixpath.split(file.path)
        if name in MAKEFILES:
            self._add(folder, "make", _makefile(file.text(), file.path, self.conditional))
        elif name in JUSTFILES:
            self._add(folder, "just", _justfile(file.text(), file.path))
        elif name == _PACKAGE:
            self._add(folder, "npm", _package(file.text(), file.path))
        elif name.endswith(".sh") or file.raw.startswith(b"#!"):
            content = file.text()
            if name.endswith(".sh") or _SHELL.match(content):
                # Its first line is line 1: a block of text begins on the line after its key.
                self.scripts[file.path] = Known(content, Location(file.path, 0))

    def _add(self, folder: str, program: str, recipes: Mapping[str, LocalTarget]) -> None:
        for target, recipe in recipes.items():
            self.by_target[(folder, program, target)] = recipe
            self._first.setdefault((folder, program), target)

    def started_by(self, words: Sequence[str]) -> Iterator[Value]:
        """The commands in the checkout that a command starts, in the order in which they run."""
        program, rest = words[0], list(words[1:])
        if program in ("make", "gmake"):
            folder, targets = _make_arguments(rest)
            for target in targets or [self._first.get((folder, "make"), "")]:
                yield from self._runs((folder, "make", target), set())
        elif program == "just":
            target = next(
                (word for word in rest if not word.startswith("-")), self._first.get(("", "just"), "")
            )
            yield from self._runs(("", "just", target), set())
        elif program in _RUNNERS and rest:
            target = rest[1] if rest[0] in ("run", "run-script") and len(rest) > 1 else rest[0]
            for name in (f"pre{target}", target, f"post{target}"):
                yield from self._runs(("", "npm", name), set())
        else:
            paths = (
                [word for word in rest if not word.startswith("-")][:1] if program in _SHELLS else [program]
            )
            yield from (script for path in paths if (script := self.scripts.get(posixpath.normpath(path))))

    def _runs(self, key: tuple[str, str, str], visited: set[tuple[str, str, str]]) -> Iterator[Value]:
        recipe = self.by_target.get(key)
        if recipe is None or key in visited:
            return
        visited.add(key)
        for target in recipe.before:
            yield from self._runs((key[0], key[1], target), visited)
        yield from recipe.runs


def _make_arguments(words: Sequence[str]) -> tuple[str, list[str]]:
    folder, targets, rest = "", [], list(words)
    while rest:
        word = rest.pop(0)
        if word in _MAKE_VALUES and rest:
            value = rest.pop(0)
            folder = posixpath.normpath(value) if word in ("-C", "--directory") else folder
        elif not word.startswith("-") and "=" not in word:
            targets.append(word)
    return "" if folder == "." else folder, targets


def _makefile(content: str, path: str, conditional: set[Location]) -> dict[str, LocalTarget]:
    settings: dict[str, str] = {}
    recipes: dict[str, LocalTarget] = {}
    targets: list[str] = []
    depth = 0
    for number, line in _joined(content):
        if line.startswith("\t"):
            if depth:
                conditional.add(Location(path, number))
            command = line.strip().lstrip("@-+ ")
            for target in targets if command else ():
                run = Known(_expanded(command, settings), Location(path, number))
                recipes[target] = LocalTarget((*recipes[target].runs, run), recipes[target].before)
        elif match := _SETTING.match(line):
            settings.setdefault(match[1], match[2].strip())
        elif match := _RULE.match(line):
            targets = _expanded(match[1], settings).split()
            before = tuple(_expanded(match[2], settings).split())
            targets = [target for target in targets if not target.startswith(".")]
            for target in targets:
                earlier = recipes.get(target, LocalTarget(()))
                recipes[target] = LocalTarget(earlier.runs, (*earlier.before, *before))
        elif line.strip() and not line.startswith("#"):
            # A condition, an include or a definition: recipes go on after a condition only.
            depth += _MAKE_CONDITION.match(line) is not None
            depth -= line.startswith("endif") and depth > 0
            targets = targets if line.startswith(("if", "else", "endif")) else []
    return recipes


def _expanded(written: str, settings: Mapping[str, str], depth: int = 0) -> str:
    """Text with the variables of the file in place; what make computes is a word that names no program."""

    def use(match: re.Match[str]) -> str:
        value = settings.get(match[1])
        return _expanded(value, settings, depth + 1) if value is not None and depth < 5 else "EXPRESSION"

    return _USE.sub(use, written).replace("$$", "$")


def _joined(content: str) -> Iterator[tuple[int, str]]:
    """Lines with those that continue them, and the number of the first."""
    pending, start = "", 0
    for number, line in enumerate(content.split("\n"), 1):
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
        else:
            yield start, pending + line
            pending = ""


def _justfile(content: str, path: str) -> dict[str, LocalTarget]:
    recipes: dict[str, LocalTarget] = {}
    bodies: dict[str, list[tuple[int, str]]] = {}
    name = ""
    for number, line in _joined(content):
        if line.startswith((" ", "\t")) and name:
            bodies[name].append((number, line))
        elif match := _RECIPE.match(line):
            name = match[1]
            before = re.findall(
                r"[A-Za-z_][\w-]*", re.sub(r"\(\s*([\w-]+)[^)]*\)", r"\1", match[2]).replace("&&", " ")
            )
            recipes[name], bodies[name] = LocalTarget((), tuple(before)), []
        elif line.strip() and not line.startswith("#"):
            name = ""
    for name, body in bodies.items():
        recipes[name] = LocalTarget(tuple(_just_runs(body, path)), recipes[name].before)
    return recipes


def _just_runs(body: Sequence[tuple[int, str]], path: str) -> Iterator[Value]:
    lines = [(number, re.sub(r"\{\{.*?\}\}", "EXPRESSION", line)) for number, line in body if line.strip()]
    if not lines:
        return
    first, opening = lines[0][0], lines[0][1].strip()
    if not opening.startswith("#!"):
        yield from (Known(line.strip().lstrip("@-"), Location(path, number)) for number, line in lines)
    elif _SHELL.match(opening):
        # One script of several lines; a block of text begins on the line after its key.
        yield Known("\n".join(line.strip() for _, line in lines) + "\n", Location(path, first - 1))


def _package(content: str, path: str) -> dict[str, LocalTarget]:
    try:
        document = next(iter(yaml.read(content.replace("\t", " "), path)), None)
    except yaml.NotYaml:
        return {}
    return {name: LocalTarget((run,)) for name, run in fields(get(document, "scripts")).items() if text(run)}
