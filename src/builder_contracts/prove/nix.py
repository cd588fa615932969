"""Carries out the Nix proofs: build, publish, substitute in fresh runners, and offer what must be refused."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.prove import nix_log
from builder_contracts.prove.bench import Bench, coded
from builder_contracts.prove.job import Failed, Job, said
from builder_contracts.prove.records import Attempt, Looked, NixRecord, NixRun, Served
from builder_contracts.runner.protocol import Completed
from builder_contracts.services.identities import ANONYMOUS, READER, WRITER, Identity

DEADLINE = 60
KEY_NAME = "main-1"
BAD = ("unsigned", "wrong-key", "stripped-references", "swapped-nar")
# Where the bad caches stand when the good one is a deployment's own: nothing bad is ever offered there.
BAD_HOST = "bad-caches.builder-contracts.internal"

# No substituter of the image and no old answers from an earlier look. Whether signatures are required is
# the image's own configuration: that is what the negatives try.
_CONFIG = """\
experimental-features = nix-command flakes
substituters =
narinfo-cache-positive-ttl = 0
narinfo-cache-negative-ttl = 0
fallback = false
"""


@dataclass
class Published:
    """What the seeder put into the cache."""

    path: str
    closure: tuple[str, ...]
    key: str
    nar_hash: str
    attempts: dict[str, Attempt] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)


def config(job: Job) -> Job:
    """The job with Nix told to use nothing but what a proof names."""
    return Job(job.runner, job.folder, {**job.environment, "NIX_CONFIG": _CONFIG}, job.address)


def publish(bench: Bench, job: Job, installable: str) -> Published:
    """Sign and publish a build; try the same before without credentials and as a reader. Raises Failed."""
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
    published = Published(path, closure, own, _info(job, path).get("narHash", ""))
    for name in (ANONYMOUS, READER, WRITER):
        if name != ANONYMOUS and not bench.identity("nix", name).secret:
            continue
        # Each tries a path of its own: what one identity got in, the next would not try to write.
        mine = path if name == WRITER else _probe(bench, job, name)
        published.tried.append(mine)
        published.attempts[name] = _attempt(bench, job, name, mine)
    return published


def _probe(bench: Bench, job: Job, identity: str) -> str:
    """A store path that nobody has ever seen."""
    file = f"{job.folder}.keys/probe-{identity}"
    job.write(file, f"probe {bench.nonce()}\n".encode())
    return job.must("adding a probe", ["nix", "store", "add", file]).stdout.decode().strip()


def substitute(job: Job, path: str, substituters: str, key: str, *, store: str = "") -> NixRun:
    """Ask for a path where building is impossible; the structured log says where it came from.

    ``store`` names a store of its own for this attempt, so that nothing is left of another.
    """
    own = ["--store", f"local?root={job.folder}.{store}"] if store else []
    done = job.run(
        ["nix", "build", *own, "--no-link", "--log-format", "internal-json", "-v", "--max-jobs", "0",
         "--builders", "", "--option", "substituters", substituters, "--option", "extra-substituters", "",
         "--option", "trusted-public-keys", key, path],
        deadline=DEADLINE,
    )  # fmt: skip
    return NixRun(done.status, nix_log.parse(done.stderr), done.ended)


@dataclass
class _Tries:
    """Substitutions of one path, each with the lines that the server logged of its runner meanwhile."""

    bench: Bench
    job: Job
    published: Published
    runs: dict[str, NixRun] = field(default_factory=dict)
    served: dict[str, tuple[Served, ...]] = field(default_factory=dict)

    def run(self, name: str, substituters: str, *, store: str = "") -> None:
        """Try with these substituters, in the runner's own store or in one of that name."""
        service = self.bench.endpoints["nix"].service or "nix-cache"
        before = len(self.bench.served(service))
        self.runs[name] = substitute(
            self.job, self.published.path, substituters, self.published.key, store=store
        )
        # Only what was served meanwhile: an address can have belonged to an earlier runner.
        self.served[name] = self.bench.served_to(self.job.address, service, since=before)


