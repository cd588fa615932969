"""Search everything that a class published and logged for the secrets that its jobs could read."""

from __future__ import annotations

import base64
import json
import secrets as random
from collections.abc import Mapping, Sequence
from importlib import resources

from builder_contracts.prove import bucket
from builder_contracts.prove.job import StepFailed, format_completed
from builder_contracts.prove.secrets import control
from builder_contracts.prove.secrets import scanner as scan
from builder_contracts.prove.secrets.record import Leak, Scan
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.docker import engine
from builder_contracts.services.catalog import DATA
from builder_contracts.services.principals import WRITER
from builder_contracts.services.stack import ServiceDown

# Puts a file next to the content of a service for the duration of the search.
_PLANT = 'printf %s "$1" | base64 -d >"$2" || exit; kept=$2; shift 2; "$@"; status=$?; rm -f "$kept"; exit "$status"'


def search_published(
    bench: Testbed, roles: Sequence[str], artifacts: Mapping[str, bytes], records: bytes
) -> Scan | Unavailable:
    """Search all that was published and logged, and in each place a copy that was planted there for the search.

    ``artifacts`` left the builders; ``records`` are what every verdict of this class is made from.
    """
    if bench.unsearched:
        return Unavailable(f"the search is incomplete: cannot copy out {', '.join(bench.unsearched)}")
    # A separate nonce, because other searches may not find it, and the token itself is never published.
    nonce = random.token_hex(24)
    planted = control.planted(nonce)
    planted_name = f"planted-{nonce[:8]}"
    missed: list[str] = []
    secrets = [bench.token, *bench.credentials.secrets]
    sought = [*secrets, nonce]
    needles = {needle: name for secret in sought for needle, name in scan.encodings(secret).items()}
    program = resources.files("builder_contracts.prove.secrets").joinpath("scanner.py").read_text("utf-8")
    services = bench.services
    items = size = 0
    leaks: list[Leak] = []
    contents: list[tuple[str, bytes]] = []
    try:
        for role in roles:
            service = bench.endpoints[role].service
            if not service or services is None:
                return Unavailable.never(
                    f"cannot search the contents of {bench.endpoints[role].url} from here"
                )
            running = services.up(service)
            for part, container in zip(running.service.parts, running.containers, strict=True):
                contents.append((f"log of {service}/{part.name}", services.raw_log(container)))
            if role == "objects":
                contents += _objects(bench, planted_name, planted)
                continue
            path = f"{DATA}/{planted_name}"
            python = ["/opt/services/bin/python", "-c", program, json.dumps(sought), DATA]
            command = ["sh", "-c", _PLANT, "sh", base64.b64encode(planted).decode(), path, *python]
            completed = services.execute(service, command, deadline=60)
            if completed.status != 0:
                return Unavailable(f"searching {service} failed: {format_completed(completed)}")
            report = json.loads(completed.stdout)
            items, size = items + report["items"], size + report["bytes"]
            leaks += [Leak(f"{service}:{place}", encoding) for place, encoding in report["leaks"]]
            missed += [f"{service} ({name})" for name in _remove_planted(leaks, f"{service}:{path}")]
    except ServiceDown as down:
        return Unavailable(str(down))
    except (StepFailed, *engine.LOST) as error:
        return Unavailable(f"the search is incomplete: {error}")
    contents += [(f"artifact {name}", content) for name, content in artifacts.items()]
    contents += [
        (f"output of build {index}", output) for index, output in enumerate(list(bench.outputs), start=1)
    ]
    contents.append(("records", records))
    contents.append((f"next to them {planted_name}", planted))
    for place, content in contents:
        items, size = items + 1, size + len(content)
        leaks += [Leak(*leak) for leak in scan.search(place, content, needles)]
    missed += [
        f"{place} ({name})"
        for place, _ in contents
        if planted_name in place
        for name in _remove_planted(leaks, place)
    ]
    undecoded = tuple(leak.place for leak in leaks if leak.encoding == scan.UNDECODED)
    leaks = [leak for leak in leaks if leak.encoding != scan.UNDECODED]
    return Scan(items, size, tuple(leaks), len(secrets), len(roles) + 1, tuple(missed), undecoded)


def _remove_planted(leaks: list[Leak], place: str) -> list[str]:
    """Take the planted copies out of the leaks; the formats in which the search did not find one."""
    planted = {
        leak.place for leak in leaks if leak.place.startswith(place) and leak.encoding != scan.UNDECODED
    }
    leaks[:] = [leak for leak in leaks if leak.place not in planted]
    return [
        name
        for name in control.formats("")
        if not any(found_in.startswith(f"{place}!{name}") for found_in in planted)
    ]


def _objects(bench: Testbed, planted_name: str, planted: bytes) -> list[tuple[str, bytes]]:
    """Every object of the bucket, read as the writer, and the planted one. Raises Failed."""
    put, objects, _ = bench.ask(
        [
            bucket.s3_request(bench, WRITER, "put_object", Key=planted_name, Body=encode_body(planted)),
            {**bucket.s3_request(bench, WRITER, "list_objects_v2"), "kind": "s3-all"},
            bucket.s3_request(bench, WRITER, "delete_object", Key=planted_name),
        ]
    )
    for reply in (put, objects):
        if reply["status"] != "OK":
            raise StepFailed("reading the objects", f"{reply['status']} {reply['detail']}")
    return [(f"object {key}", base64.b64decode(body)) for key, body in objects["objects"].items()]
