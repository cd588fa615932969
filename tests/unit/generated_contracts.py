"""Contracts generated from the JSON Schema, so that what the schema comes to allow is tested at once.

hypothesis-jsonschema does not run with current releases of Hypothesis, and would need this module's notes
on what the schema cannot say anyway: version ranges, amounts, contradictions, references to clauses.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from builder_contracts.contract import schemas
from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.contract.platforms import normalize
from builder_contracts.tools.catalog import misspelt

RANGES = st.sampled_from([">=2.24,<3", ">=1", "<99.5", "!=3", "==2.*", "~=1.2", ">1,<=7.0.1"])
PATTERNS = st.sampled_from(["a", "^/", "attic-api", r"\d{3}", "nix-(cache|command)$", "(?i)TOKEN", "[.]"])
BYTES = st.sampled_from(["1", "512Mi", "8Gi", "2G", "3T"])

# Fields of which the schema does not say all: what is text there has a meaning, and an order.
BY_TITLE: dict[str, st.SearchStrategy[Any]] = {
    "Version range": RANGES,
    "Version range of the server": RANGES,
    "Regular expression": PATTERNS,
    "Pattern of the value": PATTERNS,
    "Pattern of the content": PATTERNS,
    "Pattern of the arguments": PATTERNS,
    "Range of package versions": st.sampled_from([">=3.0.15-1~deb12u1,<4", "!=1:2-3", "==1.2_rc1-r0", ">0"]),
    "Host and port": st.sampled_from(["localhost:80", "attic.nix-cache.svc.cluster.local:65535", "x:1"]),
    "Endpoint": st.integers(1, 65535).map(lambda port: f"tcp://localhost:{port}"),
    "Who listens": st.sampled_from(["absent", "present", "loopback", "127.0.0.1", "::1"]),
    "URL": st.sampled_from(
        ["http://x/", "https://attic.nix-cache.svc.cluster.local:65535/main/nix-cache-info"]
    ),
    "Last day": st.dates().map(str),
    "CPU request": st.sampled_from(["1m", "0.25", "500m"]),
    "CPU limit": st.sampled_from(["0.5", "500m", "4", "999999"]),
    "Memory request": st.sampled_from(["1", "1k", "512Mi"]),
    "Memory limit": st.sampled_from(["512Mi", "8Gi", "2G", "3T"]),
    "Free space": BYTES,
    "Size budget": BYTES,
    "Shared memory": BYTES,
}

# These refer to clauses of the same contract, so they are added when the clauses are known.
REFERRING = {"vars", "waivers", "why", "responsibilities", "extends"}


def values(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Data that a part of the schema allows."""
    part = schemas.resolve(part)
    if part.get("title") in BY_TITLE:
        return BY_TITLE[part["title"]]
    if "const" in part:
        return st.just(part["const"])
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if "anyOf" in part:
        return st.one_of([values(branch) for branch in part["anyOf"]])
    kinds: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
        "object": mappings,
        "array": lists,
        "string": texts,
        "integer": lambda part: st.integers(part["minimum"], part["maximum"]),
        "boolean": lambda _: st.booleans(),
    }
    return kinds[part["type"]](part).map(_CONSISTENT.get(part["title"], _as_it_is))


