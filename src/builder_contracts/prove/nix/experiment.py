"""Carries out the Nix proofs: build, publish, substitute in fresh runners, and offer what must be refused."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from builder_contracts.prove.canary import flake
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.nix import bad_caches
from builder_contracts.prove.nix import log as nix_log
from builder_contracts.prove.nix.bad_caches import BAD, copy, fields, hash_part, makeable
from builder_contracts.prove.records import (
    AccessLogLine,
    NixRecord,
    NixRun,
    PublishAttempt,
    StoreLookup,
    Unavailable,
)
from builder_contracts.prove.testbed import Testbed
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER

DEADLINE = 60
STORE = "/nix/store"
KEY_NAME = "main-1"

# No substituter of the image, no old answers from an earlier look, and no growing pauses (Nix tries five times)
# before a cache that does not answer is told. Whether signatures are required is the image's own
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
    """What the seeder put into the cache. ``before`` is what a deployment's cache answered for each path of the closure
    until then: some may have been there, and are not the run's to remove."""

    path: str
    closure: tuple[str, ...]
    key: str
    nar_hash: str
    before: Mapping[str, str] = field(default_factory=dict)
    attempts: dict[str, PublishAttempt | Unavailable] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)


def config(job: ProofJob) -> ProofJob:
    """The job with Nix told to use nothing but what a proof names."""
    return dataclasses.replace(job, environment={**job.environment, "NIX_CONFIG": _CONFIG})


def seed(bench: Testbed, job: ProofJob, installable: str) -> Published:
    """What was built and is to be published, and the keys for it. Raises Failed."""
    path = (
        job.must("asking for the path", ["nix", "path-info", installable], deadline=DEADLINE)
        .stdout.decode()
        .strip()
    )
    closure = tuple(
        job.must("asking for the closure", ["nix", "path-info", "-r", path]).stdout.decode().split()
    )
    endpoint = bench.endpoints["nix"]
    own = endpoint.public_key or _key(job, "key", endpoint.signing_key)
    _key(job, "other-key")
    before = {} if endpoint.service else known(bench, closure)
    return Published(path, closure, own, _info(job, path).get("narHash", ""), before)


def known(bench: Testbed, paths: Sequence[str]) -> dict[str, str]:
    """What the cache answers a writer who looks for each of these paths. Raises Failed."""
    looks = bench.ask(_requests(bench, "HEAD", map(_narinfo, paths)))
    return dict(zip(paths, (reply["status"] for reply in looks), strict=True))


def publish(bench: Testbed, job: ProofJob, published: Published) -> None:
    """Sign and publish a build; try the same before without credentials and as a reader. Raises Failed."""
    endpoint = bench.endpoints["nix"]
    for name in (ANONYMOUS, READER, WRITER):
        if lost := endpoint.lacks(name):
            published.attempts[name] = lost
            continue
        # Each tries a path of its own: what one identity got in, the next would not try to write.
        mine = published.path if name == WRITER else _probe(bench, job, name)
        published.tried.append(mine)
        attempt = _attempt(bench, job, name, mine)
        if any(takes_no_puts(answer) for answer in attempt.answers.values()):
            published.attempts.clear()
            raise StepFailed.of(no_puts(endpoint.url))
        published.attempts[name] = attempt


def takes_no_puts(answer: str) -> bool:
    """Whether a server said that it does not know this way of writing at all, whoever it is that asks."""
    return answer.partition(" ")[0] in ("405", "501")


def no_puts(url: str) -> Unavailable:
    """Why nothing is shown of such a server."""
    said = "it has another way to upload, as Attic does, by which a proof cannot publish"
    return Unavailable(f"{url} takes no uploads by HTTP PUT: {said}", here=False)


def _probe(bench: Testbed, job: ProofJob, identity: str) -> str:
    """A store path that nobody has ever seen."""
    file = f"{job.folder}.keys/probe-{identity}"
    job.write(file, f"probe {bench.nonce()}\n".encode())
    return job.must("adding a probe", ["nix", "store", "add", file]).stdout.decode().strip()


def substitute(job: ProofJob, path: str, substituters: str, key: str, *, store: str = "") -> NixRun:
    """Ask for a path where building is impossible; the structured log says where it came from.

    ``store`` names a store of its own for this attempt, so that nothing is left of another.
    """
    done = job.run(
        ["nix", "build", *_store(job, store), "--no-link", "--log-format", "internal-json", "-v", "--max-jobs", "0",
         "--builders", "", "--option", "substituters", substituters, "--option", "extra-substituters", "",
         "--option", "trusted-public-keys", key, path],
        deadline=DEADLINE,
    )  # fmt: skip
    return NixRun(done.status, nix_log.parse(done.stderr), done.ended)


