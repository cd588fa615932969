"""Judges promises about the certificate authorities that a job's programs trust."""

from __future__ import annotations

import re
from typing import assert_never

from builder_contracts.contract.promises.trust import Certificates, TlsTool, TrustPromise
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

# What curl, wget, git, openssl and Python print if a name does not resolve: then no handshake was tried.
_UNRESOLVED = re.compile(
    r"could not resolve|unable to resolve|name or service not known|name resolution", re.IGNORECASE
)


def judge(promise: TrustPromise, facts: Facts) -> Assessment:
    match promise:
        case Certificates():
            return _certificates(promise, facts)
        case TlsTool():
            return _tool(promise, facts)
        case _:
            assert_never(promise)


def _certificates(promise: Certificates, facts: Facts) -> Assessment:
    inspect = ".ca_bundle"
    bundle = facts.ca_bundle
    if isinstance(bundle, Unseen):
        return unproven_because(bundle, inspect)
    if not bundle.path:
        return broken("no CA bundle", "the image lacks package ca-certificates", inspect=inspect)
    seen = f"{bundle.certificates} certificates in {bundle.path}"
    if bundle.certificates >= promise.at_least:
        return kept(seen, inspect=inspect)
    return broken(seen, "the bundle was emptied or replaced; run update-ca-certificates", inspect=inspect)


def _tool(promise: TlsTool, facts: Facts) -> Assessment:
    inspect = f".handshakes.{promise.name}"
    tried = facts.handshakes.get(promise.name, NOT_ASKED)
    if isinstance(tried, Unseen):
        return unproven_because(tried, inspect)
    if not tried.bundle:
        return broken("no CA bundle", "the image lacks package ca-certificates", inspect=inspect)
    if _UNRESOLVED.search(tried.trusted.output):
        return unproven(f"{promise.name} did not find the server: {tried.trusted.output}", inspect=inspect)
    if tried.trusted.status != 0:
        return broken(
            f"{promise.name} refuses a server whose authority is in {tried.bundle}: "
            f"status {tried.trusted.status}: {tried.trusted.output or 'no output'}",
            "the tool is missing, or reads another bundle: see SSL_CERT_FILE, CURL_CA_BUNDLE, GIT_SSL_CAINFO, "
            "and its configuration files",
            inspect=inspect,
        )
    if tried.unknown.status == 0:
        return broken(
            f"{promise.name} accepts a server whose authority is in no bundle",
            "verification is off: see .curlrc, .wgetrc, http.sslVerify of Git, and its variables",
            inspect=inspect,
        )
    return kept(
        f"accepts a server whose authority is in {tried.bundle}, refuses one whose authority is not",
        inspect=inspect,
    )


def explain(promise: TrustPromise) -> Explanation:
    match promise:
        case Certificates():
            return Explanation(
                how="The certificates in SSL_CERT_FILE, or in the first bundle at a usual path, are counted. "
                "This shows that authorities are there, not that they verify a server: promise `tools` for that.",
                unproven=f"{RUNNER_LOST}; or the bundle is not readable.",
                why="Without authorities, every download over TLS fails.",
                breaks="An image without ca-certificates, or an emptied bundle.",
                fix=f"Install ca-certificates with at least {promise.at_least} authorities.",
            )
        case TlsTool():
            return Explanation(
                how="A second container of the image gets an authority of the run in its CA bundle and in "
                "/etc/ssl/certs, as update-ca-certificates would put it there. As the job's user, the tool then "
                "requests a page from two servers of the run: it must accept the one that this authority signed, and "
                "refuse the one that an authority in no bundle signed. A client of the run's own reaches both first.",
                unproven=f"{RUNNER_LOST}; the servers did not start; the tool cannot resolve their names; "
                "or on a real runner, whose bundle is not changed (skipped).",
                why="An authority of your own that the bundle has and the tool does not read fails each of its "
                "downloads; a tool that verifies nothing downloads from anybody.",
                breaks="SSL_CERT_FILE with a bundle of its own, GIT_SSL_CAINFO, a .curlrc with 'insecure'.",
                fix=f"Let {promise.name} read the system's bundle, and verify.",
            )
        case _:
            assert_never(promise)
