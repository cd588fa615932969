"""The extras of the package, and the message for a command whose extra is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from builder_contracts.errors import BuilderContractsError

# The modules that each extra of pyproject.toml brings, by their top-level names.
EXTRAS = {
    "truth": ("markdown_it", "pathspec", "tree_sitter", "tree_sitter_bash", "tree_sitter_hcl", "tree_sitter_nix"),
    "attest": ("cryptography",),
    "dashboard": ("jinja2", "markupsafe"),
    "mcp": ("anyio", "mcp", "pydantic", "starlette", "uvicorn"),
    "live": ("boto3", "google", "grpc"),
    "postgres": ("psycopg",),
}  # fmt: skip


class MissingExtraError(BuilderContractsError):
    """A command needs packages that only an extra of this package brings."""


@contextmanager
def name_missing_extra() -> Iterator[None]:
    """Turn a failed import of what an extra brings into the line that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        for extra, modules in EXTRAS.items():
            if module in modules:
                raise MissingExtraError(
                    f"this needs the Python package {module}: pip install 'builder-contracts[{extra}]'"
                ) from None
        raise
