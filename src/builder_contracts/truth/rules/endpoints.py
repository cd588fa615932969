"""Hosts, ports, schemes and the roles of caches and stores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder_contracts.errors import Source
from builder_contracts.truth.context import Context, declared, excerpt
from builder_contracts.truth.finding import Absent, Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.model import Service, environment
from builder_contracts.truth.platform import Facts
from builder_contracts.truth.speech import denies, denies_at, intends, names_any
from builder_contracts.truth.value import Unknown, number, text

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HA = re.compile(r"\b(highly[ -]available|high[ -]availability|HA|fail(s|ed)? ?over|redundan\w+)\b")
_PRONOUN = re.compile(r"(It|This|They|These|Both|Neither)\b")
_NO_HA = re.compile(r"\b(not|no|without|lacks?|single|isn't|never)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Mention:
    """An address in a line. ``port`` is None where none is written or it is computed."""

    host: str
    port: int | None
    scheme: str
    computed_port: bool
    line: str
    at: Source
    dismissed: bool

    @property
    def side(self) -> Side:
        return Side(self.at, excerpt(self.line))


def mentions(context: Context) -> list[Mention]:
    """Every address of the platform that a line or a deployed environment names."""
    # Several rules ask for them, and finding them is most of what those rules do.
    if "mentions" not in context.memo:
        context.memo["mentions"] = _mentions(context)
    cached: list[Mention] = context.memo["mentions"]
    return cached


def _mentions(context: Context) -> list[Mention]:
    facts = context.facts("endpoints")
    zones = [zone for zone, data in facts.get("zones", default={}).items()
             if data.get("scope") != "platform" or context.ours]  # fmt: skip
    if not zones:
        return []
    tail = "|".join(sorted(map(re.escape, zones), key=len, reverse=True))
    pattern = re.compile(
        r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?<![\w.}*>@-])"
        rf"(?P<host>(?:[a-z0-9_-]+\.)+(?:{tail}))(?![\w-]|\.\w)(?::(?:(?P<port>\d{{1,5}})|(?P<computed>[^\s\d/\"'`])))?",
        re.IGNORECASE,
    )
    collected: list[Mention] = []

    def look(written: str, at: Source, prose: bool) -> None:
        for match in pattern.finditer(written):
            host = match["host"].lower()
            port = int(match["port"]) if match["port"] else None
            collected.append(
                Mention(
                    host,
                    port,
                    (match["scheme"] or "").lower(),
                    bool(match["computed"]),
                    written,
                    at,
                    prose and denies_at(written, match.start()),
                )
            )

    for line in context.lines:
        look(line.text, line.at, line.prose)
    places = {(mention.at.file, mention.at.line) for mention in collected}
    for scale_set in context.model.scale_sets:
        for name, value in environment(scale_set.runner).items():
            written = text(value)
            if written and (value.at.file, value.at.line) not in places:
                look(f"{name}={written}", value.at, prose=False)
    return collected


def _endpoint(facts: Facts, host: str) -> str | None:
    for name, endpoint in facts.get("endpoints", default={}).items():
        if endpoint["host"] == host:
            return str(name)
    return None


def _service(context: Context, host: str) -> Service | None:
    """The service of this deployment that a cluster name stands for."""
    parts = host.split(".")
    if "svc" not in parts:
        return None
    for service in context.services.get(parts[0], ()):
        namespace = text(service.namespace)
        if namespace is None or namespace == parts[1]:
            return service
    return None


def is_management(context: Context, host: str) -> bool:
    """Whether the name is one of a service that only operators use."""
    words = context.facts("operator").get("management", default=[])
    return names_any(host.partition(".")[0].replace("-", " "), words) is not None


def known_hosts(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    retired = facts.get("retired", default={})
    nearest: dict[str, str | None] = {}
    for mention in mentions(context):
        if mention.host in retired or is_management(context, mention.host):
            continue
        if _endpoint(facts, mention.host) or _service(context, mention.host):
            yield Agrees(mention.at)
        elif not mention.dismissed:
            if mention.host not in nearest:
                nearest[mention.host] = _nearest(facts, mention.host)
            near = nearest[mention.host]
            expected = (
                declared(facts, "endpoints", near, "host")
                if near
                else Side(facts.at("endpoints"), "declared endpoints")
            )
            yield Contradicts(
                mention.side,
                expected,
                f"no service is named {mention.host}; "
                + (
                    f"use {facts.get('endpoints', near, 'host')}"
                    if near
                    else "use a declared endpoint, or declare this one"
                ),
            )


def _nearest(facts: Facts, host: str) -> str | None:
    """The endpoint that was probably meant: in the same zone, with the most similar first label."""
    import difflib

    hosts = {endpoint["host"]: name for name, endpoint in facts.get("endpoints", default={}).items()}
    same_zone = [candidate for candidate in hosts if candidate.partition(".")[2] == host.partition(".")[2]]
    close = difflib.get_close_matches(host, same_zone or list(hosts), n=1, cutoff=0.5)
    return hosts[close[0]] if close else None


def retired_hosts(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    retired = facts.get("retired", default={})
    clean = True
    for mention in mentions(context):
        if mention.host in retired and not mention.dismissed:
            clean = False
            successor = facts.get("endpoints", retired[mention.host])
            right = f"{successor['schemes'][0]}://{successor['host']}" if successor else "its successor"
            expected = declared(facts, "retired", mention.host, says=f"retired, replaced by {right}")
            yield Contradicts(mention.side, expected, f"use {right}")
    if clean:
        yield Absent(f"none of {len(retired)} retired hosts in {context.searched}")


def ports(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    for mention in mentions(context):
        name = _endpoint(facts, mention.host)
        port = mention.port or (None if mention.computed_port else _DEFAULT_PORTS.get(mention.scheme))
        if name is None or port is None or _service(context, mention.host) is not None:
            continue
        if port in facts.get("endpoints", name, "ports"):
            yield Agrees(mention.at)
        elif not mention.dismissed:
            allowed = ", ".join(map(str, facts.get("endpoints", name, "ports")))
            expected = declared(
                facts, "endpoints", name, "ports", says=f"{mention.host} listens on {allowed}"
            )
            yield Contradicts(mention.side, expected, f"use port {allowed}; {port} is not served")


def schemes(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    for mention in mentions(context):
        name = _endpoint(facts, mention.host)
        if name is None or not mention.scheme:
            continue
        allowed = facts.get("endpoints", name, "schemes")
        if mention.scheme in allowed:
            yield Agrees(mention.at)
        elif not mention.dismissed:
            expected = declared(
                facts, "endpoints", name, "schemes", says=f"{mention.host} uses {', '.join(allowed)}"
            )
            yield Contradicts(mention.side, expected, f"use {allowed[0]}://{mention.host}")


def shapes(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    settings = facts.get("settings", default={})
    hosts = "|".join(re.escape(endpoint["host"]) for endpoint in facts.get("endpoints", default={}).values())
    if not settings or not hosts:
        return
    names = "|".join(map(re.escape, settings))
    pattern = re.compile(
        rf"\b(?P<name>{names})\b[\"'`]?\s*[:=]\s*[\"'`]?(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<address>(?:{hosts})(?::\d+)?)"
    )
    seen: set[tuple[str, int]] = set()

    def check_form(written: str, at: Source) -> Iterator[Observation]:
        for match in pattern.finditer(written):
            form = settings[match["name"]]
            seen.add((at.file, at.line))
            if (form == "url") == bool(match["scheme"]):
                yield Agrees(at)
                continue
            wants = "a URL (SCHEME://HOST:PORT)" if form == "url" else "HOST:PORT without a scheme"
            expected = declared(facts, "settings", match["name"], says=f"{match['name']} takes {wants}")
            yield Contradicts(Side(at, excerpt(written)), expected, f"use {wants}")

    for line in context.lines:
        if not (line.prose and denies(line.text)):
            yield from check_form(line.text, line.at)
    for scale_set in context.model.scale_sets:
        for name, value in environment(scale_set.runner).items():
            if (value.at.file, value.at.line) not in seen and (written := text(value)):
                yield from check_form(f"{name}={written}", value.at)


def service_ports(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    for mention in mentions(context):
        service = _service(context, mention.host)
        port = mention.port or (None if mention.computed_port else _DEFAULT_PORTS.get(mention.scheme))
        if service is None or port is None:
            continue
        listening = [number(value) for value in service.ports]
        if None in listening or not listening:
            unknown = next((value for value in service.ports if isinstance(value, Unknown)), None)
            yield Unseen(service.at, unknown.reason if unknown else "the service specifies no port")
        elif port in listening:
            yield Agrees(mention.at)
        elif not mention.dismissed:
            shown = ", ".join(map(str, listening))
            expected = Side(service.ports[0].at, f"the service {text(service.name)} listens on {shown}")
            yield Contradicts(mention.side, expected, f"use port {shown}; {port} is not served")
    for service in context.model.services:
        name, namespace = text(service.name), text(service.namespace)
        endpoint = _endpoint(facts, f"{name}.{namespace}.svc.cluster.local")
        if endpoint is None:
            continue
        promised = facts.get("endpoints", endpoint, "ports")
        listening = [number(value) for value in service.ports]
        if None not in listening and not set(promised) <= set(listening):
            shown = ", ".join(map(str, listening)) or "no port"
            expected = declared(facts, "endpoints", endpoint, "ports")
            actual = Side(service.at, f"the service {name} listens on {shown}")
            yield Contradicts(
                actual, expected, "make the service listen on the declared port, or declare the actual one"
            )


def roles(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    all_roles = facts.get("roles", default={})
    if not context.sentences:
        return
    names = {role["named"] for role in all_roles.values()}
    for name, role in all_roles.items():
        named = role["named"]
        expected = declared(facts, "roles", name, says=f"{named} is for: {'; '.join(role['for'])}")
        about = [s for s in context.sentences if names_any(s.text, [named])]
        stated = next((s.at for s in about if names_any(s.text, role["said_as"])), None)
        if stated is not None:
            yield Agrees(stated)
        else:
            actual = Side(context.entrance, f"the documentation does not state what {named} is for")
            yield Contradicts(actual, expected, f"document the role of {named}")
        for sentence in about:
            only = not any(names_any(sentence.text, [other]) for other in names - {named})
            wrong = names_any(sentence.text, role.get("never", []))
            if only and wrong and not names_any(sentence.text, role["said_as"]) and not denies(sentence.text):
                yield Contradicts(
                    Side(sentence.at, excerpt(sentence.text)),
                    expected,
                    f"correct the sentence: {named} is not a {wrong}",
                )


def not_working(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    if not context.sentences:
        return
    clean = True
    for name, data in facts.get("not_working", default={}).items():
        for sentence in context.sentences:
            about = all(names_any(sentence.text, [word]) for word in data["words"])
            if not about or names_any(sentence.text, data.get("unless", [])):
                continue
            if (
                denies(sentence.text)
                or intends(sentence.text)
                or names_any(sentence.text, ["problem", "issue", "fail"])
            ):
                continue
            clean = False
            expected = declared(facts, "not_working", name, says=f"does not work: {data['reason']}")
            yield Contradicts(
                Side(sentence.at, excerpt(sentence.text)), expected, "state that it does not work yet"
            )
    if clean:
        yield Absent(f"none of {len(context.documents)} pages offers it")


def high_availability(context: Context) -> Iterator[Observation]:
    facts = context.facts("endpoints")
    if not context.sentences:
        return
    for role, provider in facts.get("not_highly_available", default={}).items():
        expected = declared(facts, "not_highly_available", role, says=f"{provider} is not highly available")
        stated: Source | None = None
        for sentence in context.sentences:
            # "It is not highly available" speaks of what the paragraph is about.
            about = sentence.paragraph if _PRONOUN.match(sentence.text) else sentence.text
            if not names_any(about, [provider]) or not _HA.search(sentence.text):
                continue
            if _NO_HA.search(sentence.text):
                stated = stated or sentence.at
            elif not intends(sentence.text):
                yield Contradicts(
                    Side(sentence.at, excerpt(sentence.text)), expected, "state the limit instead"
                )
        if stated is not None:
            yield Agrees(stated)
        else:
            actual = Side(
                context.entrance, f"the documentation does not state that {provider} is not highly available"
            )
            yield Contradicts(actual, expected, f"document what happens when {provider} is down")
