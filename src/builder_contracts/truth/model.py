"""The deployment, CI and documentation of a checkout, independent of file formats."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from builder_contracts.errors import Location
from builder_contracts.truth.checkout import Unread
from builder_contracts.truth.readers.recipes import Recipes
from builder_contracts.truth.value import Known, Value, fields, get, items, text


@dataclass(frozen=True)
class MatchedLine:
    """A line that holds a word of the platform. ``prose``: documentation or a comment, not configuration.

    ``key`` is the line above that a bare entry of a list belongs to.
    """

    text: str
    at: Location
    prose: bool
    key: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod template: ``spec`` has the shape of Kubernetes' PodSpec."""

    spec: Value

    @property
    def containers(self) -> list[Value]:
        return [*items(get(self.spec, "initContainers")), *items(get(self.spec, "containers"))]

    def container(self, name: str) -> Value | None:
        return next(
            (container for container in self.containers if text(get(container, "name")) == name), None
        )


def environment(container: Value | None) -> dict[str, Value]:
    """The variables that a container's template sets; a reference to a secret is its mapping."""
    variables: dict[str, Value] = {}
    for entry in items(get(container, "env")):
        name = text(get(entry, "name"))
        if name is not None:
            value = get(entry, "value")
            variables[name] = value if value is not None else fields(entry).get("valueFrom", entry)
    return variables


@dataclass(frozen=True)
class ScaleSet:
    """A GitHub Actions runner scale set of ARC. ``values`` has the shape of the chart's values.

    ``variant`` names the values that it was computed with; ``deployed`` is false if a toggle leaves it out.
    ``omitted`` has the paths of values that a switch leaves out, and its line. If ``is_rendered``, the chart has made its
    additions already.
    """

    name: str
    values: Value
    chart_version: Value | None
    namespace: Value | None
    deployed: Value
    variant: str
    at: Location
    omitted: Mapping[str, Location] = field(default_factory=dict)
    is_rendered: bool = False

    @property
    def label(self) -> Value | None:
        return get(self.values, "runnerScaleSetName")

    @property
    def labels(self) -> frozenset[str]:
        """Its name and the further labels of charts from 0.14 on, in lower case: GitHub ignores case.

        Source: https://github.com/actions/actions-runner-controller/pull/4408
        """
        further = [get(self.values, key) for key in ("scaleSetLabels", "runnerScaleSetLabels")]
        written = [
            text(label) for label in (self.label, *(entry for value in further for entry in items(value)))
        ]
        return frozenset(label.lower() for label in written if label)

    @property
    def container_mode(self) -> Value | None:
        """How containers of jobs run: the chart's ``containerMode.type``."""
        return get(self.values, "containerMode", "type")

    @property
    def is_deployed(self) -> bool:
        """Whether it is known to be deployed."""
        return isinstance(self.deployed, Known) and self.deployed.data is True

    @property
    def is_left_out(self) -> bool:
        """Whether a toggle is known to leave it out."""
        return isinstance(self.deployed, Known) and self.deployed.data is False

    @cached_property
    def pod(self) -> Pod | None:
        spec = get(self.values, "template", "spec")
        return Pod(spec) if spec is not None else None

    @cached_property
    def runner(self) -> Value | None:
        return self.pod.container("runner") if self.pod else None


@dataclass(frozen=True)
class Workload:
    """Something that runs pods: a Deployment, a StatefulSet, a Job."""

    kind: str
    name: Value | None
    namespace: Value | None
    pod: Pod
    at: Location


@dataclass(frozen=True)
class KubernetesService:
    """A name in the cluster and the ports that it listens on."""

    name: Value | None
    namespace: Value | None
    ports: tuple[Value, ...]
    at: Location


@dataclass(frozen=True)
class Exposure:
    """A host name that an Ingress or a load balancer makes reachable, and its class."""

    host: Value
    ingress_class: Value | None
    name: Value | None
    at: Location


@dataclass(frozen=True)
class ConfigMapFile:
    """A file of a ConfigMap: its content as text, or as the structure that was encoded into it."""

    file: str
    content: Value
    name: Value | None = None


