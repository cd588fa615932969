"""Perform the Nix proofs: build, publish, substitute in fresh runners, and offer bad caches."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder_contracts.prove import lookup_identity
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.attic import experiment as attic
from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.prove.leftovers import NOTHING_TO_REMOVE, format_leftovers
from builder_contracts.prove.nix import bad_caches
from builder_contracts.prove.nix import log as nix_log
from builder_contracts.prove.nix.attic_upload import upload_closure
from builder_contracts.prove.nix.bad_caches import BAD, copy, fields, hash_part
from builder_contracts.prove.nix.class_conf import ClassConf
from builder_contracts.prove.nix.record import PLAIN_GOOD, NixRecord, NixRun
from builder_contracts.prove.publish_attempt import (
    IDENTITIES,
    PublishAttempt,
    is_accepted,
    is_put_unsupported,
    put_unsupported,
)
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER

DEADLINE = 60
STORE = "/nix/store"
KEY_NAME = "main-1"
COPY = "nix copy"

# For forced commands: no substituter of the image, no old answers from an earlier look, and no growing pauses (Nix
# tries five times) before it reports a cache that does not respond. Whether signatures are required is the class's own
# configuration: that is what the negatives try.
_CONFIG = """
experimental-features = nix-command flakes
substitute = true
substituters =
narinfo-cache-positive-ttl = 0
narinfo-cache-negative-ttl = 0
fallback = false
download-attempts = 2
"""


@dataclass
class Published:
    """The paths that the seeder put into the cache. ``before`` has what a deployed cache returned for each path of the closure
    until then: some may have been there, and are not the run's to remove. ``tried`` are the paths that identities
    wrote, ``put`` the names besides their descriptions, ``nars`` the names of the paths' contents. ``looker`` reads what was written. ``attic`` is set if the cache
    is one of Attic."""

    path: str
    closure: tuple[str, ...]
    key: str
    nar_hash: str
    before: Mapping[str, str] = field(default_factory=dict)
    attempts: dict[str, PublishAttempt | Unavailable] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    put: list[str] = field(default_factory=list)
    nars: Mapping[str, str] = field(default_factory=dict)
    looker: str = READER
    attic: attic.AtticSession | None = None


def config(job: ProofJob, own: ClassConf | None = None) -> ProofJob:
    """The job with Nix told to use nothing but what a proof names. Raises Failed."""
    own = own or ClassConf.of(job)
    return dataclasses.replace(job, env={**job.env, "NIX_CONFIG": f"{own.variable}{_CONFIG}"})


def seed(bench: Testbed, job: ProofJob, installable: str) -> Published:
    """Return the build that is to be published, and create the keys for it. Raises Failed."""
    path = (
        job.must("querying the path", ["nix", "path-info", installable], deadline=DEADLINE)
        .stdout.decode()
        .strip()
    )
    closure = tuple(
        job.must("querying the closure", ["nix", "path-info", "-r", path]).stdout.decode().split()
    )
    endpoint = bench.endpoints["nix"]
    nar_hash = _info(job, path)[0].get("narHash", "")
    # Last, because it may create a cache: whoever gets the result removes that again.
    if session := attic.open_session(bench):
        own = session.own.name == session.cache.name
        key = (own and endpoint.public_key) or session.cache.public_key
        return Published(path, closure, key, nar_hash, attic=session)
    key = endpoint.public_key or _key(job, "key", secret_key=endpoint.signing_key)
    before = {} if endpoint.service else query_paths(bench, closure)
    return Published(path, closure, key, nar_hash, before)


def query_paths(bench: Testbed, paths: Sequence[str]) -> dict[str, str]:
    """The status that the cache returns to a writer for each of these paths. Raises Failed."""
    replies = bench.ask(_requests(bench, WRITER, "HEAD", map(_narinfo, paths)))
    return dict(zip(paths, (reply["status"] for reply in replies), strict=True))


def publish(bench: Testbed, plain: ProofJob, published: Published) -> None:
    """Sign and publish a build; try the same before without credentials and as a reader. Raises Failed.

    The writer's copy is ``plain`` at first, by the class's own settings.
    """
    own = ClassConf.of(plain)
    job = config(plain, own)
    endpoint = bench.endpoints["nix"]
    if published.attic is not None:
        published.looker = published.attic.viewer
        published.attempts.update(attic.attempt(bench, job, published.attic))
        if endpoint.lacks(WRITER) is None:
            upload_closure(bench, job, published.attic, published.closure)
        return
    looker = lookup_identity.choose(bench, "nix")
    published.looker = looker.name
    published.attempts.update(lacking := looker.lacking(endpoint))
    if not endpoint.service:
        new = [path for path, status in published.before.items() if status != "200"]
        published.nars = _nar_names(job, published.path, new)
    for name in IDENTITIES:
        if name in lacking:
            continue
        # Each substitutions a path of its own: what one identity got in, the next would not try to write.
        path = published.path if name == WRITER else _probe(bench, job, name)
        published.tried.append(path)
        if name == WRITER and endpoint.lacks(WRITER) is None:
            plain = own.given(plain, endpoint.url, published.key, bench.identity("nix", WRITER))
            attempt = _plain_attempt(bench, plain, job, path, own, published)
        else:
            attempt = _attempt(bench, job, name, path, published)
        if any(is_put_unsupported(answer) for answer in attempt.answers.values()):
            published.attempts.clear()
            raise StepFailed.of(put_unsupported(endpoint.url))
        published.attempts[name] = attempt


def _nar_names(job: ProofJob, path: str, closure: Sequence[str]) -> dict[str, str]:
    """The name of the content of each path in a cache: a copy into a directory gives it the same.

    It is uploaded before the description that names it, so that a copy which is interrupted leaves it behind.
    """
    folder = f"{job.folder}.nars"
    job.run(["nix", "copy", "--to", f"file://{folder}", path], deadline=DEADLINE)
    described = {name: job.run(["cat", f"{folder}/{_narinfo(name)}"], deadline=10).stdout for name in closure}
    return {name: url for name, text in described.items() if (url := _nar(text))}


def _probe(bench: Testbed, job: ProofJob, identity: str) -> str:
    """Add a new store path, with a nonce."""
    file = f"{job.folder}.keys/probe-{identity}"
    job.write(file, f"probe {bench.nonce()}\n".encode())
    return job.must("adding a probe", ["nix", "store", "add", file]).stdout.decode().strip()


def substitute(
    job: ProofJob, path: str, substituters: str, key: str, *, store: str = "", netrc: str = ""
) -> NixRun:
    """Ask for a path on a runner that cannot build; the structured log names its source.

    ``store`` names a separate store for this attempt, so that nothing of another attempt is in it; ``netrc`` is the
    file with the credentials of who asks.
    """
    forced = [
        *(["--option", "netrc-file", netrc] if netrc else []), "--max-jobs", "0", "--builders", "", "--option",
        "substituters", substituters, "--option", "extra-substituters", "", "--option", "trusted-public-keys", key,
    ]  # fmt: skip
    return _fetch(job, path, forced, store)


def _fetch(job: ProofJob, path: str, options: Sequence[str], store: str) -> NixRun:
    built = job.run(
        ["nix", "build", *_store(job, store), "--no-link", "--log-format", "internal-json", "-v", *options, path],
        deadline=DEADLINE,
    )  # fmt: skip
    return NixRun(built.status, nix_log.parse(built.stderr), built.ended)


def _store(job: ProofJob, name: str) -> list[str]:
    """The option for a store of that name next to the job's folder, empty for the runner's own."""
    return ["--store", f"local?root={job.folder}.{name}"] if name else []


@dataclass
class _Substitutions:
    """Substitutions of one path, each with the lines that the server logged of its runner meanwhile."""

    bench: Testbed
    job: ProofJob
    published: Published
    runs: dict[str, NixRun] = field(default_factory=dict)
    served: dict[str, tuple[AccessLogLine, ...]] = field(default_factory=dict)
    netrc: str = ""

    def run(self, name: str, substituters: str, *, store: str = "") -> None:
        """Try with these substituters, in the runner's own store or in one of that name."""
        self._record(
            name,
            lambda: substitute(
                self.job, self.published.path, substituters, self.published.key, store=store, netrc=self.netrc
            ),
        )

    def run_plain(self, job: ProofJob, *, store: str) -> bool:
        """Try by the class's own settings, in a job that was given the cache; whether the path was substituted."""
        self._record("good", lambda: _fetch(job, self.published.path, (), store))
        run = self.runs["good"]
        return run.status == 0 and self.published.path in dict(run.log.substitutes)

    def _record(self, name: str, fetch: Callable[[], NixRun]) -> None:
        service = self.bench.endpoints["nix"].service or self.bench.bad_service("nix")
        log_start = len(self.bench.access_log(service))
        self.runs[name] = fetch()
        # Only what was served meanwhile: an address can have belonged to an earlier runner.
        self.served[name] = self.bench.access_log_of(self.job.address, service, since=log_start)


