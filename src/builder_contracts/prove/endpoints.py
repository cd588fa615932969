"""Which endpoints the proofs of a run may touch, and why not the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.prove.records import Lost
from builder_contracts.services.environment import Binding, Bindings
from builder_contracts.services.identities import ANONYMOUS, WRITER, Credentials

# What a machine can prove of a deployment; a bucket would have to be set up, which is not a proof's to do.
FROM_MACHINES = ("nix", "bazel-grpc", "bazel-http", "registry")


@dataclass(frozen=True)
class Endpoint:
    """A role as the environment binds it: its URL, and the service of the run behind it.

    Without a service it is a deployment's own: then ``credentials`` are its identities, ``variables`` the names of
    the variables that they are read from, and for a Nix cache ``signing_key`` is the secret key of its clients or
    ``public_key`` that of its server.
    """

    role: str
    url: str
    service: str
    credentials: Credentials | None = None
    signing_key: str = field(default="", repr=False)
    public_key: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> list[str]:
        """What must not be shown of it, as tools and servers spell it."""
        secrets = [self.signing_key.rpartition(":")[2].strip()]
        if self.credentials is not None:
            for identity in (self.credentials.reader, self.credentials.writer):
                secrets += [identity.secret, identity.authorization.rpartition(" ")[2]]
        return secrets

    def lacks(self, name: str) -> Lost | None:
        """Why nothing can be tried as the identity of that name, if so."""
        if name == ANONYMOUS or self.credentials is None or self.credentials.of(name).secret:
            return None
        variable = self.variables.get(name)
        said = (
            f"set {variable} to NAME:SECRET"
            if variable
            else f"name a variable under {name} in its environment"
        )
        return Lost(f"no {name}'s credentials for {self.url} were given: {said}", here=False)


def from_container(
    role: str,
    bindings: Bindings,
    allow_writes: frozenset[str],
    environment: Mapping[str, str],
    *,
    reads: bool,
) -> Endpoint | Lost:
    """The endpoint of a role as runners in containers may use it. ``reads``: the class reads the role as a cache."""
    binding = _usable(role, bindings, allow_writes)
    if isinstance(binding, Lost):
        return binding
    if binding.service:
        return Endpoint(role, binding.url, binding.service)
    if not bindings.from_containers:
        return Lost(
            f"addresses outside are touched on real runners only; {binding.url} is one, this is a container",
            here=False,
        )
    if role != "nix" or not reads:
        return Lost(
            f"from containers only the role nix of a live environment can be proved, by a class that reads it: {role}",
            here=False,
        )
    return _live(binding, environment)


def from_machine(
    role: str,
    bindings: Bindings,
    allow_writes: frozenset[str],
    environment: Mapping[str, str],
    about: RunnerFacts,
) -> Endpoint | Lost:
    """The endpoint of a role as this machine may use it, of which ``about`` says whether it is a live runner."""
    binding = _usable(role, bindings, allow_writes)
    if isinstance(binding, Lost):
        return binding
    if binding.service:
        return Lost(
            f"the environment {bindings.environment} has its services started in a Docker Engine, which --runner "
            "docker does; on this machine a deployment's endpoint can be proved: --environment names it",
            here=False,
        )
    if not (about.live or bindings.from_containers):
        return Lost(
            f"addresses outside are touched on real runners only, and this machine is none: {about.identity}",
            here=False,
        )
    if role not in FROM_MACHINES:
        return Lost(
            f"a deployment's {role} are not proved: the proof sets up a bucket of its own, which only a store of the "
            "run's own can be asked for",
            here=False,
        )
    return _live(binding, environment)


def parted(reached: Mapping[str, Endpoint | Lost]) -> tuple[dict[str, Endpoint], dict[str, Lost]]:
    """The roles that can be proved, and those that cannot."""
    return (
        {role: end for role, end in reached.items() if isinstance(end, Endpoint)},
        {role: end for role, end in reached.items() if isinstance(end, Lost)},
    )


def _usable(role: str, bindings: Bindings, allow_writes: frozenset[str]) -> Binding | Lost:
    """The binding of a role that may be written to: a service of the run always, a deployment where it is allowed."""
    binding = bindings.roles.get(role)
    environment = bindings.environment
    if binding is None:
        return Lost(f"the environment {environment} binds no endpoint to the role {role}")
    if binding.not_working:
        return Lost(f"known not to work in {environment}: {binding.not_working}", here=False)
    if not binding.service and role not in allow_writes:
        return Lost(f"nothing is written to {environment} unless --allow-writes {role} says so", here=False)
    return binding


def _live(binding: Binding, environment: Mapping[str, str]) -> Endpoint:
    """A deployment's own endpoint with what the environment's variables hold."""
    given = {
        name: environment.get(name, "") for name in (binding.reader, binding.writer, binding.signing_key)
    }
    return Endpoint(
        binding.role,
        binding.url,
        "",
        Credentials.from_texts(given[binding.reader], given[binding.writer]),
        given[binding.signing_key],
        binding.public_key,
        {
            name: variable
            for name, variable in (("reader", binding.reader), (WRITER, binding.writer))
            if variable
        },
    )
