"""Read GitHub workflows, composite actions and GitLab pipelines into jobs and their steps."""

from __future__ import annotations

import fnmatch
import itertools
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from builder_contracts.truth.checkout import Unread
from builder_contracts.truth.model import (
    CiJob,
    CiStep,
    CompositeAction,
    ImageUse,
    LabelChoice,
    Model,
    Pipeline,
    PipelineJob,
)
from builder_contracts.truth.other_checkouts import NO_OTHERS, OtherCheckouts
from builder_contracts.truth.readers import yaml
from builder_contracts.truth.readers.expressions import MOST, UNKNOWN, possible_values
from builder_contracts.truth.value import Known, Value, fields, get, items, plain, text

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_WHOLE = re.compile(r"\s*\$\{\{((?:(?!\}\}).)*)\}\}\s*", re.DOTALL)
_MATRIX_KEY = re.compile(r"\bmatrix\.([\w-]+)")
# GitHub makes at most 256 jobs of a matrix.
_MOST_ROWS = 256

_GITLAB_WORDS = frozenset({"stages", "variables", "default", "include", "workflow", "image", "services", "cache",
                           "before_script", "after_script", "spec", "pages"})  # fmt: skip

# https://docs.gitlab.com/ci/yaml/#default and #extends
_GITLAB_DEFAULTS = frozenset({"image", "before_script", "after_script", "services", "cache"})
_GITLAB_DEPTH = 10
_GITLAB_ACTS = frozenset({"script", "run", "trigger"})


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


def read_workflows(documents: Mapping[str, Value], model: Model, others: OtherCheckouts = NO_OTHERS) -> None:
    """Add the jobs of all workflows, and of those that they call in other checkouts; one that another calls gets the
    inputs that are passed.
    """
    passed: dict[str, list[Mapping[str, Value]]] = {}
    by_path = dict(documents)
    pending = list(documents)
    while pending:
        path = pending.pop(0)
        for job in fields(get(by_path[path], "jobs")).values():
            called = _called_workflow(job, path, others)
            _note_other_ref(called, model, others)
            passed.setdefault(called, []).append(fields(get(job, "with")))
            if called not in by_path and (document := others.workflow(called)) is not None:
                by_path[called] = document
                pending.append(called)
    for path, document in by_path.items():
        read_workflow(document, model, passed.get(path, ()), path, by_path, others)


def _called_workflow(job: Value, path: str, others: OtherCheckouts) -> str:
    """The workflow that a job calls: its path, with the repository in front where that is another."""
    written = text(get(job, "uses")) or ""
    if not written.startswith("./"):
        return others.named(written)
    uses = written.partition("@")[0]
    return path.partition(".github/")[0] + uses.removeprefix("./")


def read_workflow(
    value: Value,
    model: Model,
    passed: Sequence[Mapping[str, Value]] = (),
    path: str = "",
    followed: Collection[str] = (),
    others: OtherCheckouts = NO_OTHERS,
) -> None:
    """Add the jobs of a workflow of GitHub Actions; ``passed`` are the inputs of each caller, ``followed`` the workflows
    that were read.
    """
    inputs = _inputs(value, passed)
    for name, job in fields(get(value, "jobs")).items():
        container = get(job, "container")
        if container is not None:
            image = container if text(container) is not None else get(container, "image")
            if image is not None:
                model.images.append(ImageUse(image, f"job {name}"))
        choices, computed = _choices(get(job, "runs-on"), job, inputs)
        model.jobs.append(
            CiJob(
                forge="github",
                name=name,
                choices=choices,
                container=container,
                steps=_steps(get(job, "steps"))
                or _called(job, _called_workflow(job, path, others), followed),
                timeout=get(job, "timeout-minutes"),
                artifacts=(),
                at=job.at,
                computed=computed,
                services=tuple(fields(get(job, "services")).values()),
            )
        )
        for service in fields(get(job, "services")).values():
            if (image := get(service, "image")) is not None:
                model.images.append(ImageUse(image, f"service of job {name}"))


def _inputs(workflow: Value, passed: Sequence[Mapping[str, Value]]) -> dict[str, list[Any]]:
    """What ``inputs.x`` can be: the options of a choice, what callers pass, or the default and anything else."""
    names: dict[str, list[Any]] = {}
    for trigger in ("workflow_call", "workflow_dispatch"):
        for name, declared in fields(get(workflow, "on", trigger, "inputs")).items():
            default = [] if (value := get(declared, "default")) is None else [plain(value)]
            options = [plain(option) for option in items(get(declared, "options"))]
            values = options or [*default, UNKNOWN]
            if trigger == "workflow_call" and passed:
                values = [value for inputs in passed for value in _given(inputs.get(name), default)]
            names.setdefault(f"inputs.{name}", []).extend(values)
            if trigger == "workflow_dispatch":
                names[f"github.event.inputs.{name}"] = values
    return names


