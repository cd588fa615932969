"""Scan a checkout in one pass: each file goes once to the readers of its format."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import Location
from builder_contracts.truth.checkout import TOO_DEEP, Checkout, File, Unread
from builder_contracts.truth.model import MatchedLine, Model, NameField, Script
from builder_contracts.truth.other_checkouts import NO_OTHERS, OtherCheckouts
from builder_contracts.truth.readers import (
    bake,
    bazel_module,
    dockerfile,
    helm_releases,
    kubernetes,
    opentofu,
    repository_names,
    workflows,
    yaml,
)
from builder_contracts.truth.value import Value, get, text, without

PAGES = (".md", ".rst", ".txt", ".adoc", ".tex")
"""Files of documentation, by how their names end."""
_COMMENT = ("#", "//", "/*", "*", "--", ";", "%", "<!--")
# An entry of a list: its setting is written above.
_ENTRY = re.compile(r"\s*(?:-\s+)?[\"']?[a-z+]+://")
_OPENERS = ("[", "(", "{", ":", "=", "|", ">", "''")
_ABOVE = 12
_STEM = 6
_CHECK = re.compile(r"health|check|smoke|verify|test", re.IGNORECASE)
# Syntax that only Helm resolves: an object of its templates, a function that reads them, or an action in the
# place of a value. Other programs (Prometheus, Argo Workflows) write {{ }} too, inside strings of valid YAML, and so
# do values that a chart renders itself.
_HELM_OBJECT = re.compile(
    rb"\{\{[^{}\n]{0,300}?(?:\.(?:Values|Release|Chart|Capabilities|Files|Template)\b|\b(?:include|template|tpl)\s)"
)
_HELM_VALUE = re.compile(rb"^[ \t]*(?:-[ \t]+)?(?:[\w./-]+:[ \t]+|-[ \t]+)\{\{", re.MULTILINE)
_HELM_ACTION = re.compile(rb"\{\{-?\s*[.$\w]")
_KIND = re.compile(rb"^kind:[ \t]*[\"']?([^\s\"'#]*)", re.MULTILINE)
_TEMPLATE = "Helm template; check the output of 'helm template' instead"
_OURS = re.compile(rb"^apiVersion:\s*[\"']?builder-contracts/", re.MULTILINE)


@dataclass(frozen=True)
class SearchWords:
    """Search words: words whose lines the rules need, words that make a page worth parsing, and
    files whose text is kept whole."""

    lines: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    keep: frozenset[str] = frozenset()


def scan_checkout(root: Path, words: SearchWords, others: OtherCheckouts = NO_OTHERS) -> Model:
    """Read a checkout, and what it uses of others. Raises InputError if ``root`` is not a directory."""
    checkout = Checkout(root)
    model = Model()
    line_stems = tuple(stem.encode() for stem in stems(words.lines))
    line_words = re.compile(
        "|".join(sorted(map(re.escape, words.lines), key=len, reverse=True)), re.IGNORECASE
    )
    page_stems = tuple(stem.encode() for stem in stems((*words.lines, *words.pages)))
    tofu: list[File] = []
    made: list[str] = []
    targets: list[bake.Target] = []
    pipelines: dict[str, Value] = {}
    releases = helm_releases.ReleaseReader()
    for file in checkout.files():
        model.files += 1
        if file.name.endswith((".yaml", ".yml")) and _OURS.search(file.raw[:4096]):
            continue
        try:
            if file.name.endswith(opentofu.SUFFIXES):
                tofu.append(file)
            elif bake.is_bake(file.name):
                targets += bake.read_bake(file.raw, file.path)
            else:
                _read_format(file, model, pipelines, releases)
            if file.path in repository_names.SURFACES:
                model.surfaces += repository_names.SURFACES[file.path](file)
        except (repository_names.NotReadable, bazel_module.NotStarlark) as error:
            model.unread.append(Unread(file.path, str(error)))
        except RecursionError:
            model.unread.append(Unread(file.path, TOO_DEEP))
        if file.path in words.keep:
            model.kept[file.path] = file.text()
        model.recipes.read(file)
        if file.name == ".gitignore":
            made += _made_later(file)
        # Words are searched for separately: a search for a fixed string is far faster than a pattern.
        lower = file.raw.lower()
        if line_stems and any(stem in lower for stem in line_stems):
            _add_lines(file, line_words, model)
        if file.name.endswith(".md") and any(stem in lower for stem in page_stems):
            model.pages.append((file.path, file.text()))
    model.paths, model.folders = frozenset(checkout.paths), frozenset(checkout.folders)
    of_github = {path: document for path, document in pipelines.items() if workflows.is_workflow(path)}
    workflows.read_workflows(of_github, model, others)
    workflows.read_other_actions(model, others)
    of_gitlab = {path: document for path, document in pipelines.items() if path not in of_github}
    workflows.read_pipelines(of_gitlab, model, checkout.text_of)
    named: set[str] = set()

    def text_of(path: str) -> str | None:
        named.add(path)
        return checkout.text_of(path)

    if tofu:
        # A folder whose files others have as links may be no module itself.
        linked_to = {
            posixpath.dirname(target)
            for path, target in checkout.links.items()
            if path.endswith((".tf", ".tofu"))
        }
        opentofu.read_opentofu(
            _with_links(tofu, checkout, model),
            model,
            text_of,
            lambda folder: folder in linked_to or any(fnmatch.fnmatchcase(folder, place) for place in made),
        )
    if targets and model.builds:
        bake.join(model, targets)
    releases.join(model, named)
    model.origin = checkout.origin
    model.unread = [*checkout.unread, *dict.fromkeys(model.unread)]
    model.binary = checkout.binary
    return model


def _made_later(ignored: File) -> Iterator[str]:
    """Patterns of the folders in which something makes a file of OpenTofu that git does not keep."""
    within = posixpath.dirname(ignored.path)
    for line in ignored.text().splitlines():
        folder, _, name = line.strip().rpartition("/")
        # Files to override others with declare nothing new.
        if name.endswith((".tf", ".tofu")) and "override" not in name and not line.startswith(("!", "#")):
            yield posixpath.join(within, folder.lstrip("/") or "*") if within or folder else "*"


def _with_links(files: list[File], checkout: Checkout, model: Model) -> list[File]:
    """Files of OpenTofu, those included that a module has as links to files of other folders."""
    by_path = {file.path: file for file in files}
    linked: list[File] = []
    for path, target in checkout.links.items():
        if path.endswith(opentofu.SUFFIXES):
            if target in by_path:
                linked.append(File(path, by_path[target].raw))
            else:
                model.unread.append(Unread(path, f"link to {target}, which is not in this checkout"))
    return sorted([*files, *linked], key=lambda file: file.path)


def _read_format(
    file: File, model: Model, pipelines: dict[str, Value], releases: helm_releases.ReleaseReader
) -> None:
    """Give a file to the reader of its format; workflows and pipelines are collected. Raises NotReadable, NotStarlark or RecursionError."""
    if file.name.endswith((".yaml", ".yml")):
        _read_yaml_file(file, model, pipelines, releases)
    elif dockerfile.is_dockerfile(file.path):
        dockerfile.read_dockerfile(file.text(), file.path, model)
    elif file.name.endswith(".sh") and _CHECK.search(file.name):
        model.scripts.append(Script(file.path, file.text()))
    elif file.name == "MODULE.bazel":
        model.bazel_modules.append(bazel_module.read_bazel_module(file))


def stems(words: Iterable[str]) -> list[str]:
    """Fewer, shorter words such that a text with any of the words has one of these: less to search for."""
    kept: list[str] = []
    for word in sorted({word.lower() for word in words}):
        common = os.path.commonprefix([kept[-1], word]) if kept else ""  # noqa: RUF071 - characters are meant
        if len(common) >= _STEM:
            kept[-1] = common
        else:
            kept.append(word)
    return [word for word in kept if not any(other != word and other in word for other in kept)]


def _add_lines(file: File, words: re.Pattern[str], model: Model) -> None:
    page = file.path.endswith(PAGES)
    text = file.text()
    begin, number, end = 0, 1, -1
    for match in words.finditer(text):
        if match.start() < end:
            continue
        start = text.rfind("\n", begin, match.start()) + 1 or begin
        # Counted on from the match before: counting from the start for every match is quadratic.
        number += text.count("\n", begin, start)
        begin = start
        end = text.find("\n", match.start())
        end = len(text) if end < 0 else end
        line = text[begin:end].rstrip("\r")[:2000]
        prose = page or line.lstrip().startswith(_COMMENT)
        key = _key_above(text, begin) if _ENTRY.match(line) else ""
        model.lines.append(MatchedLine(line, Location(file.path, number), prose, key))


def _key_above(text: str, begin: int) -> str:
    """The line that opens the list or block of text around a bare entry; the search ends after a few lines."""
    end = begin - 1
    for _ in range(_ABOVE):
        if end <= 0:
            break
        start = text.rfind("\n", max(0, end - 500), end) + 1
        line = text[start:end].strip()
        if line.endswith(_OPENERS):
            return line[-200:]
        end = start - 1
    return ""


def _is_only_schema(raw: bytes) -> bool:
    """Whether a file holds definitions of resources only: no reader uses them, and they are the longest files there are."""
    kinds = _KIND.findall(raw)
    return bool(kinds) and all(kind == b"CustomResourceDefinition" for kind in kinds)


def _read_yaml_file(
    file: File, model: Model, pipelines: dict[str, Value], releases: helm_releases.ReleaseReader
) -> None:
    """The documents of a YAML file that some reader uses."""
    path, raw = file.path, file.raw
    special = any(
        is_special(path)
        for is_special in (
            workflows.is_workflow,
            workflows.is_action,
            workflows.is_pipeline,
            workflows.is_label_list,
        )
    )
    manifest = b"apiVersion:" in raw and b"kind:" in raw and not _is_only_schema(raw)
    values = b"githubConfigUrl" in raw or file.name in helm_releases.NAMED
    if not (special or manifest or values):
        return
    template = b"{{" in raw and not special
    in_chart = "/templates/" in f"/{path}"
    if template and (_HELM_VALUE.search(raw) or (in_chart and _HELM_OBJECT.search(raw))):
        model.unread.append(Unread(path, _TEMPLATE))
        return
    try:
        documents = yaml.read(file.text(), path, repeated=model.repeated_keys if special else None)
    except yaml.NotYaml as error:
        action = _HELM_ACTION.search(raw) if template else None
        model.unread.append(Unread(path, _TEMPLATE if action else f"not YAML at line {error.line}: {error}"))
        return
    if template:
        documents = [
            document
            # Its own generators fill it in.
            if text(get(document, "kind")) == "ApplicationSet"
            else without(document, "{{", "is resolved at run time")
            for document in documents
        ]
    for document in documents:
        if workflows.is_workflow(path):
            pipelines[path] = document
            if match := repository_names.WORKFLOW_NAME.search(file.text()):
                line = file.text().count("\n", 0, match.start()) + 1
                written = match[1].strip("\"'")
                model.surfaces.append(NameField("workflow name", written, False, Location(path, line)))
        elif workflows.is_label_list(path):
            workflows.read_label_list(document, model)
        elif workflows.is_action(path):
            workflows.read_action(document, path, model)
        elif workflows.is_pipeline(path):
            # A document before the last is a header with the inputs of the file.
            pipelines[path] = document
        else:
            releases.read(document, path)
            if manifest:
                kubernetes.read_kubernetes(document, model)
