"""flake.nix and MODULE.bazel, run by the real Nix and the real Bazel of the project's own images.

Neither image reaches a network here. What stands in for what would be downloaded is said in each test's
name: for nixpkgs, ``nixpkgs/flake.nix`` beside this file around this test's own interpreter and packages;
for the Bazel Central Registry, Debian's copies of the modules that Bazel itself depends on. Not exercised:
that nixpkgs at the revision in flake.lock has and builds these packages, and the dev shell made of them.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder_contracts import __version__
from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep
from builder_contracts.runner.protocol import CompletedCommand

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.xdist_group("flake-and-bazel")]

Shell = Callable[[str], CompletedCommand]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        engine_client = engine.connect()
    except EngineError as error:
        pytest.skip(str(error))
    sweep(engine_client)
    yield engine_client
    engine_client.close()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout: what git knows and what it would take, nothing that was built."""
    target = tmp_path_factory.mktemp("checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 # the PATH's git
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    for name in listing.split("\0"):
        source = ROOT / name
        if name and (source.is_file() or source.is_symlink()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this interpreter, its library, and the distributions that the package needs."""
    target = tmp_path_factory.mktemp("python")
    library = target / "lib" / Path(sysconfig.get_path("stdlib")).name
    left_out = shutil.ignore_patterns(
        "site-packages", "dist-packages", "test", "__pycache__", "config-*", "idlelib"
    )
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=left_out)
    binary = target / "bin" / "python3"
    binary.parent.mkdir()
    shutil.copy2(Path(sys.executable).resolve(), binary)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        shared = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
        shutil.copy2(shared, target / "lib")
        binary.rename(binary.with_name("python3.real"))
        binary.write_text(
            '#!/bin/sh\nhere=${0%/*}\nLD_LIBRARY_PATH=$here/../lib exec "$here/python3.real" "$@"\n', "utf-8"
        )
        binary.chmod(0o755)
    for distribution in _needed("builder-contracts"):
        for file in distribution.files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                copy = library / "site-packages" / file
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(str(file.locate())), copy)
    installed = {
        canonicalize_name(package.metadata["Name"]) for package in importlib.metadata.distributions()
    }
    (target / "distributions.json").write_text(json.dumps(sorted(installed)), "utf-8")
    return target


def _needed(name: str) -> list[importlib.metadata.Distribution]:
    """The distributions that the named one needs at run time, without itself."""
    distributions: dict[str, importlib.metadata.Distribution] = {}
    names = [name]
    while names:
        distribution = importlib.metadata.distribution(names.pop())
        for text in distribution.requires or []:
            requirement = Requirement(text)
            needed = canonicalize_name(requirement.name)
            if needed not in distributions and (
                not requirement.marker or requirement.marker.evaluate({"extra": ""})
            ):
                distributions[needed] = importlib.metadata.distribution(needed)
                names.append(needed)
    return list(distributions.values())


@contextmanager
def container(client: docker.DockerClient, image: str, given: dict[str, Path]) -> Iterator[Shell]:
    """Commands in one container of a class's image, hardened and without a network.

    ``given`` are folders that it gets copies of, by their place below /given.
    """
    if engine.describe_image(client, image) is None:
        pytest.skip(f"the image {image} is not in the engine: script/images builds it")
    run = RunLabels()
    try:
        started = client.containers.run(
            image,
            ["sleep", "900"],
            detach=True,
            # Bazel's server outlives its client; somebody has to reap it.
            init=True,
            name=run.name(image),
            labels=run.labels,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        identity = str(started.id)
        for name, folder in given.items():
            client.api.put_archive(identity, "/", _archive(folder, f"given/{name}"))
        yield lambda script: engine.execute(client, identity, ["sh", "-euc", script], deadline=180)
    finally:
        close(client, run)


def _archive(folder: Path, name: str) -> bytes:
    """The folder as a tar, readable for everybody whatever this machine's modes are."""

    def readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mode |= 0o555 if member.isdir() or member.mode & 0o100 else 0o444
        return member

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, name, filter=readable)
    return stream.getvalue()


def output_of(completed: CompletedCommand) -> str:
    """Everything that a command printed; fails the test where the command was lost."""
    assert not completed.ended, completed.ended
    return (completed.stdout + completed.stderr).decode("utf-8", errors="replace")


def broken_contract(project: str) -> str:
    """A command that breaks one promise's version range, in one class's contract."""
    return f'sed -i \'s/">=2.24,<3"/"=>2.24"/\' {project}/contracts/tinyland-nix.yaml'


# --- Nix


@pytest.fixture(scope="module")
def nix(client: docker.DockerClient, checkout: Path, python: Path) -> Iterator[Shell]:
    given = {"project": checkout, "nixpkgs": HERE / "nixpkgs", "nixpkgs/python": python}
    with container(client, "tinyland-nix", given) as shell:
        yield shell


STAND_IN = "--override-input nixpkgs path:/given/nixpkgs --no-write-lock-file"


def test_nix_reads_the_flakes_description_and_its_locked_nixpkgs(nix: Shell) -> None:
    answer = nix("nix flake metadata --json path:/given/project 2>/dev/null")
    assert answer.status == 0, output_of(answer)
    metadata = json.loads(answer.stdout)
    assert metadata["description"] == "Builder Contracts: executable contracts for CI runner classes"
    locked = metadata["locks"]["nodes"]["nixpkgs"]["locked"]
    assert re.fullmatch("[0-9a-f]{40}", locked["rev"])
    assert re.fullmatch("sha256-[A-Za-z0-9+/]{43}=", locked["narHash"])
    assert nix("nix flake metadata --no-update-lock-file path:/given/project").status == 0, (
        "flake.lock does not fit flake.nix"
    )


def test_nix_outputs_have_name_and_version_of_package(nix: Shell) -> None:
    answer = nix(f"nix flake show --json --all-systems path:/given/project {STAND_IN} 2>/dev/null")
    assert answer.status == 0, output_of(answer)
    text = answer.stdout.decode()
    assert f'"builder-contracts-{__version__}"' in text
    assert f'"builder-contracts-validate-{__version__}"' in text
    assert "aarch64-linux" in text


def test_nix_flake_check_validates_contracts(nix: Shell) -> None:
    answer = nix(f"nix flake check -L path:/given/project {STAND_IN}")
    assert answer.status == 0, output_of(answer)
    for name in ("tinyland-nix", "tinyland-docker", "tinyland-dind"):
        assert f"contracts/{name}.yaml: {name}, " in output_of(answer)


def test_nix_flake_check_names_the_line_of_a_broken_contract(nix: Shell) -> None:
    assert nix(f"cp -r /given/project /tmp/broken && {broken_contract('/tmp/broken')}").status == 0
    answer = nix(f"nix flake check -L path:/tmp/broken {STAND_IN}")
    assert answer.status != 0
    assert re.search(r"contracts/tinyland-nix\.yaml:\d+: '=>2\.24' is not a version range", output_of(answer))


def test_nix_names_a_dependency_that_nixpkgs_lacks(nix: Shell) -> None:
    prepared = nix(
        "mkdir -p /tmp/poor/python && cp /given/nixpkgs/flake.nix /tmp/poor && echo '[]' >/tmp/poor/python/distributions.json"
    )
    assert prepared.status == 0, output_of(prepared)
    answer = nix(
        "nix build --dry-run path:/given/project --override-input nixpkgs path:/tmp/poor --no-write-lock-file"
    )
    assert answer.status != 0
    assert "nixpkgs has no Python package backports-zstd" in output_of(answer)


def test_nix_run_starts_the_command_line(nix: Shell) -> None:
    answer = nix(f"nix run path:/given/project {STAND_IN} -- --version")
    assert f"builder-contracts, version {__version__}" in output_of(answer)


# --- Bazel


@pytest.fixture(scope="module")
def bazel(client: docker.DockerClient, checkout: Path, python: Path) -> Iterator[Shell]:
    """Commands in a shell that has ``$modules``: flags that put Debian's copies in the registry's place."""
    given = {"project": checkout, "python": python}
    with container(client, "tinyland-docker", given) as shell:
        prepared = shell(
            """
            mkdir /tmp/modules && cp -r /given/project /tmp/project
            cd /tmp/project/canaries/bzlmod/registry
            for source in modules/*/*/source.json; do
                version=${source%/*} module=${source#modules/} module=${module%%/*}
                path=$(jq -r .path "$source")
                case $path in /*) ;; *) path=$PWD/sources/$path ;; esac
                mkdir "/tmp/modules/$module"
                ln -s "$path"/* "/tmp/modules/$module"
                ln -sf "$PWD/$version/MODULE.bazel" "/tmp/modules/$module/MODULE.bazel"
                # The canary's own dependency is none of Bazel's.
                [ "$module" = words ] || printf ' --override_module=%s=/tmp/modules/%s' "$module" "$module"
            done >/tmp/modules/flags
            """
        )
        assert prepared.status == 0, output_of(prepared)
        start = 'modules="--registry=file:///nowhere $(cat /tmp/modules/flags)"; cd /tmp/project;'
        yield lambda script: shell(start + script)


REAL_PYTHON = "export BUILDER_CONTRACTS_PYTHON=/given/python/bin/python3;"


def results(output: str) -> dict[str, str]:
    """What Bazel's summary says of each target."""
    return dict(re.findall(r"^(//:[\w-]+) +(?:\(cached\) )?(PASSED|FAILED) in ", output, re.MULTILINE))


def test_bazel_targets_validate_contracts(bazel: Shell) -> None:
    answer = bazel(f"{REAL_PYTHON} bazel test $modules //:all")
    assert answer.status == 0, output_of(answer)
    assert results(output_of(answer)) == {
        "//:contracts": "PASSED",
        "//:contracts-tinyland-dind": "PASSED",
        "//:contracts-tinyland-docker": "PASSED",
        "//:contracts-tinyland-nix": "PASSED",
    }


def test_bazel_fails_only_targets_of_broken_contract(bazel: Shell) -> None:
    answer = bazel(
        f"{broken_contract('.')}; {REAL_PYTHON} status=0; bazel test $modules //:all || status=$?;"
        "cp /given/project/contracts/tinyland-nix.yaml contracts/; exit $status"
    )
    assert answer.status == 3, output_of(answer)
    assert results(output_of(answer)) == {
        "//:contracts": "FAILED",
        "//:contracts-tinyland-dind": "PASSED",
        "//:contracts-tinyland-docker": "PASSED",
        "//:contracts-tinyland-nix": "FAILED",
    }
    assert re.search(r"contracts/tinyland-nix\.yaml:\d+: '=>2\.24' is not a version range", output_of(answer))


def test_bazel_names_fix_for_missing_packages(bazel: Shell) -> None:
    answer = bazel("bazel test $modules //:contracts")
    assert answer.status == 3, output_of(answer)
    assert "python3 lacks what builder-contracts needs: run script/setup, then" in output_of(answer)


def test_bazel_offers_the_same_rule_to_another_repository(bazel: Shell) -> None:
    answer = bazel(
        REAL_PYTHON
        + """
        mkdir /tmp/elsewhere && cd /tmp/elsewhere
        cat >MODULE.bazel <<END
module(name = "elsewhere")
bazel_dep(name = "builder_contracts")
local_path_override(module_name = "builder_contracts", path = "/tmp/project")
END
        cat >BUILD.bazel <<END
load("@builder_contracts//:contracts.bzl", "contracts_test")
contracts_test(name = "mine", srcs = ["mine.yaml"])
END
        cat >mine.yaml <<END
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: mine, summary: A runner of my own, owner: me}
labels: [mine]
image: {reference: mine}
toolchain: {xz: present, gzip: {version: "=>1"}}
END
        bazel --bazelrc=/tmp/project/.bazelrc test $modules //:mine
        """
    )
    assert answer.status == 3, output_of(answer)
    assert "mine.yaml:6: '=>1' is not a version range" in output_of(answer)


def test_the_bazel_module_has_the_packages_name_and_version() -> None:
    text = (ROOT / "MODULE.bazel").read_text("utf-8")
    declared = dict(re.findall(r'^    (name|version) = "([^"]+)"', text, re.MULTILINE))
    assert declared == {"name": "builder_contracts", "version": __version__}
