"""Writes the pages of docs/ that are made from what the program itself says; script/docs runs it.

contract-reference.md   from contracts/schema/*.json and the documents of each kind in this repository
platform-reference.md   the same for contracts of a whole platform
clauses.md              from judge/explanations.py and docs/examples/every-field.yaml
cli.md                  from the commands and the plugin's options
truth/rules.md          from the rules that truth/rules registers
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from builder_contracts import cli, plugin
from builder_contracts.contract import document, schema
from builder_contracts.contract.load import load
from builder_contracts.contract.promises import READERS
from builder_contracts.errors import ExitCode
from builder_contracts.judge.explanations import explanation
from builder_contracts.truth.platform import AREAS
from builder_contracts.truth.rules.registry import RULES

DOCS = Path(__file__).parent
ROOT = DOCS.parent
EXAMPLE = DOCS / "examples" / "every-field.yaml"
# Where documents of the language stand; the first that has a field gives its example.
DOCUMENTS = ("docs/examples", "contracts", "canaries")


REFERENCE = """# Contract reference

Every field of every kind of document, as its JSON Schema (draft 2020-12) has it. Editors read the same
schema: begin a document with `# yaml-language-server: $schema=…`, and they complete and explain it.
`builder-contracts schema NAME` prints one. How each promise is judged: [clauses.md](clauses.md).

Documents are YAML 1.2 without tags, one a file, at most 1 MB. An unknown field, a key that stands twice and
a promise that could not fail are errors, reported with file, line and mend. [One
contract](examples/every-field.yaml) has every field of a builder class; the examples are from it. Contracts of
a whole platform, which are judged against a checkout, are in [platform-reference.md](platform-reference.md).

"""

PLATFORM_REFERENCE = """# Platform contract reference

Every field of the contracts that a checkout of a platform's repository is judged against, as their JSON Schemas
have it; `contracts/platform/` has one of each. Contracts of builder classes:
[contract-reference.md](contract-reference.md).

"""

CLAUSES = """# How each clause is judged

A verdict is *kept*, *broken* or *unproven*; a broken clause with a valid waiver is *waived*. Kept needs
evidence, and names it. Unproven means that nobody could look: an error where it could have been shown here,
a loud skip where this runner or host never can. It never counts as kept; `--strict` (pytest:
`--strict-contracts`) counts the skips as well. [architecture.md](architecture.md) has the ladder of evidence.

`builder-contracts explain CLAUSE-ID` says the same of one clause of yours. The clauses that are shown here
are those of [one contract](examples/every-field.yaml) that has every field. `tests/defects/` breaks runner
images in such ways, and checks that the right clause turns red and says why.

"""

OUTPUT = """
Colour appears on a terminal only, and never where `NO_COLOR` is set. Results go to standard output, errors
and the progress of long proofs to standard error.

Documents that were found valid are remembered in `builder-contracts` below `$XDG_CACHE_HOME` (`~/.cache`), so that
they are not held to their schema again until they, a schema or the tool change. `BUILDER_CONTRACTS_CACHE` names
another folder; set to nothing, nothing is remembered.

Completion for bash (zsh_source and fish_source for the others):

```
eval "$(_BUILDER_CONTRACTS_COMPLETE=bash_source builder-contracts)"
```
"""

PYTEST = """
## pytest

The same from pytest: contracts are items, node ids are clause ids
(`contracts/tinyland-nix.yaml::toolchain/nix`). Every option of pytest and pytest-xdist works: `-m contract`,
`-k`, `-n auto`, `--lf`, `-x`, `--junitxml`. A clause's kind is a marker too: `-m toolchain`. The exit codes
are pytest's own: 0 for passed, 1 for anything that failed, among it unproven clauses that could have been
proven here, 2 interrupted or a contract that cannot be read, 4 wrong options or an environment that cannot be
used, 5 nothing selected. Clauses that are unproven for one and the same reason are told once, then counted.

| option | meaning |
|---|---|
"""


RULES_PAGE = """# Rules

