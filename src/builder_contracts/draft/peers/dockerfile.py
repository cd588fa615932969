"""The last stage of a Dockerfile as promises about the image that it builds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.draft.peers.conversion import Converted, LeftOut
from builder_contracts.draft.proposals import Proposal
from builder_contracts.redaction import redact_variable
from builder_contracts.truth.installs import installs
from builder_contracts.truth.model import ImageBuild, Instruction, Model
from builder_contracts.truth.readers.dockerfile import argument_list, assignments, read_dockerfile
from builder_contracts.truth.value import Unknown

_FIELDS = {"USER": "user", "WORKDIR": "workdir", "STOPSIGNAL": "stop_signal"}
_LISTS = {"CMD": "cmd", "ENTRYPOINT": "entrypoint"}
_LEFT_OUT = {
    "ADD": "promise the path under 'filesystem'",
    "COPY": "promise the path under 'filesystem'",
    "EXPOSE": "'image.exposed' is complete, and the base image may expose more",
    "ONBUILD": "it is about images that are built from this one",
    "SHELL": "it is about later RUN instructions",
    "VOLUME": "'image.volumes' is complete, and the base image may declare more",
}


def convert(text: str, file: str) -> Iterator[Converted]:
    """What the last stage states of its image, and the instructions that state nothing that can be promised."""
    model = Model()
    read_dockerfile(text, file, model)
    for build in model.builds:
        yield from _variables(build)
        yield from _instructions(build)
        packages = installs(build)
        for package, at in packages.installed.items():
            yield Proposal(("packages", package), "present", f"RUN at line {at.line}")
        if packages.opaque:
            at, what = packages.opaque
            yield LeftOut(f"line {at.line}", f"the text does not state what {what} leaves: promise the tools")


def _variables(build: ImageBuild) -> Iterator[Converted]:
    for keyword, pointer in (("ENV", ("environment", "variables")), ("LABEL", ("image", "labels"))):
        for name, value in assignments(build, keyword).items():
            label = f"{keyword} {name}"
            if isinstance(value, Unknown):
                yield LeftOut(label, value.reason)
            elif redact_variable(name, str(value.data)) != value.data:
                yield LeftOut(label, "it looks like a secret: everybody who pulls the image reads it")
            else:
                stated = {"equals": value.data} if keyword == "ENV" else value.data
                yield Proposal((*pointer, name), stated, f"{label} at line {value.at.line}")


def _instructions(build: ImageBuild) -> Iterator[Converted]:
    # The last of a keyword decides.
    last: dict[str, Instruction] = {step.keyword: step for step in build.steps}
    for keyword, step in last.items():
        label = f"{keyword} at line {step.at.line}"
        if keyword in _LEFT_OUT:
            yield LeftOut(label, _LEFT_OUT[keyword])
        elif keyword in _FIELDS and "$" in step.words:
            yield LeftOut(label, "its variables have values only at build time")
        elif keyword == "WORKDIR" and not step.words.startswith("/"):
            yield LeftOut(label, "it is relative to an earlier one")
        elif keyword in _FIELDS:
            yield Proposal(("image", _FIELDS[keyword]), step.words, label)
        elif keyword in _LISTS:
            # A shell reads the other form.
            listed = argument_list(step) or ["/bin/sh", "-c", step.words]
            yield Proposal(("image", _LISTS[keyword]), listed, label)
        elif keyword == "HEALTHCHECK":
            state = "absent" if step.words.upper() == "NONE" else "succeeds"
            yield Proposal(("image", "healthcheck"), state, label)
