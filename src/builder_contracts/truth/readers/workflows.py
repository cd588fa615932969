"""GitHub workflows, composite actions and GitLab pipelines to jobs and their steps."""

from __future__ import annotations

from builder_contracts.truth.model import CiJob, CiStep, CompositeAction, ImageUse, Model
from builder_contracts.truth.value import Known, Value, fields, get, items, text

_GITLAB_WORDS = frozenset({"stages", "variables", "default", "include", "workflow", "image", "services", "cache",
                           "before_script", "after_script", "spec", "pages"})  # fmt: skip


def is_workflow(path: str) -> bool:
    """Whether GitHub would run the file."""
    return path.startswith(".github/workflows/") and path.count("/") == 2


def is_action(path: str) -> bool:
    """Whether the file defines an action."""
    return path.rpartition("/")[2] in ("action.yml", "action.yaml")


def is_pipeline(path: str) -> bool:
    """Whether GitLab reads the file, by itself or where it is included from."""
    return path.rpartition("/")[2].endswith((".gitlab-ci.yml", ".gitlab-ci.yaml"))


def read_workflow(value: Value, model: Model) -> None:
    """Add the jobs of a workflow of GitHub Actions."""
    for name, job in fields(get(value, "jobs")).items():
        container = get(job, "container")
        if container is not None:
            image = container if text(container) is not None else get(container, "image")
            if image is not None:
                model.images.append(ImageUse(image, f"job {name}"))
        model.jobs.append(
            CiJob(
                forge="github",
                name=name,
                labels=_labels(get(job, "runs-on"), job),
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


def _labels(value: Value | None, job: Value) -> tuple[Value, ...] | None:
    if value is None:
        return ()
    group = get(value, "labels")
    single = group if group is not None else value
    labels: list[Value] = []
    for label in [single] if text(single) is not None else items(single):
        written = text(label)
        if written is None:
            continue
        matrix = _matrix(written, job)
        if matrix is not None:
            labels += matrix
        elif "${{" in written:
            return None
        else:
            labels.append(label)
    return tuple(labels)


def _matrix(written: str, job: Value) -> list[Value] | None:
    """The values of ``${{ matrix.x }}``, which the job itself lists."""
    if not (written.startswith("${{") and written.endswith("}}")):
        return None
    path = written[3:-2].strip().split(".")
    if len(path) != 2 or path[0] != "matrix":
        return None
    matrix = get(job, "strategy", "matrix")
    values = items(get(matrix, path[1]))
    values += [value for entry in items(get(matrix, "include")) if (value := get(entry, path[1])) is not None]
    return [value for value in values if text(value) is not None] or None


def _called(job: Value) -> tuple[CiStep, ...]:
    """A job that is a whole workflow of its own: ``jobs.x.uses``."""
    uses = get(job, "uses")
    return (CiStep("workflow", None, uses, {}, uses.at),) if uses is not None else ()


def _steps(value: Value | None) -> tuple[CiStep, ...]:
    return tuple(
        CiStep(
            name=text(get(step, "name")) or text(get(step, "id")) or f"step {number}",
            run=get(step, "run"),
            uses=get(step, "uses"),
            arguments=fields(get(step, "with")),
            at=step.at,
        )
        for number, step in enumerate(items(value), 1)
    )


def read_action(value: Value, path: str, model: Model) -> None:
    """Add a composite action; actions of other kinds have no steps."""
    folder = path.rpartition("/")[0]
    model.actions.append(CompositeAction(folder, _steps(get(value, "runs", "steps")), value.at))


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
            CiStep(f"line {number}", line, None, {}, line.at) for number, line in enumerate(script, 1)
        )
        labels = tuple(items(get(job, "tags") or tags))
        model.jobs.append(
            CiJob("gitlab", name, labels, reference, steps, get(job, "timeout"),
                tuple(items(get(job, "artifacts", "paths"))), job.at)
        )  # fmt: skip


def _script(value: Value | None) -> list[Value]:
    if value is not None and text(value) is not None:
        return [value]
    flat: list[Value] = []
    for item in items(value):
        flat += items(item) if isinstance(item, Known) and isinstance(item.data, list) else [item]
    return flat