def prove(bench: Bench, published: Published) -> NixRecord:
    """Substitute in one fresh runner, then try in another what must fail, and what must work all the same."""
    url = bench.endpoints["nix"].url
    root = bad_root(bench)
    urls = {name: f"{root}/{name}" for name in BAD} | {"good": url}
    with bench.fresh("substitute") as (plain, _):
        job = config(plain)
        job.runner.execute(["mkdir", "-p", job.folder], deadline=10)
        tries = _Tries(bench, job, published)
        tries.run("good", url)
        info = _info(job, published.path)
        verify = [
            "nix",
            "store",
            "verify",
            "--sigs-needed",
            "1",
            published.path,
            "--option",
            "trusted-public-keys",
        ]
        verified = job.run([*verify, published.key], deadline=DEADLINE).status
        other = _key(job, "unrelated-key")
        verified_other = job.run([*verify, other], deadline=DEADLINE).status
        address = job.address
    with bench.fresh("refuse") as (plain, _):
        job = config(plain)
        job.runner.execute(["mkdir", "-p", job.folder], deadline=10)
        tries.job = job
        tries.run("none", "", store="none")
        for name in BAD:
            if name in _makeable(bench):
                tries.run(name, urls[name], store=name)
            else:
                said = "the server signs by itself, so this cannot be made"
                tries.runs[name], tries.served[name] = NixRun(None, nix_log.NixLog(), said), ()
        tries.run("recovery", f"{urls['unsigned']} {url}", store="recovery")
    logged = bool(bench.endpoints["nix"].service)
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
        left=() if logged else _remove(bench, published),
    )


def _remove(bench: Bench, published: Published) -> tuple[str, ...]:
    """Take back from a deployment what the proof published there; what stayed."""
    url = bench.endpoints["nix"].url
    headers = {"Authorization": bench.identity("nix", WRITER).authorization}
    names = [f"{_hash_part(path)}.narinfo" for path in {*published.closure, *published.tried}]
    found = bench.ask([{"kind": "http", "url": f"{url}/{name}"} for name in names])
    names += [_narinfo(reply)["URL"] for reply in found if reply["status"] == "200"]
    bench.ask(
        [{"kind": "http", "method": "DELETE", "url": f"{url}/{name}", "headers": headers} for name in names]
    )
    after = bench.ask([{"kind": "http", "method": "HEAD", "url": f"{url}/{name}"} for name in names])
    return tuple(name for name, reply in zip(names, after, strict=True) if reply["status"] != "404")


def _key(job: Job, name: str, secret_key: str = "") -> str:
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


def _info(job: Job, path: str) -> dict[str, str]:
    """What the store of the job says of a path, whatever version of the JSON format Nix prints."""
    done = job.run(["nix", "path-info", "--json", path], deadline=DEADLINE)
    if done.status != 0:
        return {}
    value = json.loads(done.stdout)
    entries = value if isinstance(value, list) else list(value.values())
    return dict(entries[0]) if entries and isinstance(entries[0], dict) else {}


def _copy(job: Job, target: str, path: str, identity: Identity) -> Completed:
    netrc = f"{job.folder}.keys/netrc"
    host = target.split("/")[2].split(":")[0]
    login = f"machine {host} login {identity.name} password {identity.secret}\n" if identity.secret else ""
    job.write(netrc, login.encode())
    return job.run(["nix", "copy", "--to", target, "--option", "netrc-file", netrc, path], deadline=DEADLINE)


def _hash_part(path: str) -> str:
    return path.rsplit("/", 1)[1].partition("-")[0]