def prove(bench: Testbed, published: Published) -> NixRecord:
    """Substitute in one fresh runner, then try in another what must fail, and what must work all the same.

    The first substitution is plain. If it fails it is done again with the settings forced.
    """
    endpoint, session = bench.endpoints["nix"], published.attic
    url = _url(bench, published)
    urls = {name: f"{bench.bad_caches}/{name}" for name in BAD} | {"good": url}
    settings: tuple[ClassSetting, ...] = ()
    private = _is_private(bench, url)
    if private and not bench.headers("nix", published.looker):
        raise StepFailed("reading the cache", f"{url} asks for credentials: {private}", provable_here=False)
    fetcher = bench.identity("nix", published.looker if private else ANONYMOUS)
    with bench.fresh("substitute") as plain:
        plain.runner.execute(["mkdir", "-p", plain.folder], deadline=10)
        own = ClassConf.of(plain)
        job = config(plain, own)
        substitutions = _Substitutions(bench, job, published)
        if private:
            substitutions.netrc = bad_caches.netrc(job, url, bench.identity("nix", published.looker))
        # A machine's own store has what the seeder built, so everything goes into one that is empty.
        store = "good" if job.shared else ""
        given = own.given(plain, url, published.key, fetcher)
        if not substitutions.run_plain(given, store=store) and substitutions.runs["good"].status is not None:
            substitutions.runs[PLAIN_GOOD] = substitutions.runs["good"]
            substitutions.served[PLAIN_GOOD] = substitutions.served["good"]
            settings = own.settings(given, url, published.key)
            substitutions.run("good", url, store=store)
        info, no_info = _info(job, published.path, store=store)
        verify = ["nix", "store", "verify", *_store(job, store), "--sigs-needed", "1", published.path]
        trusting = [*verify, "--option", "trusted-public-keys"]
        verified = job.run([*trusting, published.key], deadline=DEADLINE).status
        other = _key(job, "unrelated-key", like=published.key)
        verified_other = job.run([*trusting, other], deadline=DEADLINE).status
        address = job.address
    with bench.fresh("refuse") as plain:
        plain.runner.execute(["mkdir", "-p", plain.folder], deadline=10)
        job = config(plain, own)
        substitutions.job = job
        if private:
            substitutions.netrc = bad_caches.netrc(job, url, bench.identity("nix", published.looker))
        substitutions.run("none", "", store="none")
        for name in BAD:
            substitutions.run(name, urls[name], store=name)
        substitutions.run("recovery", f"{urls['unsigned']} {url}", store="recovery")
        if not settings and any(substitutions.runs[name].status == 0 for name in BAD):
            settings = own.settings(plain, url, published.key)
    logged = bool(endpoint.service)
    return NixRecord(
        path=published.path,
        closure=published.closure,
        url=url,
        key=published.key,
        nar_hash=published.nar_hash,
        runner=address,
        attempts=substitutions.runs,
        urls=urls,
        info=info,
        no_info=no_info,
        verified=verified,
        verified_other=verified_other,
        served=substitutions.served,
        logged=logged,
        watched=bool(endpoint.service or bench.bad_service("nix")),
        settings=settings,
        declared_key=endpoint.public_key if session is not None else "",
        server_key=session.own.public_key if session is not None else "",
    )