What each clause of `contracts/platform/` compares. *Own*: judged in the platform's own repository only. Clauses of
class contracts are on [a page of their own](classes.md).
"""


def note(sources: str) -> str:
    """The first line of a generated page."""
    return f"<!-- Generated from {sources}: change those, then run script/docs. -->\n\n"


def cell(text: str) -> str:
    """Text for one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def code(value: object) -> str:
    """A value as YAML's flow style writes it, in code quotes."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value or '""'
    text = text if len(text) <= 70 else text[:69] + "…"
    return f"`` {text} ``" if "`" in text else f"`{text}`"


# --- contract-reference.md

Place = tuple[str, ...]
"""The path of a field in documents of its kind; ``*`` stands for any name or any item."""

TYPES = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
}


@dataclass(frozen=True)
class Field:
    """A field of a document: where it stands, as a path to read and as a place to look up."""

    path: str
    place: Place
    part: dict[str, Any]
    required: bool

    @property
    def says(self) -> str:
        required = " Required." if self.required else ""
        return f"**{self.part.get('title', '')}.** {self.part.get('description', '')}{required}"


def fields(name: str, part: dict[str, Any], path: str = "", place: Place = ()) -> Iterator[Field]:
    """Every field below a part of the schema ``name``, depth first in the schema's order."""
    for key, inner in part.get("properties", {}).items():
        yield from _field(
            name, inner, f"{path}.{key}" if path else key, (*place, key), key in part.get("required", ())
        )
    if isinstance(inner := part.get("additionalProperties"), dict):
        key_name = schema.resolve(part.get("propertyNames", {}), name).get("title", "name").lower()
        yield from _field(name, inner, f"{path}.<{key_name}>", (*place, "*"), False)
    if isinstance(inner := part.get("items"), dict):
        item = schema.resolve(inner, name)
        if item.get("type") == "object":
            yield from fields(name, item, f"{path}[]", (*place, "*"))
    for form in part.get("anyOf", ()):
        yield from fields(name, schema.resolve(form, name), path, place)


def _field(name: str, inner: dict[str, Any], path: str, place: Place, required: bool) -> Iterator[Field]:
    resolved = schema.resolve(inner, name)
    yield Field(path, place, resolved, required)
    # What another schema describes is described there.
    if not inner.get("$ref", "#").startswith("#"):
        return
    yield from fields(name, resolved, path, place)


def allowed(name: str, part: dict[str, Any]) -> str:
    """Type and allowed values in words."""
    if "const" in part:
        return f"always {code(part['const'])}"
    if "enum" in part:
        return ", ".join(map(code, part["enum"]))
    if "anyOf" in part:
        return "; or ".join(
            dict.fromkeys(allowed(name, schema.resolve(form, name)) for form in part["anyOf"])
        )
    kinds = part.get("type", "object")
    words = " or ".join(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "items" in part:
        words += f" of {allowed(name, schema.resolve(part['items'], name))}"
    limits = []
    if part.get("format") == "regex":
        limits.append("a regular expression")
    if "pattern" in part:
        limits.append(f"form `{part['pattern']}`")
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ):
        if least in part and most in part:
            limits.append(f"{part[least]} to {part[most]}{unit}")
        elif most in part:
            limits.append(f"at most {part[most]}{unit}")
        elif part.get(least, 0) > 0 and unit in ("", " characters"):
            limits.append(f"at least {part[least]}{unit}")
    return ", ".join([words, *limits])


def documents(name: str) -> list[Any]:
    """The data of all documents in this repository that the schema ``name`` is for, by its fixed values."""
    parts = schema.load(name).get("properties", {})
    fixed = {key: part["const"] for key, part in parts.items() if "const" in part}
    if "kind" not in fixed:
        return []
    paths = [path for folder in DOCUMENTS for path in sorted((ROOT / folder).rglob("*.yaml"))]
    found = (document.read(path).data for path in paths)
    return [data for data in found if isinstance(data, dict) and fixed.items() <= data.items()]


def values(data: Any, place: Place) -> Iterator[Any]:
    """The values at a place in a document."""
    if not place:
        yield data
    elif isinstance(data, dict):
        for key in data if place[0] == "*" else place[:1]:
            if key in data:
                yield from values(data[key], place[1:])
    elif isinstance(data, list) and place[0] == "*":
        for item in data:
            yield from values(item, place[1:])


