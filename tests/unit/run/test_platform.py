"""The option --platform: which image is looked at, and what its clauses then promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises.image import ImagePlatform
from builder_contracts.errors import InputError
from builder_contracts.run.inputs import with_contracts
from builder_contracts.run.options import CHECK, parse

TEXT = """apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: a class for a single test, owner: tests}
labels: [sample]
image: {reference: sample, platforms: [linux/amd64, linux/arm64]}
"""


def promised(folder: Path, platform: str) -> list[ImagePlatform]:
    path = folder / "sample.yaml"
    path.write_text(TEXT, "utf-8")
    options = parse(CHECK, {"platform": platform or None}, cwd=folder)
    (contract,) = with_contracts(options, [load(path)]).contracts
    return contract.promised(ImagePlatform)


def test_without_option_any_promised_platform_is_looked_at(tmp_path: Path) -> None:
    assert promised(tmp_path, "") == [
        ImagePlatform("linux/amd64", ("linux/arm64",)),
        ImagePlatform("linux/arm64", ("linux/amd64",)),
    ]


def test_asked_platform_has_no_substitute(tmp_path: Path) -> None:
    assert promised(tmp_path, "linux/arm64/v8") == [
        ImagePlatform("linux/amd64", ("linux/arm64",)),
        ImagePlatform("linux/arm64"),
    ]


@pytest.mark.parametrize(
    ("platform", "message"),
    [
        ("linux/s390x", "--platform linux/s390x: sample promises linux/amd64, linux/arm64"),
        ("arm64", "use OS/ARCH, for example linux/arm64"),
        ("linux/arm64;reboot", "use OS/ARCH"),
    ],
)
def test_platform_that_nobody_promises_is_refused(tmp_path: Path, platform: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        promised(tmp_path, platform)