def _url(bench: Testbed, published: Published) -> str:
    """Where the build was published."""
    return published.attic.cache.url if published.attic is not None else bench.endpoints["nix"].url


def take_back(bench: Testbed, published: Published) -> str:
    """Remove from a deployment what the proof published there, and nothing else; what became of it. Raises Failed."""
    if bench.endpoints["nix"].service:
        return ""
    if published.attic is not None:
        return attic.close_session(bench, published.attic)
    before = published.before.items()
    written = {path for path, status in before if status == "404"} | {*published.tried}
    # The cache did not say whether it had these before.
    unsure = {path for path, status in before if status not in ("200", "404")} - written
    names = [_narinfo(path) for path in sorted(written)]
    replies = bench.undo(_requests(bench, WRITER, "GET", names))
    nars = {
        name: _nar(base64.b64decode(reply["body"]))
        for name, reply in zip(names, replies, strict=True)
        if reply["status"] != "404"
    }
    undescribed = [
        nar for path, nar in published.nars.items() if path in written and _narinfo(path) not in nars
    ]
    replies = bench.undo(_requests(bench, WRITER, "HEAD", undescribed))
    left = [nar for nar, reply in zip(undescribed, replies, strict=True) if reply["status"] != "404"]
    if not nars and not left and not published.put and not unsure:
        return NOTHING_TO_REMOVE
    deleted = [*names, *filter(None, nars.values()), *left, *published.put]
    bench.undo(_requests(bench, WRITER, "DELETE", deleted))
    replies = bench.undo(_requests(bench, WRITER, "HEAD", deleted))
    after = {name: reply["status"] for name, reply in zip(deleted, replies, strict=True)}
    unchecked = [*map(_narinfo, sorted(unsure))]
    unchecked += [f"the NAR that the unreadable {name} refers to" for name, nar in nars.items() if not nar]
    return format_leftovers(bench, "nix", after, unchecked)


