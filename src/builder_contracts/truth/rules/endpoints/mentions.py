"""Addresses of the platform in lines and deployed environments, shared by the rules of the area."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth.checkout_scan import PAGES, SearchWords
from builder_contracts.truth.finding import Quote
from builder_contracts.truth.model import KubernetesService, environment
from builder_contracts.truth.placeholders import is_placeholder
from builder_contracts.truth.platform import AreaDeclarations, Platform
from builder_contracts.truth.prose import denies_at, names_any
from builder_contracts.truth.rule_context import RuleContext, excerpt
from builder_contracts.truth.value import text

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Mention:
    """An address in a line. ``port`` is None if it is not written or is computed.

    ``dismissed``: a sentence says that it is gone. ``used``: the line makes it the address of a cache or a service of the
    platform; hosts of other systems, paths and names of annotations are not.
    """

    host: str
    port: int | None
    scheme: str
    computed_port: bool
    line: str
    at: Location
    dismissed: bool
    used: bool = True

    @property
    def effective_port(self) -> int | None:
        """The port that a client connects to, None if it is unknown."""
        return self.port or (None if self.computed_port else _DEFAULT_PORTS.get(self.scheme))

    @property
    def side(self) -> Quote:
        return Quote(self.at, excerpt(self.line))


def zone_words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    """The lines that can hold an address of the platform."""
    del contracts
    return SearchWords(lines=tuple(platform.area("endpoints").get("zones", default={})))


def mentions(context: RuleContext) -> list[Mention]:
    """Every address of the platform that a line or a deployed environment names."""
    # Several rules ask for them, and finding them is most of what those rules do.
    if "mentions" not in context.memo:
        context.memo["mentions"] = _mentions(context)
    cached: list[Mention] = context.memo["mentions"]
    return cached


def _mentions(context: RuleContext) -> list[Mention]:
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

    def look(written: str, at: Location, prose: bool, key: str = "") -> None:
        for match in pattern.finditer(written):
            if _is_no_address(written, match):
                continue
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
                    _is_used(written, match, at.file, key, prose=prose),
                )
            )

    for line in context.lines:
        look(line.text, line.at, line.prose, line.key)
    places = {(mention.at.file, mention.at.line) for mention in collected}
    for scale_set in context.model.scale_sets:
        for name, value in environment(scale_set.runner).items():
            written = text(value)
            if written and (value.at.file, value.at.line) not in places:
                look(f"{name}={written}", value.at, prose=False)
    return collected


# Words of caches, where they are spoken of or configured.
_CACHE = re.compile(
    r"attic|substitut|nix[-_ ]?cache|binary[-_ ]?cache|bazel|remote[-_ ]?cache|cachix|\bcache\b",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(r"\be\.g\.|\bfor example\b|\bexample\b|CHANGE[ _-]?(?:THIS|ME)", re.IGNORECASE)


def _is_no_address(written: str, match: re.Match[str]) -> bool:
    """Whether a name stands in the path of another address, is a pattern, or the prefix of an annotation."""
    before, after = written[: match.start()], written[match.end() :]
    if match["scheme"]:
        return before.endswith("^")
    if before.endswith("/"):
        return not before.endswith("://")
    return re.match(r"/[\w.*-]+\s*[=:\"'*]|/\*", after) is not None


def _is_used(written: str, match: re.Match[str], file: str, key: str, *, prose: bool) -> bool:
    """Whether a line makes a host the address of a cache or of a service in the cluster."""
    if is_placeholder(match["host"]) or (prose and (_EXAMPLE.search(written) or not file.endswith(PAGES))):
        return False
    if ".svc" in match["host"].lower():
        return not _EXAMPLE.search(written)
    before, after = written[: match.start()], written[match.end() :]
    addressed = match["scheme"] or match["port"] or (not prose and re.search(r"[:=]\s*[\"']?$", before))
    if not addressed:
        return False
    name = file.rpartition("/")[2].rpartition(".")[0]
    # The path of the address itself says nothing about its use.
    rest = re.sub(r"^/\S*", "", after)
    return any(_CACHE.search(words) for words in (before, rest, key, name))


def endpoint_of(facts: AreaDeclarations, host: str) -> str | None:
    for name, endpoint in facts.get("endpoints", default={}).items():
        if endpoint["host"] == host:
            return str(name)
    return None


def service_of(context: RuleContext, host: str) -> KubernetesService | None:
    """The service of this deployment behind a cluster name."""
    parts = host.split(".")
    if "svc" not in parts:
        return None
    for service in context.services.get(parts[0], ()):
        namespace = text(service.namespace)
        if namespace is None or namespace == parts[1]:
            return service
    return None


def is_management(context: RuleContext, host: str) -> bool:
    """Whether the name is one of a service that only operators use."""
    words = context.facts("operator").get("management", default=[])
    return names_any(host.partition(".")[0].replace("-", " "), words) is not None
