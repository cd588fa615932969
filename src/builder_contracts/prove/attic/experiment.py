"""Attempt to publish to an Attic server as each identity, and look up afterwards what arrived."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from builder_contracts.prove.attic.protocol import (
    AtticCache,
    Request,
    StorePath,
    forged,
    format_reply,
    lookup_stored,
    lookup_traces,
)
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.leftovers import NOTHING_TO_REMOVE, format_leftovers
from builder_contracts.prove.publish_attempt import IDENTITIES, PublishAttempt, is_accepted, unknown_reader
from builder_contracts.prove.store_lookup import ANOTHER, SECOND, StoreLookup
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import ANONYMOUS, OWNER, READER, WRITER

_CLIENT = "Attic client next to the runner"
_UNCONFIRMED = "; whether the server knows the reader's token does not show at a public cache"
_WRONG_HASH = f"sha256:{'0' * 64}"


@dataclass
class AtticSession:
    """One proof at an Attic server: ``cache`` is written to, which is the class's ``own`` or one that this run created.

    ``viewer`` is the identity that looks up what arrived; ``rejected`` are identities whose credentials the server does
    not accept. ``written`` are the paths in ``own``, from which nothing can be deleted.
    """

    own: AtticCache
    cache: AtticCache
    viewer: str
    rejected: Mapping[str, Unavailable] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    @property
    def separate(self) -> bool:
        """Whether the cache was created for this proof."""
        return self.cache.name != self.own.name


@dataclass(frozen=True)
class _Operation:
    """A request of one identity. ``refusal`` is empty for what must be accepted; ``path`` is looked up in ``cache``."""

    name: str
    request: Request
    refusal: tuple[str, ...] = ()
    path: StorePath | None = None
    cache: AtticCache | None = None


def open_session(bench: Testbed) -> AtticSession | None:
    """Find out whether the class's cache is one of Attic, by its answers; create one for the proof if an owner's token
    is given. Raises StepFailed."""
    endpoint = bench.endpoints["nix"]
    own = None if endpoint.service else AtticCache.at(endpoint.url)
    if own is None:
        return None
    identities = [name for name in (WRITER, READER, ANONYMOUS) if endpoint.lacks(name) is None]
    replies = bench.ask([own.config(bench.headers("nix", name)) for name in identities])
    described = own.described(replies)
    if described is None:
        return None
    # Short enough for Attic, whose names have 50 characters at most.
    owned = (
        AtticCache(own.api, f"proof-{bench.nonce()[:16]}") if bench.identity("nix", OWNER).secret else None
    )
    with contextlib.ExitStack() as cleanup:
        if owned is not None:
            # Also if the answer is lost: then the server may have created it.
            cleanup.callback(_destroy, bench, owned)
        cache = described if owned is None else _create(bench, owned)
        viewer, rejected = WRITER, dict[str, Unavailable]()
        if READER in identities:
            # Of a public cache everybody knows, so there its answer says nothing of the reader's token.
            accepted = cache.public or _is_visible(bench, cache, READER)
            viewer = READER if accepted else WRITER
            if not accepted:
                rejected[READER] = unknown_reader(f"{cache.url} refuses them")
        cleanup.pop_all()
    return AtticSession(described, cache, viewer, rejected)


def _is_visible(bench: Testbed, cache: AtticCache, identity: str) -> bool:
    status = bench.ask([cache.config(bench.headers("nix", identity))])[0]["status"]
    return bool(status == "200")


def _create(bench: Testbed, cache: AtticCache) -> AtticCache:
    """Create a private cache, to which the writer may push. Raises StepFailed."""
    owner = bench.headers("nix", OWNER)
    created = bench.ask([cache.create(owner)])[0]
    if created["status"] != "200":
        raise StepFailed(f"creating the cache {cache.name} as the owner", format_reply(created))
    config, right = bench.ask([cache.config(owner), cache.missing(bench.headers("nix", WRITER), [])])
    described = cache.described([config])
    if described is None or described.public is None or right["status"] != "200":
        raise StepFailed(f"asking for the writer's right to push to {cache.name}", format_reply(right))
    return described


def _destroy(bench: Testbed, cache: AtticCache) -> None:
    with contextlib.suppress(StepFailed):
        bench.undo([cache.config(bench.headers("nix", OWNER), "DELETE")])


def attempt(bench: Testbed, job: ProofJob, session: AtticSession) -> dict[str, PublishAttempt | Unavailable]:
    """The attempts of all identities, from the network position of a job. Raises StepFailed."""
    endpoint = bench.endpoints["nix"]
    attempts: dict[str, PublishAttempt | Unavailable] = {
        name: lost for name in IDENTITIES if (lost := endpoint.lacks(name) or session.rejected.get(name))
    }
    stored = _new_path(bench)
    if WRITER not in attempts:
        writer = _attempt(bench, job, session, WRITER, _writes(bench, session, stored))
        attempts[WRITER] = writer
        readable = writer.lookups["upload"].present
    else:
        readable = None
    for name in (ANONYMOUS, READER):
        if name not in attempts:
            operations = _refused(bench, session, name, stored if readable else None)
            attempts[name] = _attempt(bench, job, session, name, operations)
    return attempts


def _attempt(
    bench: Testbed, job: ProofJob, session: AtticSession, name: str, operations: Iterable[_Operation]
) -> PublishAttempt:
    planned = tuple(operations)
    replies = bench.ask([operation.request for operation in planned], beside=job)
    answers = {operation.name: format_reply(reply) for operation, reply in zip(planned, replies, strict=True)}
    session.written += [
        operation.path.path
        for operation in planned
        if operation.path and operation.cache == session.own and is_accepted(answers[operation.name])
    ]
    return PublishAttempt(
        name,
        answers,
        _lookups(bench, session, planned),
        {},
        client=_CLIENT + (_UNCONFIRMED if name == READER and session.cache.public else ""),
        logged=False,
        reader=SECOND if session.viewer == WRITER else ANOTHER,
        refusals={operation.name: operation.refusal for operation in planned if operation.refusal},
    )


def _writes(bench: Testbed, session: AtticSession, path: StorePath) -> Iterator[_Operation]:
    """Both forms of an upload, and a wrong one: the server has to look at what it takes."""
    cache, headers = session.cache, bench.headers("nix", WRITER)
    yield _Operation("upload", cache.upload(headers, path), (), path, cache)
    other = _new_path(bench)
    yield _Operation("upload with header", cache.upload(headers, other, preamble=False), (), other, cache)
    wrong = _new_path(bench)
    request = cache.upload(headers, wrong, nar_hash=_WRONG_HASH)
    yield _Operation("upload with a wrong hash", request, ("400",), wrong, cache)
    if session.separate:
        yield _Operation(f"right to push to {session.own.name}", session.own.missing(headers, [path.hash]))


def _refused(
    bench: Testbed, session: AtticSession, name: str, readable: StorePath | None
) -> Iterator[_Operation]:
    """What an identity without the right to push must not be able to do."""
    cache, headers = session.cache, bench.headers("nix", name)
    refusal = cache.refusal(discovers=name == READER)
    for operation, preamble in (("upload", True), ("upload with header", False)):
        path = _new_path(bench)
        yield _Operation(operation, cache.upload(headers, path, preamble=preamble), refusal, path, cache)
    # The way of other caches, past the server's check of what is uploaded.
    path = _new_path(bench)
    for operation, file in (("put narinfo", f"{path.hash}.narinfo"), ("put nar", f"nar/{path.hash}.nar")):
        yield _Operation(operation, cache.file(headers, file, "PUT"), ("405", *refusal), path, cache)
    if cache.public is not None:
        # As it is already: if this is accepted, nothing has changed.
        change = cache.config(headers, "PATCH", {"is_public": cache.public})
        yield _Operation("configure", change, refusal)
    if name == ANONYMOUS:
        if token := forged(bench.identity("nix", WRITER).secret):
            path = _new_path(bench)
            request = cache.upload({"Authorization": f"Bearer {token}"}, path)
            yield _Operation("upload with a forged token", request, refusal, path, cache)
        if cache.public is False and readable is not None:
            yield _Operation("read", cache.file(headers, f"{readable.hash}.narinfo"), refusal)
    if session.separate:
        yield _Operation("delete", cache.config(headers, "DELETE"), refusal)
        path, own = _new_path(bench), session.own
        request = own.upload(headers, path)
        yield _Operation(f"upload to {own.name}", request, own.refusal(discovers=name == READER), path, own)


def _new_path(bench: Testbed) -> StorePath:
    return StorePath.of_text(f"proof {bench.nonce()}\n")


def _lookups(
    bench: Testbed, session: AtticSession, operations: Sequence[_Operation]
) -> dict[str, StoreLookup]:
    """What is in the caches of what was attempted: the description, the content and the server's own list say it."""
    view, writer = bench.headers("nix", session.viewer), bench.headers("nix", WRITER)
    written = [
        (operation, operation.path, operation.cache)
        for operation in operations
        if operation.path is not None and operation.cache is not None
    ]
    requests = [
        request
        for _, path, cache in written
        for request in (
            cache.file(view, f"{path.hash}.narinfo"),
            cache.file(view, f"nar/{path.hash}.nar", "HEAD"),
            cache.missing(writer, [path.hash]),
        )
    ]
    *replies, config = bench.ask([*requests, session.cache.config(bench.headers("nix", OWNER))])
    lookups = {}
    for (operation, path, _), narinfo, nar, missing in zip(
        written, replies[::3], replies[1::3], replies[2::3], strict=True
    ):
        lookups[operation.name] = (
            lookup_traces(path, narinfo, missing)
            if operation.refusal
            else lookup_stored(path, narinfo, nar, missing)
        )
    if any(operation.name == "delete" for operation in operations):
        present = {"200": True, "404": False}.get(config["status"])
        lookups["delete"] = StoreLookup(present, f"configuration {config['status']}")
    return lookups


def close_session(bench: Testbed, session: AtticSession) -> str:
    """Remove what the run wrote, as far as Attic can; what became of it. Raises StepFailed."""
    outcome = NOTHING_TO_REMOVE
    if session.separate:
        owner = bench.headers("nix", OWNER)
        _, left = bench.undo([session.cache.config(owner, "DELETE"), session.cache.config(owner)])
        outcome = format_leftovers(bench, "nix", {f"the cache {session.cache.name}": left["status"]})
    if session.written:
        stays = f"not cleaned up: {' '.join(session.written)} in {session.own.name}, from which Attic deletes no path"
        return f"{outcome}; {stays}" if session.separate else stays
    return outcome