def _given(value: Value | None, default: list[Any]) -> list[Any]:
    if value is None:
        return default or [UNKNOWN]
    written = text(value)
    return [UNKNOWN] if written is None or "${{" in written else [plain(value)]


def _choices(
    value: Value | None, job: Value, inputs: Mapping[str, list[Any]]
) -> tuple[tuple[LabelChoice, ...], bool]:
    """Every list of labels that ``runs-on`` can evaluate to, and whether others are possible at run time."""
    group = get(value, "labels")
    written = group if group is not None else value
    if written is None:
        return (), False
    labels = [written] if text(written) is not None else items(written)
    used = {key for label in labels for key in _MATRIX_KEY.findall(text(label) or "")}
    choices: list[LabelChoice] = []
    computed = any(text(label) is None for label in labels)
    for row in _rows(get(job, "strategy", "matrix"), used):
        names: dict[str, list[Any]] = {**inputs, **{f"matrix.{key}": [None] for key in used if row}}
        for key, item in row.items():
            names[f"matrix.{key}"] = [plain(item)]
            names.update({f"matrix.{key}.{inner}": [plain(part)] for inner, part in fields(item).items()})
        matrix = {key: scalar for key, item in row.items() if (scalar := text(item)) is not None}
        options = [_label_options(label, row, names) for label in labels]
        for combination in itertools.islice(itertools.product(*options), MOST):
            if any(option is None for option in combination):
                computed = True
            else:
                asked = tuple(label for option in combination for label in option or ())
                choices.append(LabelChoice(asked, matrix))
    return tuple(choices), computed


def _label_options(
    label: Value, row: Mapping[str, Value], names: Mapping[str, list[Any]]
) -> list[list[Value] | None]:
    """The value of a label: a label or a list of labels, None for a value that is known only at run time."""
    written = text(label) or ""
    if "${{" not in written:
        return [[label]]
    whole = _WHOLE.fullmatch(written)
    if whole is not None:
        key = whole[1].strip().removeprefix("matrix.")
        if whole[1].strip() != key and key in row:
            # The line of the matrix is where the label is written.
            return [[row[key]] if text(row[key]) is not None else items(row[key])]
        values = possible_values(whole[1], names)
    else:
        parts = _EXPRESSION.split(written)
        every = [
            [part] if number % 2 == 0 else possible_values(part, names) for number, part in enumerate(parts)
        ]
        values = [UNKNOWN if UNKNOWN in combination else "".join(map(str, combination))
                  for combination in itertools.islice(itertools.product(*every), MOST)]  # fmt: skip
    options: list[list[Value] | None] = []
    for value in values:
        if value is UNKNOWN:
            options.append(None)
        elif isinstance(value, list):
            options.append([Known(str(part), label.at) for part in value])
        elif value and not isinstance(value, bool):
            options.append([Known(str(value), label.at)])
    return options


def _rows(matrix: Value | None, used: Collection[str]) -> list[Mapping[str, Value]]:
    """The jobs of a matrix as GitHub makes them of its lists, ``exclude`` and ``include``.

    One row without values represents a job without a matrix, or with a computed matrix.
    """
    axes = {key: items(axis) for key, axis in fields(matrix).items()
            if key not in ("include", "exclude") and items(axis)}  # fmt: skip
    if math.prod(map(len, axes.values())) > _MOST_ROWS:
        axes = {key: axis for key, axis in axes.items() if key in used}
    excluded = [fields(entry) for entry in items(get(matrix, "exclude"))]
    rows: list[dict[str, Value]] = []
    for values in itertools.islice(itertools.product(*axes.values()), _MOST_ROWS) if axes else ():
        row = dict(zip(axes, values, strict=True))
        if not any(entry and entry.keys() <= row.keys() and _agree(row, entry) for entry in excluded):
            rows.append(row)
    added: list[dict[str, Value]] = []
    for entry in map(fields, items(get(matrix, "include"))):
        extended = [
            number for number, row in enumerate(rows) if _agree({key: row[key] for key in axes}, entry)
        ]
        for number in extended:
            rows[number] = {**rows[number], **entry}
        if not extended:
            added.append(entry)
    return [*rows, *added] or [{}]


def _agree(row: Mapping[str, Value], entry: Mapping[str, Value]) -> bool:
    return all(plain(row[key]) == plain(value) for key, value in entry.items() if key in row)


