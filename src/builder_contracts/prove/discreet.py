"""Takes what a deployment trusts a run with out of what tools and servers say: their words end in reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.runner.protocol import Completed, Runner, Setting

# A secret that is shorter would be found by chance, in files as well.
_SHORTEST = 6


@dataclass(frozen=True)
class Mask:
    """What must not be seen, as tools and servers spell it."""

    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> Mask:
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

    def over_all(self, done: Completed) -> Completed:
        return Completed(done.status, self.over(done.stdout), self.over(done.stderr), done.ended)

    def over_text(self, said: str) -> str:
        return self.over(said.encode("utf-8", "replace")).decode("utf-8", "replace")


@dataclass(frozen=True)
class DiscreetRunner:
    """A runner whose commands say nothing secret."""

    runner: Runner
    mask: Mask

    @property
    def setting(self) -> Setting:
        return self.runner.setting

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:
        return self.mask.over_all(self.runner.execute(arguments, deadline=deadline))
