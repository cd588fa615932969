"""Write the pages of docs/ that are generated from schemas, judges, rules and commands; script/docs runs it.

reference/contract.md   from contracts/schema/*.json and the documents of each kind in this repository
reference/platform.md   the same for contracts of a whole platform
reference/clauses.md    from judge/ and docs/examples/every-field.yaml
reference/cli.md        from the commands and run/options.py
reference/peers.md      from docs/peers.yaml
reference/truth-rules.md  from the rules that truth/rules registers
reference/as-deployed.md  from what script/vantages saved
runners.md              its table of rungs, from the judges and the runners (docs/vantages.py)
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from builder_contracts import cli
from builder_contracts.contract import document, schemas
from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import READERS
from builder_contracts.judge.explanations import explanation
from builder_contracts.run import pytest_options
from builder_contracts.run.exit_status import MEANINGS
from builder_contracts.run.options import OPTIONS, PYTEST
from builder_contracts.truth.platform import AREAS
from builder_contracts.truth.rules.registry import RULES

DOCS = Path(__file__).parent
ROOT = DOCS.parent
EXAMPLE = DOCS / "examples" / "every-field.yaml"
# Directories with documents of the language; the first document with a field gives its example.
DOCUMENTS = ("docs/examples", "contracts", "canaries")


REFERENCE = """# Contract reference

This page lists every field of every kind of document, as in its JSON Schema (draft 2020-12). Editors read the same
schema: begin a document with `# yaml-language-server: $schema=…`, and they complete and explain it.
`builder-contracts schema NAME` prints a schema. [clauses.md](clauses.md) explains how each promise is judged.

Documents are YAML 1.2 without tags, one per file, at most 1 MB. An unknown field, a duplicate key and a promise that
could not fail are errors, reported with file, line and fix. [One contract](../examples/every-field.yaml) has every field
of a builder class; the examples are from it. Contracts of a whole platform, which are judged against a checkout, are in
[platform.md](platform.md).

"""

PLATFORM_REFERENCE = """# Platform contract reference

This page lists every field of the contracts that a checkout of a platform's repository is judged against, as in their
JSON Schemas. `contracts/platform/` has one contract of each kind. The contracts of builder classes are in
[contract.md](contract.md).

"""

CLAUSES = """# How each clause is judged

