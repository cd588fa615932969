"""Names of platforms: two that mean the same are one. Pure."""

from __future__ import annotations

_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}
# The variant that a name without one means: normalizeArch in database.go of github.com/containerd/platforms.
_USUAL = {"amd64": ("v1",), "arm64": ("v8", "8", "v8.0"), "386": ()}


def normalize(platform: str) -> str:
    """The usual name of a platform: ``linux/arm64`` for ``linux/arm64/v8`` and ``linux/aarch64``."""
    system, _, rest = platform.lower().partition("/")
    architecture, _, variant = rest.partition("/")
    architecture = _ARCHITECTURES.get(architecture, architecture)
    if architecture == "arm":
        variant = {"": "v7"}.get(variant, f"v{variant.removeprefix('v')}")
    if variant in _USUAL.get(architecture, ()):
        variant = ""
    return "/".join(filter(None, (system, architecture, variant)))


def are_same(first: str, second: str) -> bool:
    """Whether two names mean the same platform."""
    return normalize(first) == normalize(second)
