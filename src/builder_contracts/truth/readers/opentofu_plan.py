"""Read a plan of OpenTofu or Terraform, as ``tofu show -json`` prints it, into the model.

Format: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from builder_contracts.truth.model import Model
from builder_contracts.truth.readers import opentofu, yaml
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text


def read_plan(document: str, path: str, model: Model) -> None:
    """Add what a plan creates or keeps. Raises NotYaml, or ValueError for JSON of another kind."""
    plan = next(iter(yaml.read(document, path)), None)
    planned = get(plan, "planned_values", "root_module")
    if plan is None or planned is None:
        raise ValueError("no planned_values: pass the output of 'tofu show -json PLAN'")
    unknown = {
        text(get(change, "address")) or "": fields(get(change, "change", "after_unknown"))
        for change in items(get(plan, "resource_changes"))
    }
    for resource in _resources(planned):
        if text(get(resource, "mode")) != "data":
            address = text(get(resource, "address")) or ""
            values = _with_unknown(get(resource, "values"), unknown.get(address, {}), resource)
            opentofu.read_resource(text(get(resource, "type")) or "", address, values, path, model)


def _resources(module: Value) -> Iterator[Value]:
    yield from items(get(module, "resources"))
    for child in items(get(module, "child_modules")):
        yield from _resources(child)


def _with_unknown(values: Value | None, unknown: Mapping[str, Value], resource: Value) -> Value:
    """The attributes of a resource; one that is wholly or partly known only after the apply is unknown."""
    computed = {
        key: Unknown(f"{key} is known after the apply", resource.at)
        for key, after in unknown.items()
        if _is_true_somewhere(after)
    }
    return Known({**fields(values), **computed}, resource.at)


def _is_true_somewhere(value: Value) -> bool:
    if isinstance(value, Known) and isinstance(value.data, dict | list):
        inner = value.data.values() if isinstance(value.data, dict) else value.data
        return any(map(_is_true_somewhere, inner))
    return text(value) == "true"
