"""Read OpenTofu stacks, each with its variants of .tfvars, into Kubernetes objects and Helm releases."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from builder_contracts.errors import Location
from builder_contracts.truth.checkout import TOO_DEEP, File, Unread
from builder_contracts.truth.hcl.evaluator import Scope, evaluate, render
from builder_contracts.truth.hcl.names import names_of
from builder_contracts.truth.hcl.stacks import (
    UNFILLED,
    Folder,
    Instance,
    TofuResource,
    dynamic,
    no_file,
    structure,
)
from builder_contracts.truth.hcl.syntax import Block, Expression, parse
from builder_contracts.truth.model import (
    GitlabRunner,
    Model,
    NameUse,
    Release,
    ScaleSet,
    Stack,
    Template,
    UrlPassword,
)
from builder_contracts.truth.readers import kubernetes, yaml
from builder_contracts.truth.readers.helm_releases import SCALE_SET_CHART, opened, overlay
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text, without

EXAMPLE = ".tfvars.example"
"""How a file of values ends that a user is meant to copy: the stack as it is applied by whoever does."""
SUFFIXES = (".tf", ".tofu", ".tfvars", EXAMPLE)

_KIND = re.compile(r"^kubernetes_([a-z_]+?)(?:_v\d\w*)?$")
_GITLAB_RUNNERS = ("gitlab_user_runner", "gitlab_runner")
_MANIFESTS = ("kubectl_manifest", "kubernetes_manifest")
_RELEASE = ("chart", "version", "namespace", "name", "values", "create_namespace")
# Blocks that the provider repeats and Kubernetes writes as lists under another name.
_LISTS = {
    "container": "containers", "init_container": "initContainers", "port": "ports", "env": "env",
    "env_from": "envFrom", "volume": "volumes", "volume_mount": "volumeMounts", "toleration": "tolerations",
    "image_pull_secrets": "imagePullSecrets", "rule": "rules",
}  # fmt: skip


def read_opentofu(
    files: Iterable[File],
    model: Model,
    texts: Callable[[str], str | None] = no_file,
    is_partial: Callable[[str], bool] = lambda _: False,
) -> None:
    """Read every module and stack of the checkout into the model; ``texts`` has the files that they name.

    ``is_partial`` says of a folder whether files of it are made or put elsewhere: names that it lacks are no mistake.
    """
    folders: dict[str, Folder] = {}
    variables: dict[str, dict[str, Block]] = {}
    for file in files:
        try:
            parsed = parse(file.raw, file.path)
        except RecursionError:
            model.unread.append(Unread(file.path, TOO_DEEP))
            continue
        if parsed.broken:
            lines = ", ".join(map(str, parsed.broken[:5]))
            model.unread.append(
                Unread(file.path, f"invalid HCL at line {lines}; the rest of the file was checked")
            )
        parent = posixpath.dirname(file.path)
        if file.path.endswith((".tfvars", EXAMPLE)):
            variables.setdefault(parent, {})[file.name] = parsed.root
            model.value_files[file.path] = {name: value.at for name, value in parsed.root.attributes.items()}
        else:
            folder = folders.setdefault(parent, Folder(parent))
            folder.add(parsed.root)
            folder.broken = folder.broken or bool(parsed.broken)
    called = {target for folder in folders.values() for call in folder.calls.values()
              if (target := folder.called_folder(call))}  # fmt: skip
    templates = _Templates(model)
    read = {block.at.file for folder in folders.values() for block in folder.roots}
    partly = {
        posixpath.dirname(name)
        for name in model.paths
        if name.endswith(".tf.json") or (name.endswith((".tf", ".tofu")) and name not in read)
    }
    for path, folder in sorted(folders.items()):
        if path not in called:
            _stack(folder, folders, variables.get(path, {}), texts, model, templates)
        _targets(folder, variables.get(path, {}), model)
        _url_passwords(folder, model)
        # What a file in JSON, a link to elsewhere, or a part that cannot be read declares is not known.
        if is_partial(path) or path in partly:
            reason = "module with files of OpenTofu that are made elsewhere; its names were not checked"
            model.unread.append(Unread(path or ".", reason))
        elif not folder.broken:
            model.modules[path] = names_of(folder)
    for folder in folders.values():
        # A module that nobody calls, and what callers may choose of those that are called.
        templates.read(Instance(folder, folders, texts, {}), "", unless_called=True)
        templates.read(Instance(folder, folders, texts, {}), "", every_switch=True)


def _stack(
    folder: Folder,
    folders: Mapping[str, Folder],
    variables: Mapping[str, Block],
    texts: Callable[[str], str | None],
    model: Model,
    templates: _Templates,
) -> None:
    backends = [block for terraform in folder.terraform for block in terraform.all("backend")]
    place = backends[0].at if backends else next(iter(folder.terraform), _nowhere(folder)).at
    applied = bool(backends or folder.providers or folder.calls or variables)
    # Who applies a module that asks for a value which no file sets gives it others, too.
    asks = any("default" not in variable.attributes for variable in folder.variables.values())
    is_library = bool(folder.variables) and not (backends or variables) and (asks or not applied)
    if backends or folder.calls or folder.resources:
        kind = backends[0].labels[0] if backends and backends[0].labels else None
        lock = _lock(backends[0], Scope(Instance(folder, {}, no_file, {}))) if backends else ""
        model.stacks.append(Stack(folder.path, kind, place, applied, lock))
    for variant, inputs in _variants(folder, variables):
        instance = Instance(folder, folders, texts, inputs)
        name = f"{folder.path} with {variant}" if variant else folder.path
        for resource in instance.resources():
            _resource(resource, name, model, is_library=is_library)
        for called in instance.all():
            templates.read(called, name)
        switched_on = Model()
        for resource in Instance(folder, folders, texts, inputs, every_switch=True).resources():
            if resource.type == "helm_release":
                _release(resource, name, switched_on)
        model.switched_on += switched_on.releases


# Of each type whose lock is a setting: the settings that name one, and one without which the block is incomplete and
# the rest is given to "init" (opentofu.org/docs/language/settings/backends).
_LOCKS = {"s3": (("use_lockfile", "dynamodb_table"), "bucket"), "http": (("lock_address",), "address")}


def _lock(backend: Block, scope: Scope) -> str:
    """What the block of a backend says of a lock, as the model has it."""
    names, place = _LOCKS.get(backend.labels[0] if backend.labels else "", ((), ""))
    if not names:
        return ""
    values = [evaluate(backend.attributes[name], scope) for name in names if name in backend.attributes]
    if any(isinstance(value, Known) and value.data for value in values):
        return "set"
    if any(isinstance(value, Unknown) for value in values) or place not in backend.attributes:
        return "unknown"
    return "none"


def _nowhere(folder: Folder) -> Block:
    some = [*folder.resources, *folder.calls.values(), *folder.variables.values()]
    return some[0] if some else Block("", (), {}, (), Location(folder.path or ".", 1))


def _variants(folder: Folder, files: Mapping[str, Block]) -> Iterator[tuple[str, dict[str, Value]]]:
    """The values under which a stack is applied: those that load by themselves, with each of the other files."""
    scope = Scope(Instance(folder, {}, no_file, {}))

    def values(root: Block) -> dict[str, Value]:
        return {name: evaluate(expression, scope) for name, expression in root.attributes.items()}

    always: dict[str, Value] = {}
    for name in sorted(files, key=lambda name: (name != "terraform.tfvars", name)):
        if name == "terraform.tfvars" or name.endswith(".auto.tfvars"):
            always |= values(files[name])
    chosen = [
        name for name in sorted(files) if name != "terraform.tfvars" and not name.endswith(".auto.tfvars")
    ]
    if not chosen:
        yield "", always
    for name in chosen:
        yield name, {**always, **values(files[name])}


def _resource(resource: TofuResource, variant: str, model: Model, *, is_library: bool = False) -> None:
    if resource.deployed == Known(False, resource.deployed.at) and resource.type != "helm_release":
        # Of what a switch leaves out, a caller gets these as they stand when it is switched on.
        switched_off = Model()
        _resource(replace(resource, deployed=Known(True, resource.deployed.at)), variant, switched_off)
        model.autoscalers += [replace(scaler, deployed=False) for scaler in switched_off.autoscalers]
        model.selectors += [replace(selector, deployed=False) for selector in switched_off.selectors]
        model.gitlab_runners += [replace(runner, deployed=False) for runner in switched_off.gitlab_runners]
        return
    if resource.type == "helm_release":
        _release(resource, variant, model, is_library=is_library)
    elif resource.type in _GITLAB_RUNNERS:
        written = structure(resource.block, resource.scope)
        model.gitlab_runners.append(
            GitlabRunner(get(written, "tag_list"), get(written, "maximum_timeout"), resource.at)
        )
    elif resource.type in _MANIFESTS:
        expression = resource.block.attributes.get("yaml_body") or resource.block.attributes.get("manifest")
        if expression is not None:
            for document in _documents(evaluate(expression, resource.scope), model):
                kubernetes.read_kubernetes(document, model, variant)
    elif match := _KIND.match(resource.type):
        kind = _camel_kind(match[1])
        value = _camel(structure(resource.block, resource.scope))
        if kind == "ConfigMap" and (expression := resource.block.attributes.get("data")) is not None:
            # The shape of its files is wanted: that a key is filled from a variable, not with what.
            data = evaluate(expression, replace(resource.scope, lenient=True))
            value = Known({**fields(value), "data": data}, value.at)
        kubernetes.read_kubernetes(
            Known({**fields(value), "kind": Known(kind, resource.at)}, resource.at), model, variant
        )


def _documents(value: Value, model: Model) -> list[Value]:
    """A structure as it is, or YAML text parsed at its place."""
    written = text(value) if isinstance(value, Known) and isinstance(value.data, str) else None
    if written is None:
        return [value]
    try:
        # The first line of a heredoc's content follows the line that opens it.
        documents = yaml.read(written, value.at.file, value.at.line + (0 if value.at.line == 1 else 1))
        return [without(document, UNFILLED, "is known only at run time") for document in documents]
    except yaml.NotYaml as error:
        # Each variant of a stack evaluates the text again.
        unread = Unread(value.at.file, f"not YAML at line {error.line}: {error}")
        if unread not in model.unread:
            model.unread.append(unread)
        return []


def _camel(value: Value) -> Value:
    """Blocks of the Kubernetes provider in the shape of the API: camelCase, and lists for repeated blocks."""
    if isinstance(value, Unknown) or not isinstance(value.data, dict):
        return value
    mapping: dict[str, Value] = {}
    for key, item in value.data.items():
        inner, name = item, _camel_word(key)
        is_blocks = (
            isinstance(item, Known)
            and isinstance(item.data, list)
            and all(isinstance(element, Known) and isinstance(element.data, dict) for element in item.data)
        )
        if is_blocks and item.data:
            converted = [_camel(element) for element in item.data]
            inner = Known(converted, item.at) if key in _LISTS else converted[0]
            name = _LISTS.get(key, name)
        mapping[name] = inner
    return Known(mapping, value.at)


def _camel_word(word: str) -> str:
    first, *rest = word.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _release(resource: TofuResource, variant: str, model: Model, *, is_library: bool = False) -> None:
    block, scope = resource.block, resource.scope
    attributes = {name: evaluate(expression, scope) for name, expression in block.attributes.items()
                  if name in _RELEASE}  # fmt: skip
    settings = [
        (evaluate(key, inner_scope), evaluate(setting, inner_scope))
        for inner, inner_scope in dynamic(block, scope, "set")
        if (key := inner.attributes.get("name")) is not None
        and (setting := inner.attributes.get("value")) is not None
    ]
    elsewhere = ""
    if (listed := block.attributes.get("set")) is not None:
        # Since version 3 of the provider: a list in the place of blocks.
        made_settings = evaluate(listed, scope)
        settings += _settings(made_settings)
        elsewhere = made_settings.reason if isinstance(made_settings, Unknown) else ""
    written = [block.attributes[name] for name in ("values", "set") if name in block.attributes]
    if is_library and any("var." in expression.text for expression in written):
        elsewhere = f"the caller of the module {posixpath.dirname(resource.at.file)} may set it"
    written_at = block.attributes["values"].at if "values" in block.attributes else None
    made = Known(resource.address, resource.at)
    omitted = dict(_omitted(block, scope))
    _add_release(
        attributes, settings, made, resource.deployed, written_at, variant, model, omitted, elsewhere
    )


def _settings(value: Value | None) -> list[tuple[Value, Value]]:
    return [
        (name, setting)
        for entry in items(value)
        if (name := get(entry, "name")) is not None and (setting := get(entry, "value")) is not None
    ]


def _omitted(block: Block, scope: Scope) -> Iterator[tuple[str, Location]]:
    """The settings of a release whose ``dynamic`` block makes none, and the line that decides it."""
    for inner in block.all("dynamic", "set"):
        over = inner.attributes.get("for_each")
        made = evaluate(over, scope) if over is not None else None
        if over is None or not isinstance(made, Known) or made.data not in ([], {}):
            continue
        for content in inner.all("content"):
            name = content.attributes.get("name")
            if name is not None and (path := text(evaluate(name, scope))):
                yield path, over.at


def read_resource(kind: str, address: str, values: Value, variant: str, model: Model) -> None:
    """Add a resource whose attributes are all evaluated, as a plan has them."""
    if kind == "helm_release":
        settings = _settings(get(values, "set"))
        at = get(values, "values")
        made, deployed = Known(address, values.at), Known(True, values.at)
        _add_release(
            fields(values), settings, made, deployed, at.at if at is not None else None, variant, model
        )
    elif kind in _MANIFESTS:
        manifest = get(values, "manifest") or get(values, "yaml_body")
        for document in _documents(manifest, model) if manifest is not None else ():
            kubernetes.read_kubernetes(document, model, variant)
    elif match := _KIND.match(kind):
        written = Known({"kind": Known(_camel_kind(match[1]), values.at)}, values.at)
        kubernetes.read_kubernetes(overlay(_camel(values), written), model, variant)


def _camel_kind(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("_"))


def _add_release(
    attributes: Mapping[str, Value],
    settings: Iterable[tuple[Value, Value]],
    made: Known,
    deployed: Value,
    written_at: Location | None,
    variant: str,
    model: Model,
    omitted: Mapping[str, Location] = MappingProxyType({}),
    elsewhere: str = "",
) -> None:
    """Add a Helm release, and the scale set that it is; ``settings`` are its ``set`` blocks.

    ``elsewhere`` is what may set the values that these do not.
    """
    chart, version, namespace = map(attributes.get, ("chart", "version", "namespace"))
    values: Value = Known({}, made.at)
    written_values = attributes.get("values")
    for document in items(written_values):
        for part in _documents(document, model):
            values = overlay(values, part)
    if isinstance(written_values, Unknown):
        values = written_values
    else:
        for key, setting in settings:
            if path := text(key):
                values = _put(values, path.split("."), setting)
    release = Release(
        attributes.get("name"), chart, version, namespace, deployed, made.at, values, written_at, variant
    )
    model.releases.append(release)
    # What a switch leaves out uses no namespace.
    if namespace is not None and deployed != Known(False, deployed.at):
        created = text(attributes.get("create_namespace")) == "true"
        model.namespaces.append(NameUse(namespace, created, namespace.at))
    if release.chart_name != SCALE_SET_CHART:
        return
    name = text(attributes.get("name")) or str(made.data)
    if get(values, "runnerScaleSetName") is None:
        values = _put(values, ["runnerScaleSetName"], Known(name, made.at))
    if elsewhere:
        values = opened(values, elsewhere, made.at)
    kubernetes.scale_set(
        ScaleSet(name, values, version, namespace, deployed, variant, made.at, omitted), model
    )


def _put(value: Value, path: list[str], item: Value) -> Value:
    mapping = fields(value)
    if len(path) == 1:
        mapping[path[0]] = item
    else:
        mapping[path[0]] = _put(mapping.get(path[0]) or Known({}, item.at), path[1:], item)
    return Known(mapping, value.at)


_TOML = re.compile(r"^\s*\[\[runners\]\]", re.MULTILINE)


@dataclass
class _Templates:
    """Configuration of GitLab Runner that is written as a heredoc, rendered as each caller renders it."""

    model: Model
    _seen: set[tuple[Location, str]] = field(default_factory=set)
    _called: set[str] = field(default_factory=set)

    def read(
        self, instance: Instance, caller: str, *, unless_called: bool = False, every_switch: bool = False
    ) -> None:
        """Add the templates of a module as it is called."""
        folder = instance.folder
        if unless_called and folder.path in self._called:
            return
        self._called.add(folder.path)
        scope = replace(instance.scope, every_switch=every_switch)
        for expression in _expressions(folder):
            if "[[runners]]" not in expression.text:
                continue
            for node in _heredocs(expression):
                rendered = render(node, scope)
                if rendered is None or not _TOML.search(rendered) or (node.at, rendered) in self._seen:
                    continue
                self._seen.add((node.at, rendered))
                self.model.templates.append(Template(rendered, node.text, node.at, caller, every_switch))


def _expressions(folder: Folder) -> Iterator[Expression]:
    """Every expression of a module's locals, calls and resources."""
    yield from folder.locals.values()
    pending = [*folder.calls.values(), *folder.resources]
    while pending:
        block = pending.pop()
        pending.extend(block.blocks)
        yield from block.attributes.values()


