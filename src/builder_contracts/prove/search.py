"""Searches all that a class published and logged for the secrets that its jobs could see."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from importlib import resources

from builder_contracts.prove import publication, scan
from builder_contracts.prove.bench import Bench
from builder_contracts.prove.job import Failed, said
from builder_contracts.prove.products import Products
from builder_contracts.prove.records import Leak, Lost, Records, Scan
from builder_contracts.runner import engine
from builder_contracts.services.backends import BUCKET
from builder_contracts.services.catalogue import DATA
from builder_contracts.services.host import ServiceDown


def everything(bench: Bench, roles: Sequence[str], made: Sequence[Products], records: Records) -> Scan | Lost:
    """Search all that was published and logged, and beside it a copy that was planted for the search."""
    secrets = [bench.token, *bench.credentials.secrets]
    needles = {needle: name for secret in secrets for needle, name in scan.spellings(secret).items()}
    program = resources.files("builder_contracts.prove").joinpath("scan.py").read_text("utf-8")
    items = size = 0
    leaks: list[Leak] = []
    here: list[tuple[str, bytes]] = []
    try:
        for role in roles:
            service = bench.endpoints[role].service
            if not service:
                return Lost(
                    f"what {bench.endpoints[role].url} holds cannot be searched from here", here=False
                )
            started = bench.host.up(service)
            for part, container in zip(started.service.parts, started.containers, strict=True):
                here.append((f"log of {service}/{part.name}", bench.host.raw_log(container)))
            if role == "objects":
                here += _objects(bench)
                continue
            done = bench.host.execute(
                service, ["/opt/services/bin/python", "-c", program, json.dumps(secrets), DATA], deadline=60
            )
            if done.status != 0:
                return Lost(f"searching {service} failed: {said(done)}")
            report = json.loads(done.stdout)
            items, size = items + report["items"], size + report["bytes"]
            leaks += [Leak(f"{service}:{place}", spelling) for place, spelling in report["leaks"]]
    except ServiceDown as down:
        return Lost(str(down))
    except (Failed, *engine.LOST) as error:
        return Lost(f"not everything could be searched: {error}")
    for product in made:
        here += [
            (f"artifact {name}", content)
            for name, content in product.taken.items()
            if isinstance(content, bytes)
        ]
    here += [(f"output of build {index + 1}", content) for index, content in enumerate(list(bench.outputs))]
    # What every verdict of this class is made from.
    here.append(("records", repr(records).encode()))
    for place, content in here:
        items, size = items + 1, size + len(content)
        leaks += [Leak(*found) for found in scan.search(place, content, needles)]
    planted = gzip.compress(f"planted {bench.token}".encode())
    control = any(scan.search("control", planted, needles))
    return Scan(items, size, tuple(leaks), len(secrets), control)


def _objects(bench: Bench) -> list[tuple[str, bytes]]:
    """Every object of the bucket, asked for as the writer."""
    listed = bench.ask([publication.s3(bench, "writer", "list_objects_v2", {"Bucket": BUCKET})])[0]
    keys = [str(entry["Key"]) for entry in listed.get("reply", {}).get("Contents", [])]
    if not keys:
        return []
    answers = bench.ask(
        [publication.s3(bench, "writer", "get_object", {"Bucket": BUCKET, "Key": key}) for key in keys]
    )
    return [
        (f"object {key}", base64.b64decode(answer["body"])) for key, answer in zip(keys, answers, strict=True)
    ]
