"""A server's log that comes late: the last request of a client is waited for, a missing one not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from builder_contracts.prove import testbed
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.testbed import Testbed

REFUSED = AccessLogLine("anonymous", "10.0.0.9", "POST", "/v2/proof/blobs/uploads/", 401)
WRITTEN = AccessLogLine("writer", "10.0.0.9", "PUT", "/v2/proof/manifests/proof", 201)
ANOTHER = AccessLogLine("anonymous", "10.0.0.7", "POST", "/v2/other/blobs/uploads/", 401)


class Late:
    """The part of a bench that reads logs; each look finds what the next of ``looks`` holds, then the last."""

    def __init__(self, *looks: tuple[AccessLogLine, ...]) -> None:
        self._looks: Iterator[tuple[AccessLogLine, ...]] = iter(looks)
        self._last: tuple[AccessLogLine, ...] = ()

    def access_log(self, service: str, *, since: int = 0) -> tuple[AccessLogLine, ...]:
        assert service == "registry"
        self._last = next(self._looks, self._last)
        return self._last[since:]

    def asked(self, *identities: str) -> tuple[AccessLogLine, ...]:
        return Testbed.access_log_of(
            cast(Any, self), "10.0.0.9", "registry", since=0, expect=frozenset(identities)
        )


def test_late_log_line_is_found() -> None:
    late = Late((WRITTEN, ANOTHER), (WRITTEN, ANOTHER), (WRITTEN, ANOTHER, REFUSED))
    assert late.asked("anonymous", "writer") == (WRITTEN, REFUSED)


def test_growing_log_is_waited_for() -> None:
    assert Late((), (WRITTEN,), (WRITTEN, REFUSED)).asked("writer") == (WRITTEN, REFUSED)


def test_wait_for_a_missing_log_line_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testbed, "LOG_LAG", 0.3)
    assert Late((WRITTEN,)).asked("anonymous") == (WRITTEN,)
