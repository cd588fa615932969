"""A server of a test's own that answers as GitLab's API of Terraform states does, and can break one rule at a time.

Its answers are those of GitLab's own sources and tests: lib/api/terraform/state.rb, state_version.rb and
spec/requests/api/terraform/state_spec.rb in gitlab-org/gitlab. A write with a wrong ID is 423 here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from builder_contracts.services.principals import Credentials
from tests.prove.stub import Answer, Asked, Stub, stub

FORBIDDEN = Answer(403, b'{"message":"403 Forbidden"}')
PREFIX = "/api/v4/projects/1/terraform/state"


@dataclass
class State:
    lock: Mapping[str, str] | None = None
    versions: dict[int, bytes] = field(default_factory=dict)

    @property
    def newest(self) -> bytes:
        return next(reversed(self.versions.values()), b"")


@dataclass
class GitlabStates:
    """``broken`` names the rules that it does not keep."""

    credentials: Credentials
    broken: frozenset[str] = frozenset()
    states: dict[str, State] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Asked) -> Answer:
        with self._mutex:
            return self._answer(request)

    def _answer(self, request: Asked) -> Answer:
        parts = urlsplit(request.path)
        name, _, rest = parts.path.removeprefix(f"{PREFIX}/").partition("/")
        lock_id = parse_qs(parts.query).get("ID", [""])[0]
        identity = self._identity(request)
        writes = request.method != "GET"
        if not identity and not (writes and "anonymous writes" in self.broken):
            return Answer(401, b'{"message":"401 Unauthorized"}')
        if identity == "reader" and writes and not self._reader_may(request.method, rest):
            return FORBIDDEN
        if writes and request.method == "POST":
            self.states.setdefault(name, State())
        state = self.states.get(name)
        if state is None:
            return Answer(404, b'{"message":"404 Not found"}')
        match (request.method, rest):
            case ("POST", "lock"):
                return self._lock(state, json.loads(request.body))
            case ("DELETE", "lock"):
                return self._release(state, json.loads(request.body)["ID"] if request.body else None)
            case ("POST", ""):
                return self._write(state, lock_id, request.body)
            case ("DELETE", ""):
                if state.lock is None:
                    del self.states[name]
                return Answer(200)
            case ("GET", ""):
                return Answer(200, state.newest) if state.versions else Answer(204)
            case _:
                text = state.versions.get(int(rest.removeprefix("versions/")))
                return Answer(404) if text is None else Answer(200, text)

    def _identity(self, request: Asked) -> str:
        for name in ("reader", "writer"):
            if request.authorization == self.credentials.of(name).authorization:
                return name
        return ""

    def _reader_may(self, method: str, rest: str) -> bool:
        rule = {("POST", "lock"): "reader locks", ("DELETE", "lock"): "reader unlocks"}.get((method, rest))
        return rule in self.broken

    def _lock(self, state: State, info: Mapping[str, str]) -> Answer:
        if state.lock is not None and "lock" not in self.broken:
            return Answer(409, json.dumps(state.lock).encode())
        state.lock = info
        return Answer(200, json.dumps(info).encode())

    def _release(self, state: State, lock_id: str | None) -> Answer:
        held = state.lock["ID"] if state.lock else ""
        # For force-unlock OpenTofu's older releases name no ID.
        if lock_id is not None and lock_id != held and "unlock" not in self.broken:
            return Answer(409)
        state.lock = None
        return Answer(200)

    def _write(self, state: State, lock_id: str, text: bytes) -> Answer:
        held = state.lock["ID"] if state.lock else ""
        # What compares only while the state is locked lets a stale holder write.
        if lock_id != held and not ("stale" in self.broken and not held) and "write" not in self.broken:
            return Answer(423)
        serial = int(json.loads(text)["serial"])
        if serial in state.versions:
            return Answer(422)
        state.versions = {} if "versions" in self.broken else state.versions
        state.versions[serial] = text
        return Answer(200)


@contextmanager
def gitlab_states(credentials: Credentials, *broken: str) -> Iterator[tuple[str, GitlabStates, Stub]]:
    """The address of its states, the server and its requests, until the context ends."""
    served = GitlabStates(credentials, frozenset(broken))
    with stub(served) as server:
        yield server.url + PREFIX, served, server