def _store(job: ProofJob, name: str) -> list[str]:
    """The option for a store of that name beside the job's folder, none for the runner's own."""
    return ["--store", f"local?root={job.folder}.{name}"] if name else []


@dataclass
class _Tries:
    """Substitutions of one path, each with the lines that the server logged of its runner meanwhile."""

    bench: Testbed
    job: ProofJob
    published: Published
    runs: dict[str, NixRun] = field(default_factory=dict)
    served: dict[str, tuple[AccessLogLine, ...]] = field(default_factory=dict)

    def run(self, name: str, substituters: str, *, store: str = "") -> None:
        """Try with these substituters, in the runner's own store or in one of that name."""
        service = self.bench.endpoints["nix"].service or self.bench.bad_service("nix")
        before = len(self.bench.served(service))
        self.runs[name] = substitute(
            self.job, self.published.path, substituters, self.published.key, store=store
        )
        # Only what was served meanwhile: an address can have belonged to an earlier runner.
        self.served[name] = self.bench.served_to(self.job.address, service, since=before)


def prove(bench: Testbed, published: Published) -> NixRecord:
    """Substitute in one fresh runner, then try in another what must fail, and what must work all the same."""
    endpoint = bench.endpoints["nix"]
    url = endpoint.url
    urls = {name: f"{bench.bad_caches}/{name}" for name in BAD} | {"good": url}
    with bench.fresh("substitute") as plain:
        job = config(plain)
        job.runner.execute(["mkdir", "-p", job.folder], deadline=10)
        tries = _Tries(bench, job, published)
        # A machine's own store has what the seeder built, so everything goes into one that is empty.
        store = "good" if job.shared else ""
        tries.run("good", url, store=store)
        info = _info(job, published.path, store=store)
        verify = ["nix", "store", "verify", *_store(job, store), "--sigs-needed", "1", published.path]
        trusting = [*verify, "--option", "trusted-public-keys"]
        verified = job.run([*trusting, published.key], deadline=DEADLINE).status
        other = _key(job, "unrelated-key")
        verified_other = job.run([*trusting, other], deadline=DEADLINE).status
        address = job.address
    with bench.fresh("refuse") as plain:
        job = config(plain)
        job.runner.execute(["mkdir", "-p", job.folder], deadline=10)
        tries.job = job
        tries.run("none", "", store="none")
        for name in BAD:
            if name in makeable(bench):
                tries.run(name, urls[name], store=name)
            else:
                said = "the server signs by itself, so this cannot be made"
                tries.runs[name], tries.served[name] = NixRun(None, nix_log.NixLog(), said), ()
        tries.run("recovery", f"{urls['unsigned']} {url}", store="recovery")
    logged = bool(endpoint.service)
    return NixRecord(
        path=published.path,
        closure=published.closure,
        url=url,
        key=published.key,
        nar_hash=published.nar_hash,
        runner=address,
        attempts=tries.runs,
        urls=urls,
        info=info,
        verified=verified,
        verified_other=verified_other,
        served=tries.served,
        logged=logged,
        watched=bool(endpoint.service or bench.bad_service("nix")),
    )


def take_back(bench: Testbed, published: Published) -> tuple[str, ...]:
    """Remove from a deployment what the proof published there, and nothing else; what stayed. Raises Failed."""
    if bench.endpoints["nix"].service:
        return ()
    before = published.before.items()
    mine = {path for path, status in before if status == "404"} | {*published.tried}
    # Of these nobody can say whether they were there.
    unsure = {path for path, status in before if status not in ("200", "404")} - mine
    names = [_narinfo(path) for path in sorted(mine)]
    found = bench.undo(_requests(bench, "GET", names))
    nars = {name: _nar(reply) for name, reply in zip(names, found, strict=True) if reply["status"] != "404"}
    gone = [*names, *filter(None, nars.values())]
    bench.undo(_requests(bench, "DELETE", gone))
    looked = [*gone, *map(_narinfo, sorted(unsure))]
    after = bench.undo(_requests(bench, "HEAD", looked))
    left = [name for name, reply in zip(looked, after, strict=True) if reply["status"] != "404"]
    return (*left, *(f"the NAR of {name}, which cannot be read" for name, nar in nars.items() if not nar))


def _requests(bench: Testbed, method: str, names: Iterable[str]) -> list[dict[str, object]]:
    """Requests of the writer for what has these names in the cache."""
    url, headers = bench.endpoints["nix"].url, bench.headers("nix", WRITER)
    return [{"kind": "http", "method": method, "url": f"{url}/{name}", "headers": headers} for name in names]


def _narinfo(path: str) -> str:
    return f"{hash_part(path)}.narinfo"


def _nar(reply: Mapping[str, str]) -> str:
    """Where the NAR is that a description tells of, empty where it is none."""
    return fields(base64.b64decode(reply["body"]).decode("utf-8", "replace")).get("URL", "")