def _attempt(bench: Bench, job: Job, identity: str, path: str) -> Attempt:
    """What Nix was answered when it published, and what an outsider finds in the cache afterwards."""
    endpoint = bench.endpoints["nix"]
    before = len(bench.served(endpoint.service))
    signed = "" if endpoint.public_key else f"?secret-key={job.folder}.keys/key"
    done = _copy(job, endpoint.url + signed, path, bench.identity("nix", identity))
    lines = tuple(
        line for line in bench.served_to(job.address, endpoint.service, since=before, of=frozenset({identity}))
        if line.method == "PUT" and line.identity == identity
    )  # fmt: skip
    text = (done.stderr + done.stdout).decode("utf-8", "replace")
    code = next((code for code in ("401", "403") if f"HTTP error {code}" in text), "")
    code = code or ("LOST" if re.search(r"HTTP error 5|[Cc]ouldn't|[Cc]ould not|timed? ?out", text) else "")
    status = code or (
        "OK" if done.status == 0 else "LOST" if done.status is None else f"status {done.status}"
    )
    look = bench.ask([{"kind": "http", "url": f"{endpoint.url}/{_hash_part(path)}.narinfo"}])[0]
    found = Looked({"200": True, "404": False}.get(look["status"]), f"narinfo answers {look['status']}")
    answer = f"{status} {_words(text)}"
    return Attempt(
        identity, {"nix copy": answer}, {"nix copy": found}, {}, lines, "nix copy", bool(endpoint.service)
    )


def _words(text: str) -> str:
    """What Nix says, without the page that a server sends along."""
    return " ".join(re.sub(r"<[^>]*>|response body:", " ", text).split())[:200]


def bad_root(bench: Bench) -> str:
    """The URL below which the bad caches stand."""
    endpoint = bench.endpoints["nix"]
    return endpoint.url.rsplit("/", 1)[0] if endpoint.service else f"http://{BAD_HOST}"


def _makeable(bench: Bench) -> tuple[str, ...]:
    """The bad caches that can be made: what a server signs by itself nobody else can sign."""
    return BAD if not bench.endpoints["nix"].public_key else BAD[:2]


def make_bad(bench: Bench, job: Job, published: Published) -> None:
    """Beside the good cache, one bad one for each thing that can be wrong with it."""
    root = bad_root(bench)
    signed = {"unsigned": "", "wrong-key": f"?secret-key={job.folder}.keys/other-key"}
    for name in _makeable(bench):
        query = signed.get(name, f"?secret-key={job.folder}.keys/key")
        done = _copy(job, f"{root}/{name}{query}", published.path, bench.credentials.writer)
        if done.status != 0:
            raise Failed(f"preparing the cache {name}", said(done))
    if "swapped-nar" not in _makeable(bench):
        return
    headers = {"Authorization": bench.credentials.writer.authorization}
    own, other = _hash_part(published.path), _hash_part(_neighbour(published))
    here = f"{root}/swapped-nar"
    answers = bench.ask([{"kind": "http", "url": f"{here}/{name}.narinfo"} for name in (own, other)])
    mine, theirs = (_narinfo(reply) for reply in answers)
    stripped = "".join(
        "References: \n" if line.startswith("References:") else line + "\n"
        for line in mine["text"].splitlines()
    )
    content = bench.ask([{"kind": "http", "url": f"{here}/{theirs['URL']}"}])[0]["body"]
    puts = bench.ask(
        [
            {"kind": "http", "method": "PUT", "url": f"{root}/stripped-references/{own}.narinfo", "headers": headers,
             "body": coded(stripped)},
            {"kind": "http", "method": "PUT", "url": f"{root}/swapped-nar/{mine['URL']}", "headers": headers,
             "body": content},
        ]
    )  # fmt: skip
    for put in puts:
        if not put["status"].startswith("2"):
            raise Failed("preparing a bad cache", f"{put['status']} {put['said']}")


def _neighbour(published: Published) -> str:
    """Another path of the closure, whose content will stand in the wrong place."""
    others = [path for path in published.closure if path != published.path]
    if not others:
        raise Failed("preparing a bad cache", "the canary has one path only; it needs a dependency")
    return others[0]


def _narinfo(reply: Mapping[str, str]) -> dict[str, str]:
    if reply["status"] != "200":
        raise Failed("reading what was published", f"{reply['status']} {reply['said']}")
    text = base64.b64decode(reply["body"]).decode()
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {**fields, "text": text}