def mappings(part: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if isinstance(others := part.get("additionalProperties"), dict):
        named = schemas.resolve(part["propertyNames"])
        names = st.sampled_from(named["enum"]) if "enum" in named else texts({"maxLength": 60, **named})
        return st.dictionaries(names, values(others), min_size=1, max_size=3)
    fields = {
        name: values(inner) for name, inner in part.get("properties", {}).items() if name not in REFERRING
    }
    required = {name: fields.pop(name) for name in part.get("required", [])}
    if required or not part.get("minProperties"):
        return st.fixed_dictionaries(required, optional=fields)

    def one_at_least(first: str) -> st.SearchStrategy[dict[str, Any]]:
        rest = {name: inner for name, inner in fields.items() if name != first}
        return st.fixed_dictionaries({first: fields[first]}, optional=rest)

    return st.sampled_from(sorted(fields)).flatmap(one_at_least)


def lists(part: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    most = min(part.get("maxItems", 3), 3)
    unique = json.dumps if part.get("uniqueItems") else None
    return st.lists(values(part["items"]), min_size=part.get("minItems", 0), max_size=most, unique_by=unique)


def texts(part: dict[str, Any]) -> st.SearchStrategy[str]:
    least, most = part.get("minLength", 0), min(part.get("maxLength", 100), 100)
    if "pattern" not in part:
        return st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=least, max_size=most)
    # JSON Schema's "$" is the end of the text, Python's also stands before a last line break.
    form = st.from_regex(part["pattern"].removesuffix("$") + r"\Z")
    # A filter here would give up the whole contract for one text of a wrong length, and most contracts with it.
    fitting = form.map(lambda text: text if least <= len(text) <= most else part["examples"][0])
    return st.sampled_from(part["examples"]) | fitting


def _as_it_is(data: Any) -> Any:
    return data


def _ports(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "others": "absent"} if "others" in data else data


def _reach(data: list[Any]) -> list[Any]:
    by_name = {item if isinstance(item, str) else item["url"]: item for item in data}
    return [*by_name.values()]


def _image(data: dict[str, Any]) -> dict[str, Any]:
    usual = {normalize(platform): platform for platform in data.pop("platforms", [])}
    return {**data, **({"platforms": [*usual.values()]} if usual and "platform" not in data else {})}


def _identity(data: dict[str, Any]) -> dict[str, Any]:
    if data.get("uid") == 0 or data.get("user") == "root":
        data.pop("root", None)
    return data


def _job(data: dict[str, Any]) -> dict[str, Any]:
    if data.get("start") == "image":
        data.pop("command", None)
    return data


def _groups(data: dict[str, Any]) -> dict[str, Any]:
    allow = [name for name in data.pop("allow", []) if name not in data.get("forbid", [])]
    return {**data, "allow": allow} if allow else data or {"forbid": ["docker"]}


def _bounds(data: dict[str, Any]) -> dict[str, Any]:
    ordered = sorted(data.values())
    return {"at_most": 7} if ordered == [0] else dict(zip(sorted(data), ordered, strict=True))


def _capabilities(data: dict[str, Any]) -> dict[str, Any]:
    forbid = data.get("forbid", [])
    require = [
        name for name in data.pop("require", []) if name not in (*forbid, "ALL") and "ALL" not in forbid
    ]
    return {**data, "require": require} if require else data or {"forbid": ["ALL"]}


def _tool(data: dict[str, Any]) -> dict[str, Any]:
    return {"version": ">=1", **data} if "version_command" in data else data


def _tools(data: dict[str, Any]) -> dict[str, Any]:
    """A name that looks like a mistake for a known tool's becomes that tool's."""
    return {misspelt(name) or name: promise for name, promise in data.items()}


def _path(data: dict[str, Any]) -> dict[str, Any]:
    if "mode" in data:
        data.pop("writable_by_others", None)
    if "target" in data:
        data.pop("type", None)
    return data


def _process(data: dict[str, Any]) -> dict[str, Any]:
    if data.get("running") is False:
        data.pop("user", None)
    return data


def _output(data: dict[str, Any]) -> dict[str, Any]:
    forbids = [text for text in data.pop("forbids", []) if text not in data.get("matches", [])]
    return {**data, "forbids": forbids} if forbids else data or {"matches": ["a"]}


def _variable(data: dict[str, Any]) -> dict[str, Any]:
    if "equals" in data:
        data.pop("contains", None)
        data.pop("matches", None)
    return data


def _contract(data: dict[str, Any]) -> dict[str, Any]:
    isolation = data.get("isolation", {})
    if "daemon" in data and isolation.get("docker_daemon") == "absent":
        isolation["docker_daemon"] = "reachable"
    if data.get("privileges", {}).get("sudo") == "passwordless" and isolation.get("no_new_privileges"):
        isolation["no_new_privileges"] = False
    return data


# What a contract may not say at once, by the title of the mapping that says it.
_CONSISTENT: dict[str, Callable[[Any], Any]] = {
    "Runner image": _image,
    "Listening ports": _ports,
    "Services that answer": _reach,
    "Who a job runs as": _identity,
    "How jobs start": _job,
    "Builder class contract": _contract,
    "Groups": _groups,
    "Bounds": _bounds,
    "Capabilities": _capabilities,
    "Tools": _tools,
    "What is promised of the tool": _tool,
    "What is promised of the path": _path,
    "What its value is": _variable,
    "Promises about a process": _process,
    "Standard output": _output,
    "Standard error": _output,
}

CLASSES = values(schemas.load("builder-class"))
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_FOLDER = tempfile.TemporaryDirectory(prefix="generated-contracts-")


def loaded(data: dict[str, Any]) -> Contract:
    """The contract in a file of its own, in JSON, which is YAML."""
    path = Path(_FOLDER.name, "contract.yaml")
    # JSON writes characters as they are that YAML wants escaped.
    text = _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data, ensure_ascii=False))
    path.write_text(text, "utf-8")
    return load(path)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Valid contracts, with waivers, reasons and responsibilities of their own clauses."""
    data = draw(CLASSES)
    contract = loaded(data)
    ids = st.sampled_from([clause.local_id for clause in contract.clauses])
    observed = st.sampled_from([clause.local_id for clause in contract.clauses if clause.kind != "labels"])
    waiver = values(schemas.load("builder-class")["$defs"]["waivers"]["additionalProperties"])
    data["waivers"] = draw(st.dictionaries(ids, waiver, min_size=1, max_size=2))
    data["why"] = {draw(ids): "because"}
    data["responsibilities"] = {"one": {"promise": "it works", "shown_by": [draw(observed)]}}
    return loaded(data)