A verdict is *kept*, *broken* or *unproven*; a broken clause with a valid waiver is *waived*. A kept clause names its
evidence. *Unproven* means that the clause could not be checked. If this runner or host could have shown it, that is an
error; if it never can, it is a loud skip. It never counts as kept, and `--strict` (pytest: `--strict-contracts`) makes
the skips count against you as well. [architecture.md](../architecture.md#three-outcomes) has the ladder of evidence.

`builder-contracts explain CLAUSE-ID` prints the same for a clause of your own contract. The clauses on this page are
those of [one contract](../examples/every-field.yaml) that has every field. `tests/defects/` breaks runner images in the
ways that are listed here, and checks that the right clause becomes *broken* for the right reason.

"""

OUTPUT = """
Every command uses this table; `pytest -m contract` and `script/contract` use the same numbers.

Output has colors on a terminal only, and none if `NO_COLOR` is set. Results go to standard output; errors and the
progress of long proofs go to standard error. The directory and the user that start a command do not change a verdict:
neither `pytest.ini`, `conftest.py` or `PYTEST_ADDOPTS` nor the Docker client's proxies or the locale matter.

A cache remembers which documents are valid and which clauses failed last (`--last-failed`): the directory
`builder-contracts` under `$XDG_CACHE_HOME` (`~/.cache`). `BUILDER_CONTRACTS_CACHE` sets a different directory; set it to
the empty text to turn the cache off.

Completion for bash (zsh_source and fish_source for the others):

```
eval "$(_BUILDER_CONTRACTS_COMPLETE=bash_source builder-contracts)"
```
"""

PYTEST_PAGE = """
## pytest

Pytest performs the same run. Clauses are items, and node IDs are clause IDs
(`contracts/tinyland-nix.yaml::toolchain/nix`). All options of pytest and pytest-xdist work: `-m contract`,
`-k` (words, no globs), `-n auto`, `--lf`, `-x`, `--junitxml`. The section of a clause is a marker: `-m toolchain`.

Verdicts and exit codes are those of `builder-contracts check`. Pytest itself still exits with 4 for an option that it
does not know, and with 3 for an internal error. If other tests ran in the same session, their failures exit with 1.
Clauses that are unproven for the same reason are shown in full once, then counted.

| option | meaning |
|---|---|
"""

VARIABLES = """
## Environment variables

If an option is absent, these variables set its value.

| variable | option |
|---|---|
"""


RULES_PAGE = """# Rules

What each clause of `contracts/platform/` compares. *Own*: judged in the platform's own repository only. Clauses of
class contracts are on [a page of their own](../truth/classes.md).
"""


PEERS_PAGE = """# Other tools and their questions

This page lists what goss, container-structure-test and testinfra can ask of a container, and the field of a contract
that promises the same: `*` stands for a name of your choice. [contract.md](contract.md) describes
the fields. Where a row has nothing, its note says why the question makes no sense for a runner of CI jobs.

Here most facts have [two witnesses](../architecture.md#two-witnesses), and what nobody could see is unproven.
"""


AS_DEPLOYED = """# The reference classes, in the engine and as deployed

The same images by the same contracts, from two places: a container of the engine, and a pod made from [values of the
chart](../examples/scale-sets/tinyland-nix.yaml) by `--helm-values`. The table has every clause whose outcome or
[rung](../architecture.md#three-outcomes) differs, with the reason as the verdict has it. Proofs are left out: [nothing is
proved in pods](../runners.md#what-each-can-show). The node belongs to this project's tests (`script/kubernetes`) and has none
of the services that the classes promise; the engine's run starts stand-ins for them.

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


# --- reference/contract.md

Place = tuple[str, ...]
"""The path of a field in documents of its kind; ``*`` stands for any name or any item."""

TYPES = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "null": "`null`",
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
        key_name = schemas.resolve(part.get("propertyNames", {}), name).get("title", "name").lower()
        yield from _field(name, inner, f"{path}.<{key_name}>", (*place, "*"), False)
    if isinstance(inner := part.get("items"), dict):
        item = schemas.resolve(inner, name)
        if item.get("type") == "object" and inner.get("$ref", "#").startswith("#"):
            yield from fields(name, item, f"{path}[]", (*place, "*"))
    for form in part.get("anyOf", ()):
        yield from fields(name, schemas.resolve(form, name), path, place)


def _field(name: str, inner: dict[str, Any], path: str, place: Place, required: bool) -> Iterator[Field]:
    resolved = schemas.resolve(inner, name)
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
            dict.fromkeys(allowed(name, schemas.resolve(form, name)) for form in part["anyOf"])
        )
    kinds = part.get("type", "object")
    words = " or ".join(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "items" in part:
        words += f" of {allowed(name, schemas.resolve(part['items'], name))}"
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
    parts = schemas.load(name).get("properties", {})
    fixed = {key: part["const"] for key, part in parts.items() if "const" in part}
    if "kind" not in fixed:
        return []
    paths = [path for folder in DOCUMENTS for path in sorted((ROOT / folder).rglob("*.yaml"))]
    read = (document.read(path).data for path in paths)
    return [data for data in read if isinstance(data, dict) and fixed.items() <= data.items()]


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


def example(field: Field, documents_of_kind: Sequence[Any]) -> str:
    """A value that stands at this place in a real document; the schema's own where there is none."""
    candidates = [value for data in documents_of_kind for value in values(data, field.place)]
    plain = [value for value in candidates if not isinstance(value, dict)]
    if plain:
        return code(plain[0])
    if candidates:
        return ""
    own = [field.part["const"]] if "const" in field.part else [*field.part.get("examples", ())]
    own += [choice for choice in field.part.get("enum", ()) if choice]
    return code(own[0]) if own else ""


# The order in which a reader meets them; what is not named here follows by name.
ORDER = ("builder-class", "builder-base", "environment", "canary")
PLATFORM = "platform-"


def contract_reference() -> str:
    """docs/reference/contract.md"""
    names = [name for name in schemas.names() if not name.startswith(PLATFORM)]
    names.sort(key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return note("contracts/schema/*.json") + REFERENCE + _schemas(names)


def platform_reference() -> str:
    """docs/reference/platform.md"""
    names = [name for name in schemas.names() if name.startswith(PLATFORM)]
    return note("contracts/schema/platform-*.json") + PLATFORM_REFERENCE + _schemas(names)


def _schemas(names: Sequence[str]) -> str:
    text = ""
    for name in names:
        title = schemas.load(name)["title"]
        text += f"- [{title}](#{_anchor(title)}): `{name}.json`\n"
    for name in names:
        text += _reference(name)
    return text


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _reference(name: str) -> str:
    whole = schemas.load(name)
    text = f"\n## {whole['title']}\n\n{whole['description']}\n"
    documents_of_kind = documents(name)
    sections = [list(group) for _, group in groupby(fields(name, whole), lambda field: field.place[0])]
    text += _table(name, [section[0] for section in sections if len(section) == 1], documents_of_kind)
    for first, *rest in (section for section in sections if len(section) > 1):
        text += f"\n### {whole['title']}: `{first.path}`\n\n{first.says}\n"
        text += _block(first.path) if name == "builder-class" else ""
        text += _table(name, rest, documents_of_kind)
    return text


def _table(name: str, listed: Sequence[Field], documents_of_kind: Sequence[Any]) -> str:
    if not listed:
        return ""
    text = "\n| field | what it says | allowed | example |\n|---|---|---|---|\n"
    for field in listed:
        cells = (code(field.path), field.says, allowed(name, field.part), example(field, documents_of_kind))
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


# --- reference/clauses.md


def clauses() -> str:
    """docs/reference/clauses.md"""
    text = note("judge/ and docs/examples/every-field.yaml") + CLAUSES
    contract = load(EXAMPLE, EXAMPLE.name)
    text += "".join(f"- [{kind}](#{kind})\n" for kind in READERS)
    for kind in READERS:
        section = schemas.resolve(schemas.load("builder-class")["properties"][kind])
        text += f"\n## {kind}\n\n{section['description']}\n"
        of_kind = [clause for clause in contract.clauses if clause.kind == kind]
        # Clauses that are judged alike stand together; what is said of them is said of the first.
        for _, group in groupby(of_kind, lambda clause: explanation(clause.promise).how):
            alike = list(group)
            about = explanation(alike[0].promise)
            text += "\n" + "".join(f"**`{clause.local_id}`**: {clause.promise.text}\\\n" for clause in alike)
            text = text.removesuffix("\\\n") + "\n\n"
            for label, words in (
                ("Judged", about.how),
                ("Unproven", about.unproven),
                ("Why it matters", about.why),
                ("Usual defect", about.breaks),
                ("Fix", about.fix),
            ):
                text += f"- *{label}.* {words}\n"
    return text


# --- reference/cli.md


def command_line() -> str:
    """docs/reference/cli.md"""
    text = note("the commands' own help and run/options.py")
    text += f"# Command line\n\n{_prose(cli.group.help or '')}"
    text += "```\nbuilder-contracts [-h | --help] [--version] COMMAND …\n```\n\n## Exit codes\n\n"
    text += "| code | meaning |\n|---|---|\n"
    text += "".join(f"| {code.value} | {cell(meaning)} |\n" for code, meaning in MEANINGS.items())
    text += OUTPUT
    for name, command in sorted(_commands(cli.group, "builder-contracts")):
        text += _command(name, command)
    text += PYTEST_PAGE
    for flags, metavar, words in pytest_options.rows():
        text += _row(flags, metavar, words)
    text += VARIABLES
    for option in OPTIONS:
        if option.variable and option.faces != (PYTEST,):
            text += f"| `{option.variable}` | `{option.flags[-1]}` |\n"
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
        shown = [flag for flag in option.opts if flag not in getattr(option, "aliases", ())]
        text += _row(shown, _metavar(option), (option.help or "") + default)
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


# --- reference/truth-rules.md


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


# --- peers.md


def peers() -> str:
    parts = [note("docs/peers.yaml"), PEERS_PAGE]
    for peer, rows in peer_questions().items():
        parts.append(f"\n## {peer}\n\n| it asks | a contract promises it by | note |\n|---|---|---|\n")
        for row in rows:
            promises = ", ".join(f"`{promise}`" for promise in row.get("promises", ())) or "*nothing*"
            parts.append(f"| {cell(row['asks'])} | {promises} | {cell(row.get('note', ''))} |\n")
    return "".join(parts)


def peer_questions() -> dict[str, list[dict[str, Any]]]:
    """What other tools ask, with the fields of a contract that promise the same."""
    data: dict[str, list[dict[str, Any]]] = document.read(DOCS / "peers.yaml").data
    return data


# --- reference/as-deployed.md


def differences() -> str:
    """docs/reference/as-deployed.md"""
    from docs import as_deployed

    return (
        note("docs/reference/as-deployed.json, which script/vantages writes")
        + AS_DEPLOYED
        + as_deployed.page_part()
    )


# --- runners.md

_TABLE = (
    "<!-- Generated by docs/vantages.py; script/docs writes it. -->\n",
    "<!-- The end of what is generated. -->\n",
)


def runners() -> str:
    """docs/runners.md, in which only one table is generated."""
    # It uses the tables of the judges' tests, so it is needed late and from the root.
    from docs import vantages

    first, last = _TABLE
    before, _, rest = (DOCS / "runners.md").read_text("utf-8").partition(first)
    return f"{before}{first}\n{vantages.page_part(load(EXAMPLE, EXAMPLE.name))}\n\n{last}{rest.partition(last)[2]}"


PAGES: dict[str, Callable[[], str]] = {
    "reference/contract.md": contract_reference,
    "reference/platform.md": platform_reference,
    "reference/clauses.md": clauses,
    "reference/cli.md": command_line,
    "reference/peers.md": peers,
    "reference/truth-rules.md": truth_rules,
    "reference/as-deployed.md": differences,
    "runners.md": runners,
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
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