def example(field: Field, known: Sequence[Any]) -> str:
    """A value that stands at this place in a real document; the schema's own where there is none."""
    found = [value for data in known for value in values(data, field.place)]
    plain = [value for value in found if not isinstance(value, dict)]
    if plain:
        return code(plain[0])
    if found:
        return ""
    own = [field.part["const"]] if "const" in field.part else [*field.part.get("examples", ())]
    own += [choice for choice in field.part.get("enum", ()) if choice]
    return code(own[0]) if own else ""


# The order in which a reader meets them; what is not named here follows by name.
ORDER = ("builder-class", "builder-base", "environment", "canary")
PLATFORM = "platform-"


def contract_reference() -> str:
    """docs/contract-reference.md"""
    names = [name for name in schema.names() if not name.startswith(PLATFORM)]
    names.sort(key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return note("contracts/schema/*.json") + REFERENCE + _schemas(names)


def platform_reference() -> str:
    """docs/platform-reference.md"""
    names = [name for name in schema.names() if name.startswith(PLATFORM)]
    return note("contracts/schema/platform-*.json") + PLATFORM_REFERENCE + _schemas(names)


def _schemas(names: Sequence[str]) -> str:
    text = ""
    for name in names:
        title = schema.load(name)["title"]
        text += f"- [{title}](#{_anchor(title)}): `{name}.json`\n"
    for name in names:
        text += _reference(name)
    return text


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _reference(name: str) -> str:
    whole = schema.load(name)
    text = f"\n## {whole['title']}\n\n{whole['description']}\n"
    known = documents(name)
    sections = [list(group) for _, group in groupby(fields(name, whole), lambda field: field.place[0])]
    text += _table(name, [section[0] for section in sections if len(section) == 1], known)
    for first, *rest in (section for section in sections if len(section) > 1):
        text += f"\n### {whole['title']}: `{first.path}`\n\n{first.says}\n"
        text += _block(first.path) if name == "builder-class" else ""
        text += _table(name, rest, known)
    return text


def _table(name: str, listed: Sequence[Field], known: Sequence[Any]) -> str:
    if not listed:
        return ""
    text = "\n| field | what it says | allowed | example |\n|---|---|---|---|\n"
    for field in listed:
        cells = (code(field.path), field.says, allowed(name, field.part), example(field, known))
        text += f"| {' | '.join(map(cell, cells))} |\n"
    return text


def _block(section: str) -> str:
    """The lines of a section in the example contract."""
    lines = EXAMPLE.read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(f"{section}:")]
    if not starts:
        return ""
    block = [lines[starts[0]]]
    for line in lines[starts[0] + 1 :]:
        if line and not line.startswith(" "):
            break
        block.append(line)
    return "\n```yaml\n" + "\n".join(block).rstrip() + "\n```\n"


# --- clauses.md


def clauses() -> str:
    """docs/clauses.md"""
    text = note("judge/explanations.py and docs/examples/every-field.yaml") + CLAUSES
    contract = load(EXAMPLE, EXAMPLE.name)
    text += "".join(f"- [{kind}](#{kind})\n" for kind in READERS)
    for kind in READERS:
        section = schema.resolve(schema.load("builder-class")["properties"][kind])
        text += f"\n## {kind}\n\n{section['description']}\n"
        mine = [clause for clause in contract.clauses if clause.kind == kind]
        # Clauses that are judged alike stand together; what is said of them is said of the first.
        for _, group in groupby(mine, lambda clause: explanation(clause.promise).how):
            alike = list(group)
            about = explanation(alike[0].promise)
            text += "\n" + "".join(f"**`{clause.local_id}`**: {clause.promise.text}\\\n" for clause in alike)
            text = text.removesuffix("\\\n") + "\n\n"
            for label, words in (
                ("Judged", about.how),
                ("Unproven", about.unproven),
                ("Why it matters", about.why),
                ("Usual defect", about.breaks),
                ("Mend", about.mend),
            ):
                text += f"- *{label}.* {words}\n"
    return text


# --- cli.md

EXIT_CODES = {
    ExitCode.KEPT: "every clause that was judged is kept (waived clauses and loud skips may be among them)",
    ExitCode.BROKEN: "at least one clause is broken; for `diff`: something changed",
    ExitCode.UNPROVEN: "nothing is broken, but something that could have been proven here was not; with "
    "`--strict`, anything unproven",
    ExitCode.BAD_INPUT: "a file or an argument cannot be used: the message names file, line and mend",
    ExitCode.CANNOT_RUN: "this machine cannot run the job, for example because no Docker Engine answers, so that no "
    "clause could be looked at; or the output cannot be written, or is not read to its end; see `doctor`",
    ExitCode.NOTHING_SELECTED: "no clause was selected",
    ExitCode.INTERRUPTED: "interrupted; what the run had created is removed",
}


