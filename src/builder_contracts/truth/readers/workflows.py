"""GitHub workflows, composite actions and GitLab pipelines to jobs and their steps."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from builder_contracts.truth.model import Action, ImageUse, Job, LabelChoice, Model, Step
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text

_MATRIX = re.compile(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}")

_GITLAB_WORDS = frozenset({"stages", "variables", "default", "include", "workflow", "image", "services", "cache",
                           "before_script", "after_script", "spec", "pages"})  # fmt: skip


def is_workflow(path: str) -> bool:
    """Whether GitHub would run the file."""
    return path.startswith(".github/workflows/") and path.count("/") == 2


def is_action(path: str) -> bool:
    """Whether the file defines an action."""
    return path.rpartition("/")[2] in ("action.yml", "action.yaml")


def is_pipeline(path: str) -> bool:
    """Whether GitLab reads the file, directly or through an include."""
    return path.rpartition("/")[2].endswith((".gitlab-ci.yml", ".gitlab-ci.yaml"))


def is_label_list(path: str) -> bool:
    """Whether the file is actionlint's, which lists the repository's own labels."""
    return path in (".github/actionlint.yaml", ".github/actionlint.yml")


def read_label_list(value: Value, model: Model) -> None:
    """Add the labels that the repository declares for its own runners; they can be patterns."""
    model.own_labels += items(get(value, "self-hosted-runner", "labels"))


def read_workflow(value: Value, model: Model) -> None:
    """Add the jobs of a workflow of GitHub Actions."""
    for name, job in fields(get(value, "jobs")).items():
        container = get(job, "container")
        if container is not None:
            image = container if text(container) is not None else get(container, "image")
            if image is not None:
                model.images.append(ImageUse(image, f"job {name}"))
        model.jobs.append(
            Job(
                forge="github",
                name=name,
                choices=_choices(get(job, "runs-on"), job),
                container=container,
                steps=_steps(get(job, "steps")) or _called(job),
                timeout=get(job, "timeout-minutes"),
                artifacts=(),
                at=job.at,
            )
        )
        for service in fields(get(job, "services")).values():
            if (image := get(service, "image")) is not None:
                model.images.append(ImageUse(image, f"service of job {name}"))


def _choices(value: Value | None, job: Value) -> tuple[LabelChoice, ...] | None:
    """Every list of labels that ``runs-on`` can evaluate to; None if it uses more than the matrix."""
    group = get(value, "labels")
    written = group if group is not None else value
    if written is None:
        return ()
    labels = [written] if text(written) is not None else items(written)
    if isinstance(written, Unknown) or any(text(label) is None for label in labels):
        return None
    keys = dict.fromkeys(key for label in labels for key in _MATRIX.findall(text(label) or ""))
    choices: list[LabelChoice] = []
    for row in _rows(get(job, "strategy", "matrix"), list(keys)):
        filled = [part for label in labels for part in _filled(label, row)]
        if any("${{" in (text(part) or "${{") for part in filled):
            return None
        matrix = {key: scalar for key, item in row.items() if (scalar := text(item)) is not None}
        choices.append(LabelChoice(tuple(filled), matrix))
    return tuple(choices) or None


def _filled(label: Value, row: Mapping[str, Value]) -> list[Value]:
    """A label with the values of a row of the matrix; a row's value can be a list of labels by itself."""
    written = text(label) or ""
    whole = _MATRIX.fullmatch(written.strip())
    if whole is not None and whole[1] in row:
        value = row[whole[1]]
        return [value] if text(value) is not None else items(value)
    filled = _MATRIX.sub(lambda use: text(row.get(use[1])) or use[0], written)
    return [label if filled == written else Known(filled, label.at)]


def _rows(matrix: Value | None, keys: Sequence[str]) -> Iterator[Mapping[str, Value]]:
    """The combinations of a matrix as far as they differ in these keys, without those that ``exclude`` names."""
    if not keys:
        yield {}
        return
    excluded = [fields(entry) for entry in items(get(matrix, "exclude"))]
    for values in itertools.product(*(items(get(matrix, key)) for key in keys)):
        row = dict(zip(keys, values, strict=True))
        if not any(entry and entry.keys() <= row.keys() and all(text(row[key]) == text(value) for key, value in entry.items())
                   for entry in excluded):  # fmt: skip
            yield row
    for entry in items(get(matrix, "include")):
        if set(keys) <= fields(entry).keys():
            yield fields(entry)


def _called(job: Value) -> tuple[Step, ...]:
    """The step of a job that calls a workflow: ``jobs.x.uses``."""
    uses = get(job, "uses")
    return (Step("workflow", None, uses, {}, uses.at),) if uses is not None else ()


def _steps(value: Value | None) -> tuple[Step, ...]:
    return tuple(
        Step(
            name=text(get(step, "name")) or text(get(step, "id")) or f"step {number}",
            run=get(step, "run"),
            uses=get(step, "uses"),
            arguments=fields(get(step, "with")),
            at=step.at,
            condition=get(step, "if"),
        )
        for number, step in enumerate(items(value), 1)
    )


def read_action(value: Value, path: str, model: Model) -> None:
    """Add a composite action; actions of other kinds have no steps."""
    folder = path.rpartition("/")[0]
    model.actions.append(Action(folder, _steps(get(value, "runs", "steps")), value.at))


def read_pipeline(value: Value, model: Model) -> None:
    """Add the jobs of a GitLab pipeline; hidden jobs are templates and never run by themselves."""
    general = get(value, "default", "image") or get(value, "image")
    tags = get(value, "default", "tags")
    for name, job in fields(value).items():
        if name in _GITLAB_WORDS or name.startswith(".") or not fields(job):
            continue
        if get(job, "script") is None and get(job, "extends") is None:
            continue
        image = get(job, "image") or (general if get(job, "extends") is None else None)
        reference = image if text(image) is not None else get(image, "name")
        if reference is not None:
            model.images.append(ImageUse(reference, f"job {name}"))
        script = [line for key in ("before_script", "script") for line in _script(get(job, key))]
        steps = tuple(
            Step(f"line {number}", line, None, {}, line.at) for number, line in enumerate(script, 1)
        )
        choice = LabelChoice(tuple(items(get(job, "tags") or tags)))
        model.jobs.append(
            Job("gitlab", name, (choice,), reference, steps, get(job, "timeout"),
                tuple(items(get(job, "artifacts", "paths"))), job.at)
        )  # fmt: skip


def _script(value: Value | None) -> list[Value]:
    if value is not None and text(value) is not None:
        return [value]
    flat: list[Value] = []
    for item in items(value):
        flat += items(item) if isinstance(item, Known) and isinstance(item.data, list) else [item]
    return flat
