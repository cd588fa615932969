"""Worlds for proofs: contracts, canaries and services of which one thing at a time is broken."""

from __future__ import annotations

import io
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load, load_environment
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import RunnerFacts
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.run.prover import Prover, ProverOptions
from builder_contracts.runner.docker import engine
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.services.catalog import SERVICES, ServiceContainer, ServiceSpec
from builder_contracts.services.environment import Environment
from builder_contracts.services.principals import Credentials
from builder_contracts.verdict import Outcome, Verdict

ROOT = Path(__file__).parents[2]
Spec = Callable[[str, Credentials], ServiceSpec]
GIVEN = Credentials.from_texts("reader:her-long-secret", "me:my-long-secret")
"""What a deployment has given to the benches of this machine."""


def machine_bench(root: Path, **urls: str) -> LocalTestbed:
    """A bench of this machine, whose roles are a deployment's at these addresses."""
    key = "main-1:c2lnbmluZyBrZXk="
    return LocalTestbed(
        credentials=Credentials.random(),
        endpoints={role: Endpoint(role, url, "", GIVEN, key) for role, url in urls.items()},
        name="mine",
        about=RunnerFacts("local", "", "host", 2, 2**30),
        runner=local_runner(),
        root=root,
        class_home="/home/runner",
    )


@dataclass
class Proved:
    """The verdicts of one world by local clause id."""

    verdicts: dict[str, Verdict]

    def ids(self, outcome: Outcome) -> set[str]:
        return {local_id for local_id, verdict in self.verdicts.items() if verdict.outcome is outcome}

    @property
    def broken(self) -> set[str]:
        return self.ids(Outcome.BROKEN)

    @property
    def ids_kept(self) -> set[str]:
        return self.ids(Outcome.KEPT)

    @property
    def unproven(self) -> set[str]:
        return self.ids(Outcome.UNPROVEN)

    def seen(self, local_id: str) -> str:
        verdict = self.verdicts[local_id]
        return f"{verdict.observation} / {verdict.cause}"


@dataclass
class Worlds:
    """Proves selected clauses of a class in a world of its own."""

    folder: Path
    sessions: list[Prover] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    def built(self, builder: str, instructions: str) -> str:
        """The class's image with more instructions, which root carries out, until the test ends."""
        tag = f"builder-contracts-defect:{secrets.token_hex(6)}"
        dockerfile = f"FROM {builder}\nUSER root\n{instructions}\nUSER runner\n"
        client = engine.connect()
        client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True, forcerm=True)
        client.close()
        self.images.append(tag)
        return tag

    def prove(
        self,
        builder: str,
        select: Callable[[Clause], bool],
        *,
        specs: Mapping[str, Spec] | None = None,
        canary: Mapping[str, str] | None = None,
        promise: tuple[str, str] | None = None,
        urls: Mapping[str, str] | None = None,
        meanwhile: Callable[[Prover], None] | None = None,
        image: str = "",
    ) -> Proved:
        """``image`` has instructions that the class's image gets besides; ``specs`` replace services; ``canary`` adds or replaces files below canaries/; ``promise`` replaces words of
        the contract; ``urls`` replace endpoints."""
        contract_file = ROOT / "contracts" / f"{builder}.yaml"
        if canary:
            shutil.copytree(ROOT / "canaries", self.folder / "canaries", ignore=_links)
            shutil.copytree(ROOT / "contracts", self.folder / "contracts")
            for name, text in canary.items():
                file = self.folder / "canaries" / name
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, "utf-8")
            contract_file = self.folder / "contracts" / f"{builder}.yaml"
            if promise:
                text = contract_file.read_text("utf-8")
                assert promise[0] in text
                contract_file.write_text(text.replace(*promise), "utf-8")
        contract = load(contract_file)
        clauses = [clause for clause in contract.clauses if select(clause)]
        assert clauses, "no clause was selected"
        data = load_environment(ROOT / "contracts/environments/embedded.yaml").data
        for role, url in (urls or {}).items():
            data["roles"][role]["url"] = url
        session = Prover(
            ProverOptions(
                images={builder: self.built(builder, image)} if image else {},
                bindings=Environment.from_document(data),
                specs={**SERVICES, **(specs or {})},
            )
        )
        self.sessions.append(session)
        if meanwhile is not None:
            meanwhile(session)
        return Proved({clause.local_id: session.verdict(clause, contract, clauses) for clause in clauses})

    def prove_all(
        self,
        builders: Iterable[str],
        select: Callable[[Clause], bool] = lambda _: True,
        *,
        specs: Mapping[str, Spec] | None = None,
        meanwhile: Callable[[Prover], None] | None = None,
    ) -> Proved:
        """Classes side by side, as one run proves them; verdicts by CLASS/ID. Kernels are not built here."""
        chosen: dict[str, tuple[Contract, list[Clause]]] = {}
        for builder in builders:
            contract = load(ROOT / "contracts" / f"{builder}.yaml")
            shown = [clause for clause in contract.clauses if isinstance(clause.promise, ProofPromise)]
            chosen[builder] = (
                contract,
                [clause for clause in shown if select(clause) and "/linux-xr-" not in clause.local_id],
            )
        data = load_environment(ROOT / "contracts/environments/embedded.yaml").data
        session = Prover(
            ProverOptions(bindings=Environment.from_document(data), specs={**SERVICES, **(specs or {})})
        )
        self.sessions.append(session)
        if meanwhile is not None:
            meanwhile(session)
        for contract, clauses in chosen.values():
            session.start(contract, clauses)
        return Proved(
            {
                clause.id: session.verdict(clause, contract, clauses)
                for contract, clauses in chosen.values()
                for clause in clauses
            }
        )


