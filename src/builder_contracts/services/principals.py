"""The identities that use a service: anonymous, a reader, a writer, and an owner of caches."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

ANONYMOUS, READER, WRITER, OWNER = "anonymous", "reader", "writer", "owner"


@dataclass(frozen=True)
class Principal:
    """A name and its secret; the anonymous identity has none. The secret never shows in a repr."""

    name: str
    secret: str = field(default="", repr=False)

    @property
    def authorization(self) -> str:
        """The value of an HTTP Authorization header, empty for the anonymous identity."""
        if not self.secret:
            return ""
        return "Basic " + base64.b64encode(f"{self.name}:{self.secret}".encode()).decode()


@dataclass(frozen=True)
class Credentials:
    """The identities of one run, or of one deployment."""

    reader: Principal
    writer: Principal
    anonymous: Principal = Principal(ANONYMOUS)
    owner: Principal = Principal(OWNER)

    @classmethod
    def random(cls) -> Credentials:
        """New random secrets, for one run."""
        return cls(Principal(READER, secrets.token_hex(24)), Principal(WRITER, secrets.token_hex(24)))

    def of(self, name: str) -> Principal:
        """The identity of that name."""
        return {ANONYMOUS: self.anonymous, READER: self.reader, WRITER: self.writer, OWNER: self.owner}[name]

    @classmethod
    def from_texts(cls, reader: str, writer: str, owner: str = "") -> Credentials:
        """Read texts NAME:SECRET, as a deployment provides them; an empty text is an identity without a secret."""

        def identity(text: str, name: str) -> Principal:
            given, _, secret = text.partition(":")
            return Principal(given or name, secret)

        return cls(identity(reader, READER), identity(writer, WRITER), owner=identity(owner, OWNER))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that must never appear in anything published."""
        return tuple(
            identity.secret for identity in (self.reader, self.writer, self.owner) if identity.secret
        )
