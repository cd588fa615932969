"""The entries of cache-roles.yaml, joined with the words that the area *endpoints* uses for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from builder_contracts.contract import schemas
from builder_contracts.contract.document import Document, Pointer
from builder_contracts.errors import Location, Problem

_PORTS = {"http": 80, "https": 443}
_NOT_WORKING = re.compile(r"^not working:\s*", re.IGNORECASE)
_NOT_HA = re.compile(r"\bnot (?:highly available|HA)\b", re.IGNORECASE)


def join(
    area: Document, roles: Document | None, problems: list[Problem]
) -> tuple[dict[str, Any], dict[Pointer, Location]]:
    """The facts of the area with hosts, reasons and limits from the roles, and where those stand.

    Added: ``host``, ``schemes`` and ``ports`` of each endpoint, ``provider`` and ``for`` of each role, ``reason`` of what
    does not work, and ``not_highly_available``: the roles whose limits say so. What does not fit is a problem.
    """
    facts: dict[str, Any] = dict(area.data["facts"])
    places: dict[Pointer, Location] = {}
    described: Mapping[str, Any] = roles.data["roles"] if roles is not None else {}
    stale: Mapping[str, str] = roles.data.get("stale", {}) if roles is not None else {}

    def unknown(at: Pointer, name: str, noun: str, choices: Mapping[str, Any]) -> None:
        guess = schemas.nearest(name, list(choices))
        fix = f"did you mean {guess!r}?" if guess else "add it to cache-roles.yaml first"
        problems.append(Problem(area.source(("facts", *at)), f"cache-roles.yaml has no {noun} {name!r}", fix))

    facts["endpoints"] = {}
    for name, data in area.data["facts"]["endpoints"].items():
        role, environment = data["role"], data["environment"]
        urls = described.get(role, {}).get("endpoints", {})
        if role not in described:
            unknown(("endpoints", name, "role"), role, "role", described)
        elif environment not in urls:
            unknown(("endpoints", name, "environment"), environment, f"endpoint of {role} for", urls)
        elif roles is not None:
            at = roles.source(("roles", role, "endpoints", environment))
            url = urlsplit(urls[environment])
            port = url.port or _PORTS.get(url.scheme)
            if not url.hostname or port is None:
                problems.append(
                    Problem(at, f"{urls[environment]!r} has no host and port", "use SCHEME://HOST:PORT")
                )
                continue
            facts["endpoints"][name] = {
                **data,
                "host": url.hostname,
                "schemes": [url.scheme],
                "ports": [port],
            }
            places[("endpoints", name)] = at
    for host in facts.get("retired", {}):
        if host not in stale:
            unknown(("retired", host), host, "stale host", stale)
    for key in ("roles", "not_working"):
        facts[key] = {}
        for name, data in area.data["facts"].get(key, {}).items():
            if name not in described:
                unknown((key, name), name, "role", described)
                continue
            limits = described[name].get("limits", [])
            index = next((i for i, limit in enumerate(limits) if _NOT_WORKING.match(limit)), None)
            if key == "roles":
                facts[key][name] = {
                    **data,
                    "provider": described[name]["provider"],
                    "for": described[name]["for"],
                }
                at_pointer: Pointer = ("roles", name)
            elif index is None:
                unknown((key, name), name, "limit 'not working: …' of the role", {})
                continue
            else:
                facts[key][name] = {**data, "reason": _NOT_WORKING.sub("", limits[index])}
                at_pointer = ("roles", name, "limits", index)
            if roles is not None:
                places[(key, name)] = roles.source(at_pointer)
    facts["not_highly_available"] = {}
    for name in facts["roles"]:
        for index, limit in enumerate(described[name].get("limits", [])):
            if _NOT_HA.search(limit) and roles is not None:
                facts["not_highly_available"][name] = facts["roles"][name]["named"]
                places[("not_highly_available", name)] = roles.source(("roles", name, "limits", index))
    return facts, places
