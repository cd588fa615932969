"""Judge the search for secrets. Pure."""

from __future__ import annotations

from builder_contracts.prove.secrets.record import Scan
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import as_json, broken, kept, unproven


def judge(scan: Scan | Unavailable | None) -> Witnessed:
    """The assessment of the search: it counts only if it found what was planted for it."""
    if scan is None or isinstance(scan, Unavailable):
        return unavailable(scan)
    witnesses = (
        f"search: {scan.items} items, {scan.bytes} bytes, {scan.secrets} secrets",
        f"control: a copy planted in each of {scan.places} places was "
        + (f"missed in {', '.join(scan.missed)}" if scan.missed else "found in each"),
    )
    if scan.leaks:
        places = "; ".join(f"{leak.place} ({leak.encoding})" for leak in scan.leaks[:5])
        return broken(
            f"found {len(scan.leaks)} copies of a secret: {places}",
            "",
            fix="revoke the secret, and keep it out of the step that writes this file",
            checked=scan.items,
            total=scan.items,
            observed=as_json(scan),
        ), witnesses
    if scan.missed:
        return unproven(
            f"the search missed the copy planted in {', '.join(scan.missed)}, so it proves nothing"
        ), witnesses
    if scan.undecoded:
        places = "; ".join(scan.undecoded[:3])
        return unproven(f"{len(scan.undecoded)} items could not be decoded: {places}"), witnesses
    if not scan.secrets:
        return unproven("no secret was searched for, so finding none proves nothing"), witnesses
    if not scan.items or not scan.bytes or not scan.places:
        return unproven("nothing was published, so there is nothing to search"), witnesses
    return kept(
        f"no secret in {scan.items} published and logged items, including archives and compressed members",
        checked=scan.items,
        total=scan.items,
        observed=as_json(scan),
    ), witnesses