def _called(job: Value, workflow: str, followed: Collection[str]) -> tuple[CiStep, ...]:
    """The step of a job that calls a workflow which was not read: ``jobs.x.uses``."""
    uses = get(job, "uses")
    is_own = workflow.startswith(".github/")
    if uses is None or (workflow in followed and not is_own):
        return ()
    if not is_own and (text(uses) or "").startswith("./"):
        # A path of another repository is named with it.
        uses = Known(workflow, uses.at)
    return (CiStep("workflow", None, uses, {}, uses.at),)


def _steps(value: Value | None) -> tuple[CiStep, ...]:
    return tuple(
        CiStep(
            name=text(get(step, "name")) or text(get(step, "id")) or f"step {number}",
            run=get(step, "run"),
            uses=get(step, "uses"),
            arguments=fields(get(step, "with")),
            at=step.at,
            condition=get(step, "if"),
            may_fail=text(get(step, "continue-on-error")) == "true",
        )
        for number, step in enumerate(items(value), 1)
    )


def read_action(value: Value, path: str, model: Model) -> None:
    """Add a composite action; actions of other kinds have no steps."""
    model.actions.append(_action(value, path.rpartition("/")[0]))


def _action(value: Value, path: str, *, elsewhere: bool = False) -> CompositeAction:
    inputs = {
        name: default
        for name, declared in fields(get(value, "inputs")).items()
        if (default := get(declared, "default")) is not None
    }
    in_container = text(get(value, "runs", "using")) == "docker"
    return CompositeAction(
        path, _steps(get(value, "runs", "steps")), value.at, inputs, in_container, elsewhere
    )


def _note_other_ref(uses: str, model: Model, others: OtherCheckouts) -> None:
    if given := others.other_ref(uses):
        model.other_refs[uses] = given


def read_other_actions(model: Model, others: OtherCheckouts) -> None:
    """Add the actions of other checkouts that jobs and actions use."""
    read: set[str] = set()
    pending = [step for job in model.jobs for step in job.steps]
    pending += [step for action in model.actions for step in action.steps]
    while pending:
        uses = text(pending.pop().uses) or ""
        if uses in read or uses.startswith(("./", "docker:")):
            continue
        read.add(uses)
        _note_other_ref(uses, model, others)
        if (document := others.action(others.named(uses))) is not None:
            action = _action(document, uses, elsewhere=True)
            model.actions.append(action)
            pending += action.steps


def read_pipelines(
    documents: Mapping[str, Value], model: Model, text_of: Callable[[str], str | None] = lambda _: None
) -> None:
    """Add the jobs of all GitLab pipelines of a checkout; what a pipeline includes shares its names.

    ``text_of`` has the files that a pipeline includes under names of their own.
    """
    included: set[str] = set()
    documents = dict(documents)
    for root in list(documents):
        if root.rpartition("/")[2] in (".gitlab-ci.yml", ".gitlab-ci.yaml"):
            merged: dict[str, Value] = {}
            elsewhere: list[Value] = []
            for path in _with_includes(root, documents, model, text_of):
                merged = _merged(merged, fields(documents[path]))
                elsewhere += [
                    entry for entry in _includes(documents[path]) if not _named(entry, root, documents)
                ]
                included.add(path)
            whole = Known(merged, documents[root].at)
            read_pipeline(whole, model)
            jobs = tuple(_pipeline_jobs(whole, is_partial=bool(elsewhere)))
            model.pipelines.append(Pipeline(merged.get("stages"), jobs, tuple(elsewhere), whole.at))
    for path, document in documents.items():
        if path not in included:
            read_pipeline(document, model)


def _with_includes(
    root: str, documents: dict[str, Value], model: Model, text_of: Callable[[str], str | None]
) -> list[str]:
    """A pipeline after the files of the same checkout that it includes: its own keys count most."""
    reached: dict[str, None] = {}
    pending = [root]
    while pending:
        path = pending.pop()
        if path in reached:
            continue
        reached[path] = None
        for entry in _includes(documents[path]):
            for other in _named(entry, root, model.paths):
                if other not in documents and (document := _included(other, text_of, model)) is not None:
                    documents[other] = document
            pending += _named(entry, root, documents)
    return list(reversed(reached))


def _named(entry: Value, root: str, paths: Iterable[str]) -> list[str]:
    """Those of the files that an entry of ``include`` names; none if they are elsewhere."""
    local = _local(entry)
    pattern = f"{root.rpartition('/')[0]}/{(local or '').lstrip('/')}".lstrip("/")
    return fnmatch.filter(paths, pattern) if local else []