# The password of a URL in a template, unless it is encoded: ://USER:${…}@
_URL_PASSWORD = re.compile(r"://[^\s\"@]*:\$\{(?!\s*urlencode\()([^}]*)\}@")
_GENERATED = re.compile(r"random_password\.(\w+)")
# What random_password takes besides letters and digits. Source: the documentation of hashicorp/random 3.7.
_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


def _url_passwords(folder: Folder, model: Model) -> None:
    """Add generated passwords that a module writes into URLs without encoding them."""
    scope = Scope(Instance(folder, {}, no_file, {}))
    written = [block.attributes["value"] for block in folder.outputs.values() if "value" in block.attributes]
    for expression in (*written, *_expressions(folder)):
        for match in _URL_PASSWORD.finditer(expression.text):
            for name in _GENERATED.findall(match[1]):
                block = next(
                    (block for block in folder.resources if block.labels == ("random_password", name)), None
                )
                if block is None:
                    continue
                special, characters = (
                    text(evaluate(block.attributes[key], scope)) if key in block.attributes else None
                    for key in ("special", "override_special")
                )
                if special != "false":
                    line = expression.at.line + expression.text.count("\n", 0, match.start())
                    at = Location(expression.at.file, line)
                    model.url_passwords.append(
                        UrlPassword(f"random_password.{name}", characters or _SPECIAL, at, block.at)
                    )


def _heredocs(expression: Expression) -> Iterator[Expression]:
    pending = [expression.node]
    while pending:
        node = pending.pop()
        if (
            node.type == "template_expr"
            and node.named_children
            and node.named_children[0].type == "heredoc_template"
        ):
            yield expression.on(node)
        else:
            pending.extend(node.named_children)


def _targets(folder: Folder, variables: Mapping[str, Block], model: Model) -> None:
    """Add the cluster that a stack acts on by default: contexts in variables and .tfvars."""
    scope = Scope(Instance(folder, {}, no_file, {}))
    for name, block in folder.variables.items():
        if "context" in name and "default" in block.attributes:
            value = evaluate(block.attributes["default"], scope)
            if text(value):
                model.targets.append(NameUse(value, False, value.at))
    for root in variables.values():
        for name, expression in root.attributes.items():
            if "context" in name:
                value = evaluate(expression, scope)
                model.targets.append(NameUse(value, False, value.at))
