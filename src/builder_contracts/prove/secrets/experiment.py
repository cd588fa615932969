"""Searches all that a class published and logged for the secrets that its jobs could see."""

from __future__ import annotations

import base64
import gzip
import json
import secrets as random
from collections.abc import Sequence
from importlib import resources

from builder_contracts.prove.canary.products import CanaryProducts
from builder_contracts.prove.job import StepFailed, said
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.records import Leak, ProofRecords, Scan, Unavailable
from builder_contracts.prove.secrets import scanner as scan
from builder_contracts.prove.testbed import Testbed, coded
from builder_contracts.runner.docker import engine
from builder_contracts.services.catalog import DATA
from builder_contracts.services.stack import ServiceDown
from builder_contracts.services.upstreams import BUCKET

# Lays a file beside what a service holds, for as long as the search takes.
_PLANT = 'printf %s "$1" | base64 -d >"$2" || exit; kept=$2; shift 2; "$@"; status=$?; rm -f "$kept"; exit "$status"'


def everything(
    bench: Testbed, roles: Sequence[str], made: Sequence[CanaryProducts], records: ProofRecords
) -> Scan | Unavailable:
    """Search all that was published and logged, and in each place a copy that was planted there for the search."""
    # A word of its own: nobody else's search may find it, and the token itself is published nowhere.
    word = random.token_hex(24)
    planted = gzip.compress(f"planted {base64.b64encode(word.encode()).decode()}".encode())
    missed: list[str] = []
    secrets = [bench.token, *bench.credentials.secrets]
    sought = [*secrets, word]
    needles = {needle: name for secret in sought for needle, name in scan.spellings(secret).items()}
    program = resources.files("builder_contracts.prove.secrets").joinpath("scanner.py").read_text("utf-8")
    services = bench.services
    items = size = 0
    leaks: list[Leak] = []
    here: list[tuple[str, bytes]] = []
    try:
        for role in roles:
            service = bench.endpoints[role].service
            if not service or services is None:
                return Unavailable(
                    f"what {bench.endpoints[role].url} holds cannot be searched from here", here=False
                )
            started = services.up(service)
            for part, container in zip(started.service.parts, started.containers, strict=True):
                here.append((f"log of {service}/{part.name}", services.raw_log(container)))
            if role == "objects":
                here += _objects(bench, word, planted)
                continue
            name = f"{DATA}/planted-{word[:8]}"
            python = ["/opt/services/bin/python", "-c", program, json.dumps(sought), DATA]
            command = ["sh", "-c", _PLANT, "sh", base64.b64encode(planted).decode(), name, *python]
            done = services.execute(service, command, deadline=60)
            if done.status != 0:
                return Unavailable(f"searching {service} failed: {said(done)}")
            report = json.loads(done.stdout)
            items, size = items + report["items"], size + report["bytes"]
            leaks += [Leak(f"{service}:{place}", spelling) for place, spelling in report["leaks"]]
            if not _dig_up(leaks, f"{service}:{name}"):
                missed.append(service)
    except ServiceDown as down:
        return Unavailable(str(down))
    except (StepFailed, *engine.LOST) as error:
        return Unavailable(f"not everything could be searched: {error}")
    for product in made:
        here += [
            (f"artifact {name}", content)
            for name, content in product.taken.items()
            if isinstance(content, bytes)
        ]
    here += [(f"output of build {index + 1}", content) for index, content in enumerate(list(bench.outputs))]
    # What every verdict of this class is made from.
    here.append(("records", repr(records).encode()))
    here.append((f"beside them planted-{word[:8]}", planted))
    for place, content in here:
        items, size = items + 1, size + len(content)
        leaks += [Leak(*found) for found in scan.search(place, content, needles)]
    missed += [place for place, _ in here if f"planted-{word[:8]}" in place and not _dig_up(leaks, place)]
    return Scan(items, size, tuple(leaks), len(secrets), len(roles) + 1, tuple(missed))


def _dig_up(leaks: list[Leak], place: str) -> bool:
    """Take the planted copy out of what was found; whether it was there."""
    found = [leak for leak in leaks if leak.place.startswith(place)]
    leaks[:] = [leak for leak in leaks if leak not in found]
    return bool(found)


def _objects(bench: Testbed, word: str, planted: bytes) -> list[tuple[str, bytes]]:
    """Every object of the bucket, asked for as the writer, and the planted one. Raises Failed."""

    def call(name: str, **arguments: object) -> dict[str, object]:
        return publication.s3(bench, "writer", name, {"Bucket": BUCKET, **arguments})

    mine = f"planted-{word[:8]}"
    put, everything, _ = bench.ask(
        [
            call("put_object", Key=mine, Body=coded(planted)),
            {**call("list_objects_v2"), "kind": "s3-all"},
            call("delete_object", Key=mine),
        ]
    )
    for answer in (put, everything):
        if answer["status"] != "OK":
            raise StepFailed("reading the objects", f"{answer['status']} {answer['said']}")
    return [(f"object {key}", base64.b64decode(body)) for key, body in everything["objects"].items()]