@dataclass(frozen=True)
class Autoscaler:
    """A HorizontalPodAutoscaler: what it scales and between which bounds. ``deployed`` is False if a switch leaves it out."""

    target: Value | None
    least: Value | None
    most: Value | None
    at: Location
    deployed: bool = True


@dataclass(frozen=True)
class Selector:
    """The labels by which an object of a kind selects pods. ``deployed`` is False if a switch leaves it out."""

    kind: str
    labels: Value | None
    at: Location
    deployed: bool = True


@dataclass(frozen=True)
class UrlPassword:
    """A generated password that is written into a URL as it is; ``characters`` are those that it can have."""

    password: str
    characters: str
    at: Location
    generated_at: Location


def chart_folder(chart: Value | None) -> str:
    """The folder of a chart that is named by its path; its values.yaml lies below the values of the release."""
    return (text(chart) or "").strip("./")


@dataclass(frozen=True)
class Release:
    """A Helm release. ``values`` are those that it sets itself, Unknown if a part of them is.

    ``variant`` names the values of OpenTofu that it was computed with, ``files`` are files of values below ``values``.
    """

    name: Value | None
    chart: Value | None
    version: Value | None
    namespace: Value | None
    deployed: Value
    at: Location
    values: Value | None = None
    values_at: Location | None = None
    variant: str = ""
    files: tuple[str, ...] = ()

    @property
    def chart_folder(self) -> str:
        """The folder of a chart that is named by its path."""
        return chart_folder(self.chart)

    @property
    def chart_name(self) -> str:
        """The chart's name without its repository; empty if it is unknown."""
        return (text(self.chart) or "").rstrip("/").rpartition("/")[2]

    @property
    def is_deployed(self) -> bool:
        """Whether it is known to be deployed."""
        return isinstance(self.deployed, Known) and self.deployed.data is True

    @property
    def is_left_out(self) -> bool:
        """Whether a toggle is known to leave it out."""
        return isinstance(self.deployed, Known) and self.deployed.data is False


@dataclass(frozen=True)
class Stack:
    """A root module of OpenTofu. ``backend`` is its backend's type, or None.

    A module that nobody calls is one if it has a backend, configures a provider, or has values of its variables:
    ``applied``. Otherwise it may be a library. ``lock`` says what the backend's block says of a lock: "set", "none",
    "unknown" if that is given elsewhere, and nothing for a type that locks without a setting.
    """

    path: str
    backend: str | None
    at: Location
    applied: bool = True
    lock: str = ""


@dataclass(frozen=True)
class TofuReference:
    """A use of ``var.NAME``, ``local.NAME`` or ``module.NAME``."""

    kind: str
    name: str
    at: Location


@dataclass(frozen=True)
class TofuVariable:
    """A variable of a module; ``required`` if it has no default."""

    at: Location
    required: bool


@dataclass(frozen=True)
class TofuCall:
    """A call of a module. ``folder`` is empty if it is not in this checkout; ``variables`` are those of the caller that it passes."""

    name: str
    folder: str
    arguments: Mapping[str, Location]
    variables: frozenset[str]
    at: Location


@dataclass(frozen=True)
class TofuModule:
    """What a module declares and refers to; variables stand in the order of their declaration.

    ``conditionals`` are those whose literals show whether both results have one type, and whether they have.
    """

    path: str
    variables: Mapping[str, TofuVariable]
    locals: Mapping[str, Location]
    calls: tuple[TofuCall, ...]
    references: tuple[TofuReference, ...]
    conditionals: tuple[tuple[Location, bool], ...]


@dataclass(frozen=True)
class GitlabRunner:
    """A runner that OpenTofu registers with GitLab, and the seconds after which it ends every job.

    ``deployed`` is False if a switch leaves it out.
    """

    tags: Value | None
    maximum_timeout: Value | None
    at: Location
    deployed: bool = True


@dataclass(frozen=True)
class NameUse:
    """A name in use, such as a namespace, and whether this place creates it.

    ``variant`` names the values of OpenTofu that it was computed with.
    """

    name: Value
    created: bool
    at: Location
    variant: str = ""


