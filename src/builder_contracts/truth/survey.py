"""One pass over a checkout: every file goes to the readers of its format, once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import Source
from builder_contracts.truth.checkout import Checkout, File, Unread
from builder_contracts.truth.model import Line, Model, Script, Surface
from builder_contracts.truth.readers import bake, dockerfile, kubernetes, names, opentofu, workflows, yaml

_PROSE = (".md", ".rst", ".txt", ".adoc", ".tex")
_COMMENT = ("#", "//", "/*", "*", "--", ";", "%", "<!--")
_STEM = 6
_CHECK = re.compile(r"health|check|smoke|verify|test", re.IGNORECASE)
_OURS = re.compile(rb"^apiVersion:\s*[\"']?builder-contracts/", re.MULTILINE)


@dataclass(frozen=True)
class Words:
    """What to look for: words whose lines the rules want, words that make a page worth parsing, and
    files whose text is kept whole."""

    lines: tuple[str, ...]
    pages: tuple[str, ...]
    keep: frozenset[str] = frozenset()


def scan_checkout(root: Path, words: Words) -> Model:
    """Read a checkout. Raises InputError when there is no folder at ``root``."""
    checkout = Checkout(root)
    model = Model()
    line_stems = tuple(stem.encode() for stem in stems(words.lines))
    line_words = re.compile(
        "|".join(sorted(map(re.escape, words.lines), key=len, reverse=True)), re.IGNORECASE
    )
    page_stems = tuple(stem.encode() for stem in stems((*words.lines, *words.pages)))
    tofu: list[File] = []
    baked: list[File] = []
    for file in checkout.files():
        model.files += 1
        name = file.name
        if name.endswith(opentofu.SUFFIXES):
            tofu.append(file)
        elif bake.is_bake(name):
            baked.append(file)
        elif name.endswith((".yaml", ".yml")):
            if _OURS.search(file.raw[:4096]):
                continue
            _read_yaml_file(file, model)
        elif dockerfile.is_dockerfile(file.path):
            dockerfile.read_dockerfile(file.text(), file.path, model)
        elif name.endswith(".sh") and _CHECK.search(name):
            model.scripts.append(Script(file.path, file.text()))
        elif name == "MODULE.bazel":
            model.root_refusals += names.root_refusals(file)
        if file.path in words.keep:
            model.kept[file.path] = file.text()
        if file.path in names.SURFACES:
            try:
                model.surfaces += names.SURFACES[file.path](file)
            except names.NotReadable as error:
                model.unread.append(Unread(file.path, str(error)))
        # Words are looked for one after another: a search for a fixed string is far faster than a pattern.
        lower = file.raw.lower()
        if line_stems and any(word in lower for word in line_stems):
            _add_lines(file, line_words, model)
        if name.endswith(".md") and any(word in lower for word in page_stems):
            model.pages.append((file.path, file.text()))
    if tofu:
        opentofu.read_opentofu(tofu, model)
    if baked and model.builds:
        bake.join(model, [target for file in baked for target in bake.read_bake(file.raw, file.path)])
    model.paths, model.folders = frozenset(checkout.paths), frozenset(checkout.folders)
    model.origin = checkout.origin
    model.unread = [*checkout.unread, *model.unread]
    model.binary = checkout.binary
    return model


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
    page = file.path.endswith(_PROSE)
    text = file.text()
    last = 0
    for match in words.finditer(text):
        if match.start() < last:
            continue
        begin = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.start())
        end = len(text) if end < 0 else end
        last = end
        line = text[begin:end].rstrip("\r")[:2000]
        prose = page or line.lstrip().startswith(_COMMENT)
        model.lines.append(Line(line, Source(file.path, text.count("\n", 0, begin) + 1), prose))


def _read_yaml_file(file: File, model: Model) -> None:
    """The documents of a YAML file that some reader wants."""
    path, raw = file.path, file.raw
    special = workflows.is_workflow(path) or workflows.is_action(path) or workflows.is_pipeline(path)
    manifest = b"apiVersion:" in raw and b"kind:" in raw
    values = b"githubConfigUrl" in raw
    if not (special or manifest or values):
        return
    if b"{{" in raw and not special:
        if re.search(rb"\{\{-?\s*[.$\w]", raw):
            model.unread.append(Unread(path, "Helm template; check the output of 'helm template' instead"))
        return
    try:
        documents = yaml.read(file.text(), path)
    except yaml.NotYaml as error:
        model.unread.append(Unread(path, f"not YAML at line {error.line}: {error}"))
        return
    for document in documents:
        if workflows.is_workflow(path):
            workflows.read_workflow(document, model)
            if match := names.WORKFLOW_NAME.search(file.text()):
                line = file.text().count("\n", 0, match.start()) + 1
                written = match[1].strip("\"'")
                model.surfaces.append(Surface("workflow name", written, False, Source(path, line)))
        elif workflows.is_action(path):
            workflows.read_action(document, path, model)
        elif workflows.is_pipeline(path):
            workflows.read_pipeline(document, model)
        elif kubernetes.is_helm_values(document):
            kubernetes.helm_values(document, path, model)
        elif manifest:
            kubernetes.read_kubernetes(document, model)