def _included(path: str, text_of: Callable[[str], str | None], model: Model) -> Value | None:
    """The last document of a file of YAML: a document before it is a header with the inputs of the file."""
    written = text_of(path)
    try:
        return next(reversed(yaml.read(written or "", path, repeated=model.repeated_keys)), None)
    except yaml.NotYaml as error:
        model.unread.append(Unread(path, f"not YAML at line {error.line}: {error}"))
        return None


def _includes(document: Value) -> list[Value]:
    include = get(document, "include")
    return items(include) or ([include] if include is not None else [])


def _local(entry: Value) -> str | None:
    """The file of the checkout that an entry of ``include`` names; None if it is elsewhere."""
    written = text(entry) or text(get(entry, "local"))
    return None if written is None or "://" in written else written


def _pipeline_jobs(pipeline: Value, *, is_partial: bool) -> Iterator[PipelineJob]:
    """The jobs of a pipeline with its includes, of which some are elsewhere if it is partial."""
    written = fields(pipeline)
    for name, own in written.items():
        if name in _GITLAB_WORDS or name.startswith(".") or not fields(own):
            continue
        job, complete = _extended(own, written, 0)
        # A job that does nothing by itself changes one of a file elsewhere.
        complete = complete and not (is_partial and _GITLAB_ACTS.isdisjoint(job))
        stage = job.get("stage") or (Known("test", own.at) if complete else None)
        waits_for = [
            entry if text(entry) is not None else get(entry, "job")
            for entry in items(job.get("needs"))
            if text(get(entry, "optional")) != "true"
            and get(entry, "project") is None
            and get(entry, "pipeline") is None
        ]
        yield PipelineJob(name, stage, tuple(entry for entry in waits_for if entry is not None), own.at)


def read_pipeline(value: Value, model: Model) -> None:
    """Add the jobs of a GitLab pipeline; hidden jobs are templates and never run by themselves."""
    written = fields(value)
    # The older form has the defaults at the top level.
    defaults = {
        **{key: written[key] for key in _GITLAB_DEFAULTS & written.keys()},
        **fields(get(value, "default")),
    }
    for name, own in written.items():
        if name in _GITLAB_WORDS or name.startswith(".") or not fields(own):
            continue
        if get(own, "script") is None and get(own, "extends") is None:
            continue
        merged, complete = _extended(own, written, 0)
        # A template in another file may set what a default would.
        job = Known({**(defaults if complete else {}), **merged}, own.at)
        image = get(job, "image")
        reference = image if text(image) is not None else get(image, "name")
        if reference is not None:
            model.images.append(ImageUse(reference, f"job {name}"))
        script = [line for key in ("before_script", "script") for line in _script(get(job, key))]
        steps = tuple(
            CiStep(f"line {number}", line, None, {}, line.at) for number, line in enumerate(script, 1)
        )
        choice = LabelChoice(tuple(items(get(job, "tags"))))
        model.jobs.append(
            CiJob("gitlab", name, (choice,), reference, steps, get(job, "timeout"),
                tuple(items(get(job, "artifacts", "paths"))), job.at, artifacts_of=_artifacts_of(job))
        )  # fmt: skip


def _artifacts_of(job: Value) -> tuple[str, ...]:
    """The jobs that a job names as those whose artifacts it gets."""
    written = get(job, "dependencies")
    named = items(written) if written is not None else items(get(job, "needs"))
    names = [
        text(entry) or text(get(entry, "job")) for entry in named if text(get(entry, "artifacts")) != "false"
    ]
    return tuple(name for name in names if name)


def _extended(job: Value, jobs: Mapping[str, Value], depth: int) -> tuple[dict[str, Value], bool]:
    """A job's keys with those of the templates that it extends, and whether all of these are in this file."""
    extends = get(job, "extends")
    merged: dict[str, Value] = {}
    complete = depth <= _GITLAB_DEPTH
    for parent in [extends] if text(extends) is not None else items(extends):
        template = jobs.get(text(parent) or "")
        if template is None or parent is None or not complete:
            complete = False
            continue
        inherited, complete = _extended(template, jobs, depth + 1)
        merged = _merged(merged, inherited)
    return _merged(merged, fields(job)), complete


def _merged(under: Mapping[str, Value], over: Mapping[str, Value]) -> dict[str, Value]:
    """Mappings are merged key by key, everything else is replaced, as GitLab does."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if below is not None and fields(below) and fields(value):
            merged[key] = Known(_merged(fields(below), fields(value)), value.at)
        else:
            merged[key] = value
    return merged


def _script(value: Value | None) -> list[Value]:
    if value is not None and text(value) is not None:
        return [value]
    flat: list[Value] = []
    for item in items(value):
        flat += items(item) if isinstance(item, Known) and isinstance(item.data, list) else [item]
    return flat