class _Options:
    """Collects what the plugin registers with pytest."""

    def __init__(self) -> None:
        self.found: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def getgroup(self, *_: str) -> _Options:
        return self

    def addoption(self, *names: str, **settings: Any) -> None:
        self.found.append((names, settings))

    def addini(self, *_: Any, **__: Any) -> None:
        """Settings of pytest.ini are not options."""


def command_line() -> str:
    """docs/cli.md"""
    text = note("the commands' own help and the plugin's options")
    text += f"# Command line\n\n{_prose(cli.group.help or '')}"
    text += "```\nbuilder-contracts [-h | --help] [--version] COMMAND …\n```\n\n## Exit codes\n\n"
    text += "| code | meaning |\n|---|---|\n"
    text += "".join(f"| {status.value} | {EXIT_CODES[status]} |\n" for status in ExitCode)
    text += OUTPUT
    for name, command in sorted(_commands(cli.group, "builder-contracts")):
        text += _command(name, command)
    text += PYTEST
    options = _Options()
    for module in (plugin, *map(importlib.import_module, plugin.pytest_plugins)):
        module.pytest_addoption(options)
    for names, settings in options.found:
        metavar = settings.get("metavar") or "|".join(settings.get("choices", ()))
        text += _row(names, metavar, settings["help"])
    return text


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=prefix)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")
        elif command is not None:
            yield f"{prefix} {name}", command


def _command(name: str, command: click.Command) -> str:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    usage = " ".join([name, "[OPTIONS]", *(_argument(argument) for argument in arguments)])
    text = f"\n## {name}\n\n```\n{usage}\n```\n\n{_prose(command.help or '')}"
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if options:
        text += "| option | meaning |\n|---|---|\n"
    for option in options:
        default = f" Default: {option.default}." if option.show_default else ""
        text += _row(option.opts, _metavar(option), (option.help or "") + default)
    return text


def _row(names: Sequence[str], metavar: str, words: str) -> str:
    option = f"{', '.join(names)} {metavar}".rstrip()
    return f"| {cell(f'`{option}`')} | {cell(words)} |\n"


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    name = f"{name}…" if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _metavar(option: click.Option) -> str:
    if option.is_flag or option.count:
        return ""
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return option.metavar or option.type.name.upper()


def _prose(text: str) -> str:
    """A command's help as Markdown: what click keeps as it is becomes a block of code."""
    written = ""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            title, *lines = paragraph.removeprefix("\b").strip("\n").split("\n")
            block = "\n".join(line.removeprefix("  ") for line in lines)
            written += f"{title}\n\n```\n{block}\n```\n\n"
        else:
            written += paragraph.strip() + "\n\n"
    return written


# --- truth/rules.md


def truth_rules() -> str:
    """Every rule of static judging with what it compares, by area."""
    lines = [note("src/builder_contracts/truth/rules") + RULES_PAGE.rstrip()]
    for area in AREAS:
        lines += [f"\n## {area}\n", "| clause | compares |", "|---|---|"]
        for rule in sorted((rule for rule in RULES.values() if rule.area == area), key=lambda rule: rule.id):
            own = " (own)" if rule.scope == "own" else ""
            words = rule.compares.removeprefix("Compares ").removesuffix(".")
            lines.append(f"| `{rule.id}`{own} | {cell(words)} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "contract-reference.md": contract_reference,
    "platform-reference.md": platform_reference,
    "clauses.md": clauses,
    "cli.md": command_line,
    "truth/rules.md": truth_rules,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where a page is stale"
    )
    check = parser.parse_args().check
    stale = 0
    for name, page in PAGES.items():
        target, text = DOCS / name, page()
        if target.is_file() and target.read_text("utf-8") == text:
            continue
        stale += 1
        if check:
            print(f"docs/{name} is stale: run script/docs", file=sys.stderr)
        else:
            target.write_text(text, "utf-8")
            print(f"docs/{name}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
