"""Takes what a deployment trusts a run with out of what tools and servers say: their words end in reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.runner.protocol import CompletedCommand, OutsideView, Runner

# A secret that is shorter would be found by chance, in files as well.
_SHORTEST = 6


@dataclass(frozen=True)
class Redactor:
    """What must not be seen, as tools and servers spell it."""

    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> Redactor:
        """The secrets of these endpoints, where they are a deployment's own."""
        found: list[str] = []
        for endpoint in endpoints:
            if endpoint.credentials is not None:
                for identity in (endpoint.credentials.reader, endpoint.credentials.writer):
                    found += [identity.secret, identity.authorization.rpartition(" ")[2]]
            found.append(endpoint.signing_key.rpartition(":")[2].strip())
        secrets = {each.encode() for each in found}
        # The longest first: of one that holds another the rest would be left.
        return cls(tuple(sorted((each for each in secrets if len(each) >= _SHORTEST), key=len, reverse=True)))

    def over(self, said: bytes) -> bytes:
        """The same, of the same length because an archive may be printed as well."""
        for secret in self.secrets:
            said = said.replace(secret, b"*" * len(secret))
        return said

    def over_all(self, done: CompletedCommand) -> CompletedCommand:
        return CompletedCommand(done.status, self.over(done.stdout), self.over(done.stderr), done.ended)

    def over_text(self, said: str) -> str:
        return self.over(said.encode("utf-8", "replace")).decode("utf-8", "replace")


@dataclass(frozen=True)
class RedactingRunner:
    """A runner whose commands say nothing secret."""

    runner: Runner
    mask: Redactor

    @property
    def setting(self) -> OutsideView:
        return self.runner.setting

    def execute(self, arguments: Sequence[str], *, deadline: float) -> CompletedCommand:
        return self.mask.over_all(self.runner.execute(arguments, deadline=deadline))
