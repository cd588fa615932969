"""Promises about the runner image itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.platforms import are_same, normalize
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.quantities import byte_count, human_bytes


@dataclass(frozen=True)
class ImageReference:
    """The engine can start the image under this name."""

    reference: str

    @property
    def text(self) -> str:
        return f"image {self.reference} exists and a container starts from it"


@dataclass(frozen=True)
class ImagePlatform:
    """The image is for this operating system and architecture.

    ``others`` are the platforms for which there is an image, too, in the place of the one that is looked at.
    """

    platform: str
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"image platform is {self.platform}"


@dataclass(frozen=True)
class ImageLabel:
    """The image carries a label, or does not; ``value`` None means any value."""

    key: str
    value: str | None
    present: bool = True

    @property
    def text(self) -> str:
        if not self.present:
            return f"no image label {self.key}"
        return f"image label {self.key}" + (f" = {self.value}" if self.value is not None else "")


@dataclass(frozen=True)
class ImageEntrypoint:
    """The image's ENTRYPOINT, word for word; empty for none."""

    arguments: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"entry point {list(self.arguments)}" if self.arguments else "image has no entry point"


@dataclass(frozen=True)
class ImageSize:
    """The image occupies at most this many bytes in the engine."""

    most: int

    @property
    def text(self) -> str:
        return f"image size is at most {human_bytes(self.most)}"


@dataclass(frozen=True)
class ImageSetting:
    """An instruction of the Dockerfile as the image has it: CMD, VOLUME, EXPOSE, WORKDIR, USER or STOPSIGNAL.

    ``values`` is empty for an instruction that must not be there.
    """

    instruction: str
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        if not self.values:
            return f"image has no {self.instruction}"
        return f"image has {self.instruction} {' '.join(self.values)}"


@dataclass(frozen=True)
class ImageHealthcheck:
    """The image declares a health check whose command succeeds, or none at all."""

    declared: bool

    @property
    def text(self) -> str:
        return (
            "image has a HEALTHCHECK whose command succeeds" if self.declared else "image has no HEALTHCHECK"
        )


ImagePromise = (
    ImageReference
    | ImagePlatform
    | ImageLabel
    | ImageEntrypoint
    | ImageSize
    | ImageSetting
    | ImageHealthcheck
)


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[ImagePromise]]:
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "reference":
                yield NamedPromise(field, ImageReference(value), where)
            case "platform":
                several = section.get("platforms", [value])
                others = tuple(other for other in several if not are_same(value, other))
                if len(others) == len(several):
                    raise PromiseError(
                        where,
                        f"platform {value} is not one of the platforms",
                        "add it there, or remove one of the two fields",
                        against=(*at, "platforms"),
                    )
                yield NamedPromise(field, ImagePlatform(value, others), where)
            case "platforms":
                for index, platform in enumerate(value):
                    others = tuple(other for other in value if other != platform)
                    if any(are_same(platform, other) for other in others):
                        message = f"{platform} is the same platform as another item"
                        raise PromiseError((*where, index), message, "remove one of them")
                    name = f"platform/{normalize(platform)}"
                    yield NamedPromise(name, ImagePlatform(platform, others), (*where, index))
            case "labels":
                for key, text in value.items():
                    any_value = text in ("present", "absent")
                    label = ImageLabel(key, None if any_value else text, present=text != "absent")
                    yield NamedPromise(f"label/{key}", label, (*where, key))
            case "entrypoint":
                yield NamedPromise(field, ImageEntrypoint(tuple(value)), where)
            case "cmd":
                yield NamedPromise(field, ImageSetting("CMD", tuple(value)), where)
            case "volumes":
                yield NamedPromise(field, ImageSetting("VOLUME", tuple(sorted(value))), where)
            case "exposed":
                yield NamedPromise(field, ImageSetting("EXPOSE", tuple(sorted(value))), where)
            case "workdir":
                yield NamedPromise(field, ImageSetting("WORKDIR", (value,)), where)
            case "user":
                yield NamedPromise(field, ImageSetting("USER", (value,)), where)
            case "stop_signal":
                yield NamedPromise("stop-signal", ImageSetting("STOPSIGNAL", (value,)), where)
            case "healthcheck":
                yield NamedPromise(field, ImageHealthcheck(value == "succeeds"), where)
            case "max_size":
                most = byte_count(value)
                if most == 0:
                    raise PromiseError(where, "max_size: 0 can never be met", "set a size above 0")
                yield NamedPromise("size", ImageSize(most), where)
            case _:
                raise NotImplementedError(f"image.{field} is in the schema and has no promise")