def _links(folder: str, names: list[str]) -> list[str]:
    """Bazel's convenience links into an output base of this machine."""
    return [name for name in names if (Path(folder) / name).is_symlink()]


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    missing = [
        name
        for name in ("tinyland-nix", "tinyland-docker", "tinyland-dind", "builder-contracts/services")
        if engine.describe_image(client, name) is None
    ]
    client.close()
    if missing:
        pytest.skip(f"needs the images {', '.join(missing)}: script/images builds them")
    created = Worlds(tmp_path)
    try:
        yield created
    finally:
        for session in created.sessions:
            session.close()
        client = engine.connect()
        for tag in created.images:
            client.images.remove(tag, force=True)
        client.close()


@pytest.fixture
def unreached(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request arrives at this test's server, so that none of its log's lines is waited for."""
    monkeypatch.setattr("builder_contracts.prove.testbed.LOG_LAG", 0.0)


def rewritten(name: str, *changes: tuple[str, str], part: str = "nginx", file: str = "nginx.conf") -> Spec:
    """A service whose configuration has other words in some places. Each place must be there."""

    def spec(alias: str, credentials: Credentials) -> ServiceSpec:
        whole = SERVICES[name](alias, credentials)
        parts = []
        for service_part in whole.parts:
            files = dict(service_part.files)
            if service_part.name == part:
                for old, new in changes:
                    assert old in files[file], f"{file} of {name} has no {old!r}"
                    files[file] = files[file].replace(old, new)
            parts.append(ServiceContainer(service_part.name, service_part.command, files))
        return ServiceSpec(whole.name, whole.alias, tuple(parts), whole.ready)

    return spec


def ids(*prefixes: str) -> Callable[[Clause], bool]:
    """Selects clauses by the beginning of their ids."""
    return lambda clause: clause.local_id.startswith(prefixes)


GRANTS_EVERY_LOCK = (
    "location / {",
    "location ~ [.]tflock$ { error_page 412 =201 @yes; proxy_intercept_errors on; proxy_pass http://127.0.0.1:8333; "
    "proxy_set_header Host $http_host; }\n    location @yes { return 201; }\n    location / {",
)
"""A change of nginx's configuration: an object store says yes to the second holder of a lock, and keeps the first's."""
