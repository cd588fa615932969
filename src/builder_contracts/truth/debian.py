"""Tools of contracts that a package of Debian or Ubuntu provides.

Source: the package index of Debian 12, with dependencies and recommendations (``apt-cache depends --recurse``). So the
table lists more than an installation contains, never less: if no installed package can provide a tool, the tool is
absent. A package that is not listed may provide anything.
"""

from __future__ import annotations

from builder_contracts.tools.catalog import KnownTool, catalog

# Packages and what they bring that is not named like them.
_DEPENDS = {
    "bazel-bootstrap": "bazel g++ gcc ld make perl python3 xz",
    "binutils": "ld",
    "build-essential": "g++ gcc ld make perl xz",
    "clang": "ld",
    "docker-ce": "dockerd",
    "docker-ce-cli": "docker",
    "docker-cli": "docker",
    "docker.io": "docker dockerd",
    "dwarves": "pahole",
    "g++": "g++ gcc ld",
    "gcc": "gcc ld",
    "git": "git perl",
    "nix-bin": "nix curl perl xz",
    "pkgconf": "pkg-config",
    "python3-pip": "python3",
    "python3-venv": "python3",
    "rpm": "rpmbuild perl",
    "xz-utils": "xz",
}
# Tools that their recommendations may provide too, followed recursively.
_MUCH = "cpio docker gcc g++ git ld make perl python3 xz"
_RECOMMENDS = {
    **dict.fromkeys("bazel-bootstrap build-essential clang cmake docker-ce docker-ce-cli docker-cli docker.io flex gnupg "
                    "nix-bin podman python3-pip python3-venv vim-tiny".split(), _MUCH),
    "cmake": "gcc ld make",
    "perl": "make",
    "python3": "xz",
}  # fmt: skip
_KNOWN = (
    "bash bc binutils bison bzip2 ca-certificates ccache cmake cpio curl file findutils flex gnupg gzip iproute2 jq kmod "
    "less libelf-dev libssl-dev locales make nano openssh-client patch perl pkg-config podman procps python3 rsync sudo "
    "tar tini tzdata unzip vim-tiny wget zip zstd"
)


def brings(package: str, *, recommended: bool) -> frozenset[str] | None:
    """The tools that installing a package may bring, its recommendations taken or not; None for an unknown one."""
    if package not in _DEPENDS and package not in _KNOWN.split():
        return None
    more = _RECOMMENDS.get(package, "") if recommended else ""
    return frozenset({package, *_DEPENDS.get(package, "").split(), *more.split()})


def owners(tool: str, package: str | None) -> frozenset[str]:
    """The packages that certainly hold a tool; ``package`` is what the contract names."""
    return frozenset(
        {
            tool,
            *catalog().get(tool, KnownTool(tool)).packages.get("debian", ()),
            *([package] if package else []),
        }
    )