def _key(job: ProofJob, name: str, secret_key: str = "") -> str:
    """Put a secret key into the job's folder, a new one if none is given; the public key."""
    file = f"{job.folder}.keys/{name}"
    secret = secret_key.encode()
    if not secret:
        secret = job.must("making a key", ["nix", "key", "generate-secret", "--key-name", KEY_NAME]).stdout
    job.write(file, secret)
    # The tool reads the secret from its input.
    public = job.must(
        "making a key", ["sh", "-c", 'nix key convert-secret-to-public <"$1"', "sh", file]
    ).stdout
    return public.decode().strip()


def _info(job: ProofJob, path: str, *, store: str = "") -> dict[str, str]:
    """What the store of the job says of a path, whatever version of the JSON format Nix prints."""
    done = job.run(["nix", "path-info", *_store(job, store), "--json", path], deadline=DEADLINE)
    if done.status != 0:
        return {}
    value = json.loads(done.stdout)
    entries = value if isinstance(value, list) else list(value.values())
    return dict(entries[0]) if entries and isinstance(entries[0], dict) else {}


def _attempt(bench: Testbed, job: ProofJob, identity: str, path: str) -> PublishAttempt:
    """What Nix was answered when it published, and what an outsider finds in the cache afterwards."""
    endpoint = bench.endpoints["nix"]
    before = len(bench.served(endpoint.service))
    signed = "" if endpoint.public_key else f"?secret-key={job.folder}.keys/key"
    done = copy(job, endpoint.url + signed, path, bench.identity("nix", identity), deadline=DEADLINE)
    lines = tuple(
        line for line in bench.served_to(job.address, endpoint.service, since=before, of=frozenset({identity}))
        if line.method == "PUT" and line.identity == identity
    )  # fmt: skip
    text = (done.stderr + done.stdout).decode("utf-8", "replace")
    code = next((code for code in ("401", "403", "405", "501") if f"HTTP error {code}" in text), "")
    code = code or ("LOST" if re.search(r"HTTP error 5|[Cc]ouldn't|[Cc]ould not|timed? ?out", text) else "")
    status = code or (
        "OK" if done.status == 0 else "LOST" if done.status is None else f"status {done.status}"
    )
    url, headers = f"{endpoint.url}/{_narinfo(path)}", bench.headers("nix", READER)
    look = bench.ask([{"kind": "http", "url": url, "headers": headers}])[0]
    found = StoreLookup({"200": True, "404": False}.get(look["status"]), f"narinfo answers {look['status']}")
    answer = f"{status} {_words(text)}"
    return PublishAttempt(
        identity, {"nix copy": answer}, {"nix copy": found}, {}, lines, "nix copy", bool(endpoint.service),
        looker=bench.looker("nix"),
    )  # fmt: skip


def _words(text: str) -> str:
    """What Nix says, its error first, without the page that a server sends along."""
    words = " ".join(re.sub(r"<[^>]*>|response body:", " ", text).split())
    return words[max(words.find("error:"), 0) :][:200]


def make_bad(bench: Testbed, job: ProofJob, published: Published) -> None:
    """Beside the good cache, one bad one for each thing that can be wrong with it. Raises Failed."""
    neighbour = next((path for path in published.closure if path != published.path), "")
    keys = f"{job.folder}.keys"
    bad_caches.make(bench, job, published.path, neighbour, key=f"{keys}/key", other_key=f"{keys}/other-key")


# Prints each source in the store whose file $2 says $1.
_SOURCES = 'cd "$3" && for path in *-source; do grep -qsF "$1" "$path/$2" && echo "$3/$path"; done; :'


def forget(job: ProofJob, published: Published | None, *, nonce: str, nonce_file: str, since: float) -> None:
    """Delete from a machine's own store what was put there for this job, as far as its Nix allows.

    Only what was registered since then (seconds of the epoch): an older path belongs to somebody else.
    """
    asked = (
        ["nix", "path-info", "--derivation", "--recursive", *flake.PACKAGES],
        ["nix", "path-info", "--recursive", *flake.PACKAGES],
        # Last, because each question makes a source of the folder as it is.
        ["sh", "-c", _SOURCES, "sh", nonce, nonce_file, STORE],
    )
    paths = [path for line in asked for path in job.run(line, deadline=DEADLINE).stdout.decode().split()]
    paths += published.tried if published else []
    if not paths:
        return
    done = job.run(["nix", "path-info", "--json", *dict.fromkeys(paths)], deadline=DEADLINE)
    known = json.loads(done.stdout) if done.status == 0 else {}
    entries = known.items() if isinstance(known, dict) else ((each["path"], each) for each in known)
    new = [path for path, entry in entries if entry and entry.get("registrationTime", 0) >= int(since)]
    if new:
        job.run(["nix", "store", "delete", *new], deadline=DEADLINE)