@dataclass(frozen=True)
class Template:
    """A configuration text inside another file (a heredoc), rendered as far as its shape needs.

    ``caller`` is the stack that renders it. With every switch on, ``every_switch`` is true: a caller may choose so.
    """

    text: str
    raw: str
    at: Location
    caller: str = ""
    every_switch: bool = False

    @cached_property
    def pods(self) -> tuple[dict[str, Any], ...]:
        """The tables [runners.kubernetes], one a runner. Raises tomllib.TOMLDecodeError, RecursionError."""
        runners = tomllib.loads(self.text).get("runners", [])
        tables = [runner.get("kubernetes") for runner in runners if isinstance(runner, dict)]
        return tuple(table for table in tables if isinstance(table, dict))

    def line_of(self, words: str) -> Location:
        """The line that has these words before rendering; where the text begins if none has."""
        place = self.raw.find(words)
        return Location(self.at.file, self.at.line + self.raw.count("\n", 0, max(place, 0)))


@dataclass(frozen=True)
class CiStep:
    """A step of a job; ``run`` is a shell script, ``uses`` an action, ``condition`` its ``if``.

    ``may_fail``: the job goes on after its failure.
    """

    name: str
    run: Value | None
    uses: Value | None
    arguments: Mapping[str, Value]
    at: Location
    condition: Value | None = None
    may_fail: bool = False


@dataclass(frozen=True)
class LabelChoice:
    """Labels that a job asks for together, and the values of its matrix with which it does."""

    labels: tuple[Value, ...]
    matrix: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CiJob:
    """A job of GitHub Actions or GitLab CI.

    ``choices`` has an entry for each list of labels that the job can ask for. If ``computed``, it can ask for others
    too, which are known only at run time. ``artifacts_of`` are the jobs whose artifacts it gets, ``services`` the
    containers that are started beside it.
    """

    forge: str
    name: str
    choices: tuple[LabelChoice, ...]
    container: Value | None
    steps: tuple[CiStep, ...]
    timeout: Value | None
    artifacts: tuple[Value, ...]
    at: Location
    computed: bool = False
    artifacts_of: tuple[str, ...] = ()
    services: tuple[Value, ...] = ()

    @property
    def called(self) -> Value | None:
        """The workflow of another repository that the job calls."""
        uses = next((step.uses for step in self.steps if not self.choices and step.name == "workflow"), None)
        return uses if uses is not None and not (text(uses) or "").startswith("./") else None

    @property
    def labels(self) -> tuple[Value, ...]:
        """Every label that the job can ask for."""
        return tuple(dict.fromkeys(label for choice in self.choices for label in choice.labels))


@dataclass(frozen=True)
class PipelineJob:
    """A job of a GitLab pipeline: its stage, None if a template elsewhere may set it, and the jobs that it waits for."""

    name: str
    stage: Value | None
    waits_for: tuple[Value, ...]
    at: Location


@dataclass(frozen=True)
class Pipeline:
    """A GitLab pipeline with what it includes of the checkout. ``elsewhere`` is what it includes of other places."""

    stages: Value | None
    jobs: tuple[PipelineJob, ...]
    elsewhere: tuple[Value, ...]
    at: Location


@dataclass(frozen=True)
class BazelDependency:
    """A module that a MODULE.bazel asks for; ``version`` is empty if it does not say which."""

    name: str
    version: str
    at: Location


@dataclass(frozen=True)
class PythonToolchain:
    """A Python toolchain of rules_python, and whether it is told to accept root."""

    accepts_root: bool
    at: Location


@dataclass(frozen=True)
class BazelModule:
    """A MODULE.bazel."""

    dependencies: tuple[BazelDependency, ...]
    python_toolchains: tuple[PythonToolchain, ...]


@dataclass(frozen=True)
class Script:
    """A shell script that checks something, by its name."""

    path: str
    text: str


@dataclass(frozen=True)
class CompositeAction:
    """An action: the folder that ``uses:`` names, its steps if it is composite, and the defaults of its inputs.

    ``elsewhere`` says that it is of another repository, whose name its path begins with.
    """

    path: str
    steps: tuple[CiStep, ...]
    at: Location
    inputs: Mapping[str, Value] = field(default_factory=dict)
    in_container: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class ImageUse:
    """A reference to a container image and what runs it."""

    reference: Value
    by: str


