"""Select the endpoints that the proofs of a run may contact, with a reason for each of the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.facts.model import RunnerFacts
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.environment import NO_READER, Environment, RoleBinding
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER, Credentials


@dataclass(frozen=True)
class Endpoint:
    """A role as the environment binds it: its URL, and the service of the run behind it.

    Without a service it is a deployment's own: then ``credentials`` are its identities, ``variables`` the names of
    the variables that they are read from, and for a Nix cache ``signing_key`` is the secret key of its clients or
    ``public_key`` that of its server. ``no_reader``: it knows no identity that may only read; ``anonymous_reader``:
    whoever reads is anonymous. ``instance`` is the instance name of a Bazel cache over gRPC, ``bucket`` a deployment's own bucket,
    ``authority`` a file of certificates to trust, ``client_certificate`` one with the writer's own and its key,
    ``token_header`` the header in which identities show their secrets.
    """

    role: str
    url: str
    service: str
    credentials: Credentials | None = None
    signing_key: str = field(default="", repr=False)
    public_key: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    no_reader: bool = False
    anonymous_reader: bool = False
    instance: str = ""
    bucket: str = ""
    authority: str = ""
    client_certificate: str = ""
    token_header: str = ""

    @property
    def secrets(self) -> list[str]:
        """The secrets of an endpoint, in the forms that tools and servers print."""
        secrets = [self.signing_key.rpartition(":")[2].strip()]
        if self.credentials is not None:
            for identity in (self.credentials.reader, self.credentials.writer, self.credentials.owner):
                secrets += [identity.secret, identity.authorization.rpartition(" ")[2]]
        return secrets

    def lacks(self, name: str) -> Unavailable | None:
        """Return why nothing can be attempted as that identity, or None if it can."""
        if name == READER and (self.no_reader or self.anonymous_reader):
            rule = (
                "it is anonymous"
                if self.anonymous_reader
                else "the server knows no identity that may only read"
            )
            return Unavailable.never(f"no reader of {self.url}, as its environment says: {rule}")
        if name == ANONYMOUS or self.credentials is None or self.credentials.of(name).secret:
            return None
        if name == WRITER and self.client_certificate:
            return None
        variable = self.variables.get(name)
        advice = (
            f"set {variable} to NAME:SECRET"
            if variable
            else f"set '{name}' to a variable name in the environment file"
        )
        return Unavailable.never(f"no {name} credentials for {self.url}: {advice}")


def from_container(
    role: str,
    bindings: Environment,
    allow_writes: frozenset[str],
    env: Mapping[str, str],
    *,
    reads: bool,
) -> Endpoint | Unavailable:
    """The endpoint of a role as runners in containers may use it. ``reads``: the class reads the role as a cache."""
    binding = _usable(role, bindings, allow_writes)
    if isinstance(binding, Unavailable):
        return binding
    if binding.service:
        return Endpoint(role, binding.url, binding.service, instance=binding.instance)
    if not bindings.from_containers:
        return Unavailable.never(
            f"external endpoints are contacted only from real runners; {binding.url} is external and this is a container"
        )
    if role != "nix" or not reads:
        return Unavailable.never(
            f"containers can prove only the nix role of a live environment, for a class that reads it, not {role}"
        )
    return _live(binding, env)


def from_machine(
    role: str,
    bindings: Environment,
    allow_writes: frozenset[str],
    env: Mapping[str, str],
    about: RunnerFacts,
) -> Endpoint | Unavailable:
    """The endpoint of a role as this machine may use it, of which ``about`` says whether it is a live runner."""
    binding = _usable(role, bindings, allow_writes)
    if isinstance(binding, Unavailable):
        return binding
    if binding.service:
        return Unavailable.never(
            f"environment {bindings.environment} starts its services in a Docker Engine: use --runner docker, or --environment for a deployed endpoint"
        )
    if not (about.live or bindings.from_containers):
        return Unavailable.never(
            f"external endpoints are contacted only from real runners, and this machine is not one: {about.identity}"
        )
    if role == "objects" and not binding.bucket:
        return Unavailable.never(
            f"{binding.url} cannot be proved: set 'bucket' to an existing bucket in the environment file"
        )
    return _live(binding, env)


def split_available(
    endpoints: Mapping[str, Endpoint | Unavailable],
) -> tuple[dict[str, Endpoint], dict[str, Unavailable]]:
    """The roles that can be proved, and those that cannot."""
    return (
        {role: endpoint for role, endpoint in endpoints.items() if isinstance(endpoint, Endpoint)},
        {role: endpoint for role, endpoint in endpoints.items() if isinstance(endpoint, Unavailable)},
    )


def _usable(role: str, bindings: Environment, allow_writes: frozenset[str]) -> RoleBinding | Unavailable:
    """The binding of a role that may be written to: a service of the run always, a deployment if it is allowed."""
    binding = bindings.roles.get(role)
    environment = bindings.environment
    if binding is None:
        return Unavailable(f"environment {environment} defines no endpoint for role {role}")
    if binding.not_working:
        return Unavailable.never(f"known broken in {environment}: {binding.not_working}")
    if not binding.service and role not in allow_writes:
        return Unavailable.never(f"writing to {environment} requires --allow-writes {role}")
    return binding


def _live(binding: RoleBinding, env: Mapping[str, str]) -> Endpoint:
    """A deployment's own endpoint with what the environment's variables hold."""
    values = {name: env.get(name, "") for name in binding.secrets}
    return Endpoint(
        binding.role,
        binding.url,
        "",
        Credentials.from_texts(
            *(values.get(variable, "") for variable in (binding.reader, binding.writer, binding.owner))
        ),
        values.get(binding.signing_key, ""),
        binding.public_key,
        {
            name: variable
            for name, variable in ((READER, binding.reader), (WRITER, binding.writer))
            if variable
        },
        no_reader=binding.reader == NO_READER,
        anonymous_reader=binding.reader == ANONYMOUS,
        instance=binding.instance,
        bucket=binding.bucket,
        authority=env.get(binding.authority, ""),
        client_certificate=env.get(binding.client_certificate, ""),
        token_header=binding.token_header,
    )
