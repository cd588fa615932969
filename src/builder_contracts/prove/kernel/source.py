"""Fetch a kernel's source once, keep it in a volume, and copy it into runners."""

from __future__ import annotations

import contextlib
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import docker.errors

from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.job import StepFailed, format_completed
from builder_contracts.prove.kernel.progress import ProgressListener
from builder_contracts.prove.kernel.recipe import Pin, Recipe
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import remove_container

VOLUME = "builder-contracts-linux-source"
"""Keeps what was fetched, between runs: not a run's own, so no sweep removes it."""
BASE_IMAGE = "builder-contracts/base:sid"
FETCH_WITHIN = 300
"""Seconds for the package lists and 160 MB."""
_KEPT = "/kept"
TARBALL = "source.tar"
"""What a tarball is called in the runner, with its compression's suffix behind it."""


def deliver(
    bench: ContainerTestbed, recipe: Recipe, container: str, folder: str, owner: int, say: ProgressListener
) -> str:
    """Put the source into a runner's container; the path of its tarball there, or "" for an unpacked tree.

    A tree lands in ``folder``/tree and belongs to the user ``owner``. Raises Failed.
    """
    api: Any = bench.engine_client.api
    try:
        if isinstance(recipe.source, Pin):
            with _keeper(bench, recipe.source) as (keeper, fetch):
                kept = fetch(recipe, say)
                stream, _ = api.get_archive(keeper, kept)
                api.put_archive(container, folder, stream)
            return f"{folder}/{kept.rpartition('/')[2]}"
        with _archive(recipe.source, owner) as archive:
            api.put_archive(container, folder, archive)
    except engine.LOST as error:
        raise StepFailed("copying the kernel source into the runner", engine.reason(error)) from None
    return "" if recipe.source.is_dir() else f"{folder}/{TARBALL}{recipe.source.suffix}"


@contextlib.contextmanager
def _keeper(bench: ContainerTestbed, pin: Pin) -> Iterator[tuple[str, Any]]:
    """A container that holds the volume; the only one of a run with a way out, and no job runs in it."""
    api: Any = bench.engine_client.api
    try:
        created = api.create_container(
            BASE_IMAGE,
            ["sleep", "900"],
            name=bench.run.name("linux-source"),
            labels=bench.run.labels,
            volumes=[_KEPT],
            host_config=api.create_host_config(binds={VOLUME: {"bind": _KEPT, "mode": "rw"}}),
        )
    except docker.errors.ImageNotFound:
        raise StepFailed(
            "fetching the kernel source",
            f"image {BASE_IMAGE} is not in the engine: run script/base-image",
        ) from None

    def fetch(recipe: Recipe, say: ProgressListener) -> str:
        api.start(created["Id"])
        script = (recipe.folder / "steps" / "fetch.sh").read_text("utf-8")
        say(f"source: {pin.package} {pin.version}, fetched once and cached in volume {VOLUME}")
        line = ["sh", "-c", script, "fetch.sh", pin.package, pin.version, pin.sha256, pin.tarball, _KEPT]
        fetched = bench.ending.run(
            lambda: engine.execute(bench.engine_client, created["Id"], line, deadline=FETCH_WITHIN)
        )
        if fetched.status != 0:
            reason = format_completed(fetched)
            if fetched.status == 3:
                reason += (
                    "; pin the available version in canaries/linux-xr/kernel.yaml, or pass --linux-xr-source"
                )
            raise StepFailed("fetching the kernel source", reason)
        return fetched.stdout.decode().strip()

    try:
        yield created["Id"], fetch
    finally:
        remove_container(bench.engine_client, created["Id"])


@contextlib.contextmanager
def _archive(source: Path, owner: int) -> Iterator[IO[bytes]]:
    """A folder (as tree/) or a tarball of this machine as a tar stream, made while it is read."""
    read, write = os.pipe()

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if ".git" in Path(entry.name).parts:
            return None
        entry.uid = entry.gid = owner
        entry.mode |= 0o044 | (0o111 if entry.isdir() else 0)
        return entry

    def fill() -> None:
        # If the reader stops early, ignore the error, because the reader reports the cause.
        with (
            contextlib.suppress(OSError),
            os.fdopen(write, "wb") as sink,
            tarfile.open(fileobj=sink, mode="w|") as packed,
        ):
            name = "tree" if source.is_dir() else f"{TARBALL}{source.suffix}"
            packed.add(source, name, filter=owned)

    filler = threading.Thread(target=fill, daemon=True)
    filler.start()
    with os.fdopen(read, "rb") as stream:
        yield stream
    filler.join()
