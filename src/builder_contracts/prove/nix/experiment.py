"""Perform the Nix proofs: build, publish, substitute in fresh runners, and offer bad caches."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.attic import experiment as attic
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.nix import bad_caches
from builder_contracts.prove.nix import log as nix_log
from builder_contracts.prove.nix.attic_upload import upload_closure
from builder_contracts.prove.nix.bad_caches import BAD, copy, fields, hash_part, write_netrc
from builder_contracts.prove.nix.record import NixRecord, NixRun
from builder_contracts.prove.publish_attempt import (
    IDENTITIES,
    PublishAttempt,
    is_put_unsupported,
    put_unsupported,
)
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import READER, WRITER, Principal

DEADLINE = 60
STORE = "/nix/store"
KEY_NAME = "main-1"

# No substituter of the image, no old answers from an earlier look, and no growing pauses (Nix substitutions five times)
# before it reports a cache that does not respond. Whether signatures are required is the image's own
# configuration: that is what the negatives try.
_CONFIG = """\
experimental-features = nix-command flakes
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
    wrote. ``attic`` is set if the cache is one of Attic."""

    path: str
    closure: tuple[str, ...]
    key: str
    nar_hash: str
    before: Mapping[str, str] = field(default_factory=dict)
    attempts: dict[str, PublishAttempt | Unavailable] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    attic: attic.AtticSession | None = None


def config(job: ProofJob) -> ProofJob:
    """The job with Nix told to use nothing but what a proof names."""
    return dataclasses.replace(job, env={**job.env, "NIX_CONFIG": _CONFIG})


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
    nar_hash = _info(job, path).get("narHash", "")
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
    replies = bench.ask(_requests(bench, "HEAD", map(_narinfo, paths)))
    return dict(zip(paths, (reply["status"] for reply in replies), strict=True))


def publish(bench: Testbed, job: ProofJob, published: Published) -> None:
    """Sign and publish a build; try the same before without credentials and as a reader. Raises Failed."""
    endpoint = bench.endpoints["nix"]
    if published.attic is not None:
        published.attempts.update(attic.attempt(bench, job, published.attic))
        if endpoint.lacks(WRITER) is None:
            upload_closure(bench, job, published.attic, published.closure)
        return
    for name in IDENTITIES:
        if lost := endpoint.lacks(name):
            published.attempts[name] = lost
            continue
        # Each substitutions a path of its own: what one identity got in, the next would not try to write.
        path = published.path if name == WRITER else _probe(bench, job, name)
        published.tried.append(path)
        attempt = _attempt(bench, job, name, path)
        if any(is_put_unsupported(answer) for answer in attempt.answers.values()):
            published.attempts.clear()
            raise StepFailed.of(put_unsupported(endpoint.url))
        published.attempts[name] = attempt


def _probe(bench: Testbed, job: ProofJob, identity: str) -> str:
    """Add a new store path, with a nonce."""
    file = f"{job.folder}.keys/probe-{identity}"
    job.write(file, f"probe {bench.nonce()}\n".encode())
    return job.must("adding a probe", ["nix", "store", "add", file]).stdout.decode().strip()


def substitute(
    job: ProofJob, path: str, substituters: str, key: str, *, store: str = "", netrc: str = ""
) -> NixRun:
    """Ask for a path on a runner that cannot build; the structured log names its source.

    ``store`` names a separate store for this attempt, so that nothing of another attempt is in it. ``netrc`` is a
    file with credentials for a private cache.
    """
    login = ["--option", "netrc-file", netrc] if netrc else []
    built = job.run(
        ["nix", "build", *_store(job, store), "--no-link", "--log-format", "internal-json", "-v", "--max-jobs", "0",
         "--builders", "", "--option", "substituters", substituters, "--option", "extra-substituters", "",
         "--option", "trusted-public-keys", key, *login, path],
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
    reader: Principal | None
    runs: dict[str, NixRun] = field(default_factory=dict)
    served: dict[str, tuple[AccessLogLine, ...]] = field(default_factory=dict)

    def run(self, name: str, substituters: str, *, store: str = "") -> None:
        """Try with these substituters, in the runner's own store or in one of that name."""
        service = self.bench.endpoints["nix"].service or self.bench.bad_service("nix")
        log_start = len(self.bench.access_log(service))
        url = _url(self.bench, self.published)
        netrc = write_netrc(self.job, url, self.reader) if self.reader else ""
        self.runs[name] = substitute(
            self.job, self.published.path, substituters, self.published.key, store=store, netrc=netrc
        )
        # Only what was served meanwhile: an address can have belonged to an earlier runner.
        self.served[name] = self.bench.access_log_of(self.job.address, service, since=log_start)


def prove(bench: Testbed, published: Published) -> NixRecord:
    """Substitute in one fresh runner, then try in another what must fail, and what must work all the same."""
    endpoint, session = bench.endpoints["nix"], published.attic
    url = _url(bench, published)
    private = session is not None and not session.cache.public
    reader = bench.identity("nix", session.viewer) if session is not None and private else None
    urls = {name: f"{bench.bad_caches}/{name}" for name in BAD} | {"good": url}
    with bench.fresh("substitute") as plain:
        job = config(plain)
        job.runner.execute(["mkdir", "-p", job.folder], deadline=10)
        substitutions = _Substitutions(bench, job, published, reader)
        # A machine's own store has what the seeder built, so everything goes into one that is empty.
        store = "good" if job.shared else ""
        substitutions.run("good", url, store=store)
        info = _info(job, published.path, store=store)
        verify = ["nix", "store", "verify", *_store(job, store), "--sigs-needed", "1", published.path]
        trusting = [*verify, "--option", "trusted-public-keys"]
        verified = job.run([*trusting, published.key], deadline=DEADLINE).status
        other = _key(job, "unrelated-key", like=published.key)
        verified_other = job.run([*trusting, other], deadline=DEADLINE).status
        address = job.address
    with bench.fresh("refuse") as plain:
        job = config(plain)
        job.runner.execute(["mkdir", "-p", job.folder], deadline=10)
        substitutions.job = job
        substitutions.run("none", "", store="none")
        for name in BAD:
            substitutions.run(name, urls[name], store=name)
        substitutions.run("recovery", f"{urls['unsigned']} {url}", store="recovery")
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
        verified=verified,
        verified_other=verified_other,
        served=substitutions.served,
        logged=logged,
        watched=bool(endpoint.service or bench.bad_service("nix")),
        declared_key=endpoint.public_key if session is not None else "",
        server_key=session.own.public_key if session is not None else "",
    )


