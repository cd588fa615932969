"""Read Helm releases that are written as Kubernetes objects: of Flux, Argo CD and kustomize, and values of charts.

A release names its chart, and its values those of a scale set, at the top or under the name of a subchart. What another
object holds (a chart in an OCIRepository, a file of values) is joined after all files are read.

Sources: https://fluxcd.io/flux/components/helm/helmreleases/, https://argo-cd.readthedocs.io/en/stable/user-guide/helm/,
https://kubectl.docs.kubernetes.io/references/kustomize/builtins/#_helmchartinflationgenerator_
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from builder_contracts.errors import Location
from builder_contracts.truth.model import Model, NameUse, Release, ScaleSet, chart_folder
from builder_contracts.truth.readers import kubernetes, yaml
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text, without

SCALE_SET_CHART = "gha-runner-scale-set"
_KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml", "Kustomization")
NAMED = frozenset({"Chart.yaml", *_KUSTOMIZATION})
"""Files that are read for their name."""
# Folders of a chart whose values are for its own tests: helm's chart-testing reads ci/.
_TESTS = frozenset({"tests", "test", "ci", "templates"})


@dataclass(frozen=True)
class _Written:
    """A release as it is written: ``files`` are files of values, from the least important to the most."""

    name: Value
    chart: Value | None
    version: Value | None
    namespace: Value | None
    values: tuple[Value, ...]
    files: tuple[str, ...]
    at: Value
    chart_object: str = ""
    elsewhere: str = ""
    suspended: bool = False


@dataclass
class ReleaseReader:
    """What the files of a checkout say of releases, until ``join`` adds it to the model."""

    _releases: list[_Written] = field(default_factory=list)
    _charts: list[tuple[str, Value | None, Value | None, str]] = field(default_factory=list)
    _values: dict[str, Value] = field(default_factory=dict)
    _listed: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    _flux_paths: set[str] = field(default_factory=set)
    _subcharts: dict[str, dict[str, Value]] = field(default_factory=dict)

    def read(self, value: Value, path: str) -> None:
        """Take a document, if it is about a release."""
        folder, name = posixpath.split(path)
        kind, group = text(get(value, "kind")), (text(get(value, "apiVersion")) or "").partition("/")[0]
        if name == "Chart.yaml":
            dependencies = items(get(value, "dependencies"))
            self._subcharts[folder] = {
                text(get(entry, "alias")) or text(get(entry, "name")) or "": entry for entry in dependencies
            }
        elif name in _KUSTOMIZATION:
            listed = [
                entry for key in ("resources", "components", "bases") for entry in items(get(value, key))
            ]
            self._listed[folder] = tuple(listed)
            self._releases += [_of_kustomize(entry, folder) for entry in items(get(value, "helmCharts"))]
        elif kind == "HelmRelease" and group == "helm.toolkit.fluxcd.io":
            self._releases.append(_of_flux(value))
        elif kind == "Kustomization" and group == "kustomize.toolkit.fluxcd.io":
            self._flux_paths.add(posixpath.normpath(text(get(value, "spec", "path")) or "."))
        elif kind in ("OCIRepository", "HelmChart") and group == "source.toolkit.fluxcd.io":
            chart = get(value, "spec", "url") if kind == "OCIRepository" else get(value, "spec", "chart")
            version = get(value, "spec", "ref", "tag") or get(value, "spec", "version")
            self._charts.append((text(get(value, "metadata", "name")) or "", chart, version, path))
        elif kind == "Application" and group == "argoproj.io":
            self._releases += _of_argo(value, get(value, "spec"))
        elif kind == "ApplicationSet" and group == "argoproj.io":
            template = get(value, "spec", "template") or value
            elements = [
                fields(element)
                for generator in items(get(value, "spec", "generators"))
                for element in items(get(generator, "list", "elements"))
            ]
            for parameters in elements or [{}]:
                made = without(_filled_in(template, parameters), "{{", "is resolved at run time")
                self._releases += _of_argo(made, get(made, "spec"))
        elif kind is None and _scale_sets_in(value):
            self._values[path] = _substituted(value)

    def join(self, model: Model, named: Collection[str] = ()) -> None:
        """Add the releases and their scale sets; values that no release names are those of one of their own.

        ``named`` are files that something else names.
        """
        used = set(named)
        for written in self._releases:
            used.update(file for file in written.files if file in self._values)
            used.add(f"{chart_folder(written.chart)}/values.yaml")
            self._add(written, model)
        for path, value in self._values.items():
            if path not in used and not self._is_of_a_chart(path, model):
                self._add_values(path, value, model)

    def _is_of_a_chart(self, path: str, model: Model) -> bool:
        """Whether values are the defaults of a chart, or of its tests: nobody deploys them."""
        folder, name = posixpath.split(path)
        if f"{folder}/Chart.yaml".lstrip("/") in model.paths:
            return name == "values.yaml" and not self._subcharts.get(folder)
        parts = folder.split("/")
        return any(
            parts[depth] in _TESTS and "/".join([*parts[:depth], "Chart.yaml"]) in model.paths
            for depth in range(1, len(parts))
        )

    def _add_values(self, path: str, value: Value, model: Model) -> None:
        subcharts = self._subcharts.get(posixpath.dirname(path), {})
        for alias, values in _scale_sets_in(value).items():
            stem = path.rpartition("/")[2].rpartition(".")[0]
            version = get(subcharts.get(alias), "version")
            label = Unknown(
                "the values name no runnerScaleSetName: the release that uses them does", value.at
            )
            self._scale_set(alias or stem, values, label, version, None, Known(True, value.at), path, model)

    def _add(self, written: _Written, model: Model) -> None:
        chart, version = written.chart, written.version
        if written.chart_object:
            chart, version = self._nearest_chart(written, version)
        values: Value = Known({}, written.at.at)
        for file in (f"{chart_folder(chart)}/values.yaml", *written.files):
            under = self._values.get(file)
            values = overlay(values, under) if under is not None else values
        missing = [file for file in written.files if file not in self._values]
        for part in written.values:
            values = overlay(values, part)
        elsewhere = written.elsewhere or (f"{missing[0]} may set it" if missing else "")
        deployed = self._deployed(written)
        release = Release(written.name, chart, version, written.namespace, deployed, written.at.at, values,
                          written.values[-1].at if written.values else None, files=written.files)  # fmt: skip
        model.releases.append(release)
        if written.namespace is not None:
            model.namespaces.append(NameUse(written.namespace, False, written.namespace.at))
        scale_sets = {"": values} if release.chart_name == SCALE_SET_CHART else _scale_sets_in(values)
        for alias, inner in scale_sets.items():
            subchart = self._subcharts.get(chart_folder(chart), {}).get(alias)
            self._scale_set(
                alias or text(written.name) or "",
                opened(inner, elsewhere, written.at.at) if elsewhere else inner,
                written.name,
                version if not alias else get(subchart, "version"),
                written.namespace,
                deployed,
                "",
                model,
            )

    def _scale_set(
        self, name: str, values: Value, label: Value, version: Value | None, namespace: Value | None,
        deployed: Value, variant: str, model: Model,
    ) -> None:  # fmt: skip
        present = _without_blanks(values)
        # The chart's default, also for an empty text, is the name of the release.
        if get(values, "runnerScaleSetName") is None or text(get(values, "runnerScaleSetName")) == "":
            present["runnerScaleSetName"] = label
        scale_set = ScaleSet(
            name, Known(present, values.at), version, namespace, deployed, variant, values.at
        )
        kubernetes.scale_set(scale_set, model)

    def _nearest_chart(self, written: _Written, version: Value | None) -> tuple[Value | None, Value | None]:
        """The chart of the object that a release refers to; of several with its name, the one nearest in the tree."""
        place = written.at.at.file
        candidates = [entry for entry in self._charts if entry[0] == written.chart_object]
        if not candidates:
            return Unknown(f"{written.chart_object} is not in this checkout", written.at.at), version
        _, chart, tag, _ = max(candidates, key=lambda entry: len(posixpath.commonpath([entry[3], place])))
        return chart, tag

    def _deployed(self, written: _Written) -> Value:
        """Whether the objects above a release lead to it."""
        at = written.at.at
        if written.suspended:
            return Unknown("the release is suspended", at)
        entity = at.file
        while folder := posixpath.dirname(entity):
            listed = self._listed.get(folder)
            if listed is None or posixpath.basename(entity) in _KUSTOMIZATION:
                if listed is None and entity != at.file:
                    break
                entity = folder
                continue
            names = {posixpath.normpath(f"{folder}/{text(entry) or ''}") for entry in listed}
            if entity not in names and entity not in self._flux_paths:
                return Unknown(
                    f"{folder}/kustomization.yaml does not list {posixpath.relpath(entity, folder)}", at
                )
            entity = folder
        return Known(True, at)


def overlay(under: Value, over: Value) -> Value:
    """Values over others, as Helm merges them: mappings key by key, everything else is replaced."""
    if (
        isinstance(under, Known)
        and isinstance(over, Known)
        and isinstance(under.data, dict)
        and isinstance(over.data, dict)
    ):
        merged = dict(under.data)
        for key, item in over.data.items():
            merged[key] = overlay(merged[key], item) if key in merged else item
        return Known(merged, over.at)
    return over


def _scale_sets_in(value: Value) -> Mapping[str, Value]:
    """The values of scale sets in a document: its own under an empty name, and those of subcharts under their names."""
    if kubernetes.is_helm_values(value):
        return {"": value}
    return {key: inner for key, inner in fields(value).items() if kubernetes.is_helm_values(inner)}


def _without_blanks(values: Value) -> dict[str, Value]:
    """Values of which those that are left empty are unknown: a form that somebody fills in elsewhere."""
    return {
        key: Unknown("it is empty: whoever deploys it fills it in", item.at) if text(item) == "" else item
        for key, item in fields(values).items()
    }


def opened(values: Value, reason: str, at: Location) -> Value:
    """Values of which others may come from elsewhere: what these do not set is unknown."""
    missing = {key: Unknown(reason, at) for key in kubernetes.SCALE_SET_VALUES}
    return Known({**missing, **fields(values)}, values.at)


def _substituted(value: Value) -> Value:
    return without(value, "${", "is substituted when it is applied")


def _of_flux(value: Value) -> _Written:
    value = _substituted(value)
    spec = get(value, "spec")
    target, name = get(spec, "targetNamespace"), get(value, "metadata", "name") or Known("", value.at)
    if isinstance(target, Unknown):
        name = target
    elif target is not None and isinstance(name, Known):
        # Flux composes the name of a release from both.
        name = Known(f"{text(target)}-{text(name)}", name.at)
    values = get(spec, "values")
    return _Written(
        name=get(spec, "releaseName") or name,
        chart=get(spec, "chart", "spec", "chart"),
        version=get(spec, "chart", "spec", "version"),
        namespace=target or get(value, "metadata", "namespace"),
        values=() if values is None else (values,),
        files=(),
        at=value,
        chart_object=text(get(spec, "chartRef", "name")) or "",
        elsewhere="valuesFrom may set it" if items(get(spec, "valuesFrom")) else "",
        suspended=text(get(spec, "suspend")) == "true",
    )


def _of_argo(value: Value, spec: Value | None) -> Iterator[_Written]:
    sources = items(get(spec, "sources")) or [
        source for source in [get(spec, "source")] if source is not None
    ]
    for source in sources:
        helm, folder = get(source, "helm"), text(get(source, "path"))
        chart, repository = get(source, "chart"), get(source, "repoURL")
        if chart is None and (text(repository) or "").startswith("oci://"):
            # Since Argo CD 3.1: https://argo-cd.readthedocs.io/en/stable/user-guide/oci/
            chart = repository
        if chart is None and helm is None:
            continue
        parameters = items(get(helm, "parameters"))
        values = [_parsed(get(helm, "values")), get(helm, "valuesObject"), *map(_set_by, parameters)]
        files = [text(entry) or "" for entry in items(get(helm, "valueFiles"))]
        yield _Written(
            name=get(helm, "releaseName") or get(value, "metadata", "name") or Known("", value.at),
            chart=chart if chart is not None else get(source, "path"),
            version=get(source, "targetRevision") if chart is not None else None,
            namespace=get(spec, "destination", "namespace"),
            values=tuple(part for part in values if part is not None),
            # $values/… is a path from the root of another source, mostly this repository.
            files=tuple(
                posixpath.normpath(
                    file.partition("/")[2] if file.startswith("$") else f"{folder or '.'}/{file}"
                )
                for file in files
            ),
            at=source,
            elsewhere="a parameter may set it" if None in map(_set_by, parameters) else "",
        )


_PARAMETER = re.compile(r"\{\{\s*\.?([\w-]+)\s*\}\}")


def _filled_in(value: Value, parameters: Mapping[str, Value]) -> Value:
    """The template of an ApplicationSet with the parameters of one element of its list.

    Source: https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Generators-List/
    """
    if isinstance(value, Unknown) or not parameters:
        return value
    match value.data:
        case dict():
            return Known({key: _filled_in(item, parameters) for key, item in value.data.items()}, value.at)
        case list():
            return Known([_filled_in(item, parameters) for item in value.data], value.at)
        case str():
            filled = _PARAMETER.sub(lambda use: text(parameters.get(use[1])) or use[0], value.data)
            return Known(filled, value.at)
        case _:
            return value


_PATH = re.compile(r"[\w-]+(?:\.[\w-]+)*")


def _set_by(parameter: Value) -> Value | None:
    """The values that a parameter sets, which come over all others; None if its name is no plain path of keys."""
    path, value = text(get(parameter, "name")) or "", get(parameter, "value")
    if value is None or not _PATH.fullmatch(path):
        return None
    for key in reversed(path.split(".")):
        value = Known({key: value}, parameter.at)
    return without(value, "$", "is filled in when it is applied")


def _of_kustomize(entry: Value, folder: str) -> _Written:
    name = get(entry, "name")
    values = get(entry, "valuesInline")
    files = [get(entry, "valuesFile"), *items(get(entry, "additionalValuesFiles"))]
    return _Written(
        name=get(entry, "releaseName") or name or Known("", entry.at),
        chart=name,
        version=get(entry, "version"),
        namespace=get(entry, "namespace"),
        values=() if values is None else (values,),
        files=tuple(posixpath.normpath(f"{folder}/{text(file)}") for file in files if text(file)),
        at=entry,
    )


def _parsed(value: Value | None) -> Value | None:
    """Values that are written as a text of YAML."""
    written = text(value)
    if value is None or written is None:
        return value
    try:
        return next(iter(yaml.read(written, value.at.file, value.at.line + 1)), None)
    except yaml.NotYaml:
        return Unknown("the values are not YAML", value.at)