def _requests(bench: Testbed, identity: str, method: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """Requests of an identity for what has these names in the cache."""
    return [bench.http_request("nix", identity, name, method=method) for name in names]


def _narinfo(path: str) -> str:
    return f"{hash_part(path)}.narinfo"


def _nar(narinfo: bytes) -> str:
    """Return the URL of a narinfo's NAR, empty if the text is not a narinfo."""
    return fields(narinfo.decode("utf-8", "replace")).get("URL", "")


def _key(job: ProofJob, name: str, *, secret_key: str = "", like: str = KEY_NAME) -> str:
    """Put a secret key into the job's folder, a new one if none is given, with the name of the key ``like``; the public
    key."""
    file = f"{job.folder}.keys/{name}"
    secret = secret_key.encode()
    if not secret:
        generate = ["nix", "key", "generate-secret", "--key-name", like.partition(":")[0]]
        secret = job.must("creating a key", generate).stdout
    job.write(file, secret)
    # The tool reads the secret from its input.
    public = job.must(
        "creating a key", ["sh", "-c", 'nix key convert-secret-to-public <"$1"', "sh", file]
    ).stdout
    return public.decode().strip()


def _path_info(job: ProofJob, *arguments: str) -> CompletedCommand:
    """Ask Nix for its description of paths, in the first JSON format.

    Nix 2.34 warns that it will require the option, which older versions do not know.
    """
    line = ["nix", "path-info", *arguments, "--json"]
    queried = job.run([*line, "--json-format", "1"], deadline=DEADLINE)
    unrecognised = queried.status != 0 and b"json-format" in queried.stderr
    return job.run(line, deadline=DEADLINE) if unrecognised else queried


def _info(job: ProofJob, path: str, *, store: str = "") -> tuple[dict[str, str], str]:
    """Return what the store of the job reports of a path, or an empty description and why there is none."""
    queried = _path_info(job, *_store(job, store), path)
    if queried.status != 0:
        return {}, format_completed(queried)
    value = json.loads(queried.stdout)
    entries = value if isinstance(value, list) else list(value.values())
    return (
        (dict(entries[0]), "") if entries and isinstance(entries[0], dict) else ({}, "it is not in the store")
    )


def _plain_attempt(
    bench: Testbed, plain: ProofJob, job: ProofJob, path: str, own: ClassConf, published: Published
) -> PublishAttempt:
    """Publish as the writer, in a job that was given the credentials; if that fails, with the settings forced."""
    attempt = _attempt(bench, plain, WRITER, path, published, forced=False)
    answer = attempt.answers[COPY]
    if is_accepted(answer) or is_put_unsupported(answer):
        return attempt
    settings = own.settings(plain, bench.endpoints["nix"].url, published.key)
    return dataclasses.replace(_attempt(bench, job, WRITER, path, published), plain=answer, settings=settings)


def _is_private(bench: Testbed, url: str) -> str:
    """Return how a cache refuses to be read without credentials, empty if it does not. Raises StepFailed."""
    answer = bench.ask([{"kind": "http", "url": f"{url}/nix-cache-info"}])[0]
    return f"{answer['status']} {answer['detail']}".strip() if answer["status"] in ("401", "403") else ""


def _attempt(
    bench: Testbed, job: ProofJob, identity: str, path: str, published: Published, *, forced: bool = True
) -> PublishAttempt:
    """Publish with Nix, and look up afterwards what arrived in the cache.

    Nix reads the cache's own description first. Who may not read it has not tried to write, and then puts by hand.
    """
    endpoint = bench.endpoints["nix"]
    log_start = len(bench.access_log(endpoint.service))
    target = endpoint.url + ("" if endpoint.public_key else f"?secret-key={job.folder}.keys/key")
    copied = (
        copy(job, target, path, bench.identity("nix", identity), deadline=DEADLINE)
        if forced
        else job.run(["nix", "copy", "--to", target, path], deadline=DEADLINE)
    )
    text = (copied.stderr + copied.stdout).decode("utf-8", "replace")
    client, answers = COPY, {COPY: f"{copy_status(copied.status, text)} {_error(text)}"}
    names = {COPY: _narinfo(path)}
    if identity != WRITER and (copied.status, is_unread(text)) == (1, True):
        client, names = (
            "HTTP client next to the runner",
            {"narinfo": _narinfo(path), "nar": f"nar/{hash_part(path)}.nar"},
        )
        published.put.append(names["nar"])
        answers = _put_by_hand(bench, job, identity, path, names)
    lines = tuple(
        line for line in bench.access_log_of(job.address, endpoint.service, since=log_start, expect=frozenset({identity}))
        if line.method == "PUT" and line.identity == identity
    )  # fmt: skip
    replies = bench.ask(_requests(bench, published.looker, "GET", names.values()))
    lookups = {
        operation: StoreLookup(
            {"200": True, "404": False}.get(reply["status"]), f"narinfo request returned {reply['status']}"
        )
        for operation, reply in zip(names, replies, strict=True)
    }
    return PublishAttempt(
        identity, answers, lookups, {}, lines, client, bool(endpoint.service),
        reader=bench.reader_description("nix", published.looker),
    )  # fmt: skip


def _put_by_hand(
    bench: Testbed, job: ProofJob, identity: str, path: str, names: Mapping[str, str]
) -> dict[str, str]:
    """Put a path's description and something as its NAR, next to the job. Nothing refers to them but the nonce."""
    narinfo = (
        f"StorePath: {path}\nURL: {names['nar']}\nCompression: none\nNarHash: sha256:{'0' * 52}\nNarSize: 1\n"
    )
    puts = [bench.http_request("nix", identity, name, method="PUT", body=narinfo) for name in names.values()]
    replies = bench.ask(puts, beside=job)
    return {
        operation: f"{reply['status']} {reply['detail']}".strip()
        for operation, reply in zip(names, replies, strict=True)
    }


def is_unread(text: str) -> bool:
    """Return whether Nix stopped because it may not read the cache, before it wrote anything."""
    return (
        bool(re.search(r"unable to download '[^']*': HTTP error 40[13]", text))
        and "unable to upload" not in text
    )


def copy_status(status: int | None, text: str) -> str:
    """The HTTP status behind Nix's words; LOST if the cache did not respond or Nix did not complete."""
    if status is None:
        return "LOST"
    code = next((code for code in ("401", "403", "405", "501") if f"HTTP error {code}" in text), "")
    if code or status == 0:
        return code or "OK"
    no_response = re.search(r"HTTP error 5|[Cc]ouldn't|[Cc]ould not|timed? ?out", text)
    return "LOST" if no_response else f"status {status}"


def _error(text: str) -> str:
    """Nix's words, its error first, without the page that a server sends along."""
    words = " ".join(re.sub(r"<[^>]*>|response body:", " ", text).split())
    return words[max(words.find("error:"), 0) :][:200]


def make_bad(bench: Testbed, job: ProofJob, published: Published) -> None:
    """Beside the good cache, one bad one for each thing that can be wrong with it. Raises Failed."""
    keys = f"{job.folder}.keys"
    _key(job, "other-key", like=published.key)
    signs = published.attic is not None or bench.endpoints["nix"].public_key
    bad_caches.make(
        bench, job, published.path, published.closure, signed=_url(bench, published) if signs else "",
        key=f"{keys}/key", other_key=f"{keys}/other-key",
    )  # fmt: skip


# Prints each source in the store whose file $2 says $1.
_SOURCES = 'cd "$3" && for path in *-source; do grep -qsF "$1" "$path/$2" && echo "$3/$path"; done; :'


def delete_from_store(
    job: ProofJob,
    published: Published | None,
    installables: Sequence[str],
    *,
    nonce: str,
    nonce_file: str,
    since: float,
) -> None:
    """Delete from a machine's own store what was put there for this job, as far as its Nix allows.

    Only what was registered since then (seconds of the epoch): an older path belongs to somebody else.
    """
    queries = (
        ["nix", "path-info", "--derivation", "--recursive", *installables],
        ["nix", "path-info", "--recursive", *installables],
        # Last, because each query makes a source of the folder as it is.
        ["sh", "-c", _SOURCES, "sh", nonce, nonce_file, STORE],
    )
    paths = [path for line in queries for path in job.run(line, deadline=DEADLINE).stdout.decode().split()]
    paths += published.tried if published else []
    if not paths:
        return
    queried = _path_info(job, *dict.fromkeys(paths))
    infos = json.loads(queried.stdout) if queried.status == 0 else {}
    entries = infos.items() if isinstance(infos, dict) else ((info["path"], info) for info in infos)
    new = [path for path, info in entries if info and info.get("registrationTime", 0) >= int(since)]
    if new:
        job.run(["nix", "store", "delete", *new], deadline=DEADLINE)