def _url(bench: Testbed, published: Published) -> str:
    """Where the build was published."""
    return published.attic.cache.url if published.attic is not None else bench.endpoints["nix"].url


def take_back(bench: Testbed, published: Published) -> tuple[str, ...]:
    """Remove from a deployment what the proof published there, and nothing else; what stayed. Raises Failed."""
    if bench.endpoints["nix"].service:
        return ()
    if published.attic is not None:
        return attic.close_session(bench, published.attic)
    before = published.before.items()
    written = {path for path, status in before if status == "404"} | {*published.tried}
    # The cache did not say whether it had these before.
    unsure = {path for path, status in before if status not in ("200", "404")} - written
    names = [_narinfo(path) for path in sorted(written)]
    replies = bench.undo(_requests(bench, "GET", names))
    nars = {name: _nar(reply) for name, reply in zip(names, replies, strict=True) if reply["status"] != "404"}
    deleted = [*names, *filter(None, nars.values())]
    bench.undo(_requests(bench, "DELETE", deleted))
    checked = [*deleted, *map(_narinfo, sorted(unsure))]
    after = bench.undo(_requests(bench, "HEAD", checked))
    leftovers = [name for name, reply in zip(checked, after, strict=True) if reply["status"] != "404"]
    unread = (f"the NAR that the unreadable {name} refers to" for name, nar in nars.items() if not nar)
    return (*leftovers, *unread)


def _requests(bench: Testbed, method: str, names: Iterable[str]) -> list[dict[str, object]]:
    """Requests of the writer for what has these names in the cache."""
    url, headers = bench.endpoints["nix"].url, bench.headers("nix", WRITER)
    return [{"kind": "http", "method": method, "url": f"{url}/{name}", "headers": headers} for name in names]


def _narinfo(path: str) -> str:
    return f"{hash_part(path)}.narinfo"


def _nar(reply: Mapping[str, str]) -> str:
    """Return the URL of a narinfo's NAR, empty if the response is not a narinfo."""
    return fields(base64.b64decode(reply["body"]).decode("utf-8", "replace")).get("URL", "")


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


def _info(job: ProofJob, path: str, *, store: str = "") -> dict[str, str]:
    """Return what the store of the job reports of a path, for every version of Nix's JSON format."""
    queried = job.run(["nix", "path-info", *_store(job, store), "--json", path], deadline=DEADLINE)
    if queried.status != 0:
        return {}
    value = json.loads(queried.stdout)
    entries = value if isinstance(value, list) else list(value.values())
    return dict(entries[0]) if entries and isinstance(entries[0], dict) else {}


def _attempt(bench: Testbed, job: ProofJob, identity: str, path: str) -> PublishAttempt:
    """Publish with Nix, and look up afterwards what arrived in the cache."""
    endpoint = bench.endpoints["nix"]
    log_start = len(bench.access_log(endpoint.service))
    signed = "" if endpoint.public_key else f"?secret-key={job.folder}.keys/key"
    copied = copy(job, endpoint.url + signed, path, bench.identity("nix", identity), deadline=DEADLINE)
    lines = tuple(
        line for line in bench.access_log_of(job.address, endpoint.service, since=log_start, expect=frozenset({identity}))
        if line.method == "PUT" and line.identity == identity
    )  # fmt: skip
    text = (copied.stderr + copied.stdout).decode("utf-8", "replace")
    url, headers = f"{endpoint.url}/{_narinfo(path)}", bench.headers("nix", READER)
    reply = bench.ask([{"kind": "http", "url": url, "headers": headers}])[0]
    present = {"200": True, "404": False}.get(reply["status"])
    return PublishAttempt(
        identity, {"nix copy": f"{copy_status(copied.status, text)} {_error(text)}"},
        {"nix copy": StoreLookup(present, f"narinfo request returned {reply['status']}")}, {}, lines, "nix copy",
        bool(endpoint.service), reader=bench.reader_description("nix"),
    )  # fmt: skip


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
    neighbour = next((path for path in published.closure if path != published.path), "")
    keys = f"{job.folder}.keys"
    _key(job, "other-key", like=published.key)
    signs = published.attic is not None or bench.endpoints["nix"].public_key
    bad_caches.make(
        bench, job, published.path, neighbour, signed=_url(bench, published) if signs else "", key=f"{keys}/key",
        other_key=f"{keys}/other-key",
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
    queried = job.run(["nix", "path-info", "--json", *dict.fromkeys(paths)], deadline=DEADLINE)
    infos = json.loads(queried.stdout) if queried.status == 0 else {}
    entries = infos.items() if isinstance(infos, dict) else ((info["path"], info) for info in infos)
    new = [path for path, info in entries if info and info.get("registrationTime", 0) >= int(since)]
    if new:
        job.run(["nix", "store", "delete", *new], deadline=DEADLINE)
