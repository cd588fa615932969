"""Membership of hosts in tailnets."""

from __future__ import annotations


def in_tailnet(host: str, tailnets: list[str]) -> bool:
    return any(host == tailnet or host.endswith(f".{tailnet}") for tailnet in tailnets)