def split_reference(reference: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image reference; missing parts are empty."""
    rest, _, digest = reference.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        return rest, "", digest
    return name, tag, digest


def image_name(reference: str) -> str:
    """The name in an image reference, without what Docker Hub's names may leave out."""
    return split_reference(reference)[0].removeprefix("docker.io/").removeprefix("library/")


@dataclass(frozen=True)
class Instruction:
    """An instruction of a Dockerfile: its keyword in capitals, its words, and the text of here-documents."""

    keyword: str
    words: str
    body: str
    at: Location


@dataclass(frozen=True)
class ImageBuild:
    """The last stage of a Dockerfile: the image it starts from and every step since."""

    path: str
    base: Value
    steps: tuple[Instruction, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of a table, as plain text."""

    text: str
    at: Location


@dataclass(frozen=True)
class Table:
    """A table of the documentation; each row has a cell for each header."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Sentence:
    """A sentence of the documentation without its markup, and its paragraph."""

    text: str
    at: Location
    paragraph: str


@dataclass(frozen=True)
class Heading:
    """A heading of the documentation and its depth from 1."""

    text: str
    level: int
    at: Location


@dataclass(frozen=True)
class DocumentationPage:
    """A page of documentation, parsed."""

    path: str
    headings: tuple[Heading, ...]
    sentences: tuple[Sentence, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class NameField:
    """A field with the repository's name or purpose: a name, a title, a description.

    ``exact`` fields are identifiers that must agree with the repository; others are prose.
    """

    kind: str
    text: str
    exact: bool
    at: Location


@dataclass
class Model:
    """Everything that the readers found. Rules read it and change nothing."""

    paths: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    origin: tuple[str, Location] | None = None
    surfaces: list[NameField] = field(default_factory=list)
    lines: list[MatchedLine] = field(default_factory=list)
    pages: list[tuple[str, str]] = field(default_factory=list)
    scale_sets: list[ScaleSet] = field(default_factory=list)
    workloads: list[Workload] = field(default_factory=list)
    services: list[KubernetesService] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list)
    settings: list[ConfigMapFile] = field(default_factory=list)
    autoscalers: list[Autoscaler] = field(default_factory=list)
    selectors: list[Selector] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)
    modules: dict[str, TofuModule] = field(default_factory=dict)
    value_files: dict[str, dict[str, Location]] = field(default_factory=dict)
    """The variables that each file of values sets."""
    pipelines: list[Pipeline] = field(default_factory=list)
    repeated_keys: list[tuple[str, Location, Location]] = field(default_factory=list)
    """Keys that a mapping of CI has twice: the name, where the lost value stands, and where the next one does."""
    switched_on: list[Release] = field(default_factory=list)
    """The releases of stacks as they are when every variable that is false by default is true."""
    namespaces: list[NameUse] = field(default_factory=list)
    storage_classes: list[NameUse] = field(default_factory=list)
    custom_resources: list[NameUse] = field(default_factory=list)
    """The API groups that Kubernetes does not have by itself."""
    gitlab_runners: list[GitlabRunner] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    url_passwords: list[UrlPassword] = field(default_factory=list)
    jobs: list[CiJob] = field(default_factory=list)
    actions: list[CompositeAction] = field(default_factory=list)
    images: list[ImageUse] = field(default_factory=list)
    builds: list[ImageBuild] = field(default_factory=list)
    bazel_modules: list[BazelModule] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    own_labels: list[Value] = field(default_factory=list)
    recipes: Recipes = field(default_factory=Recipes)
    kept: dict[str, str] = field(default_factory=dict)
    targets: list[NameUse] = field(default_factory=list)
    other_refs: dict[str, str] = field(default_factory=dict)
    """What is used of other repositories, and the ref that the given checkout of each is of instead."""
    unread: list[Unread] = field(default_factory=list)
    files: int = 0
    binary: int = 0

    def exists(self, path: str) -> bool:
        """Whether a path of the checkout is a file, a directory or a link."""
        return path in self.paths or path in self.folders
