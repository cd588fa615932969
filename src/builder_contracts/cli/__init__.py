"""The command line: one module a command, loaded only when it is called."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence

import click

from builder_contracts import __version__
from builder_contracts.errors import BuilderContractsError, ExitCode
from builder_contracts.extras import name_missing_extra

# Command name to the module of this package and the command object in it.
COMMANDS = {
    "check": ("check", "check"),
    "dashboard": ("dashboard", "dashboard"),
    "diff": ("facts", "diff"),
    "doctor": ("doctor", "doctor"),
    "explain": ("explain", "explain"),
    "facts": ("facts", "facts"),
    "history": ("history", "history"),
    "nightly": ("nightly", "nightly"),
    "schema": ("schema", "schema_command"),
    "select": ("select", "select"),
    "truth": ("truth", "truth"),
    "validate": ("validate", "validate"),
    "workflows": ("workflows", "workflows"),
}

_JUDGES = {"check", "diff", "doctor", "select", "truth", "workflows"}
"""Commands whose exit code says what they found."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Why output cannot be written although somebody reads it."""


class _Lazy(click.Group):
    """A group that imports a command's module only when the command is used or helped with."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # the signature of click
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        # https://no-color.org: any value that is not empty.
        ctx.color = _colour()
        from builder_contracts.redaction import learn_variables

        # What this process is trusted with, such as the token of its CI job, is in no output either.
        learn_variables(os.environ)
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader, such as head(1), has seen enough; nothing more can be said to it. Left to click,
            # this would end with the code of a broken promise; who was cut short has not found all kept either.
            _say_no_more()
            cut = ctx.invoked_subcommand in _JUDGES
            raise click.exceptions.Exit(ExitCode.CANNOT_RUN if cut else ExitCode.KEPT) from None


def _say_no_more() -> None:
    """Also what is still buffered is not written: at its end Python would fail at it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _colour() -> bool | None:
    """No colour where the user wants none, otherwise as the terminal has it."""
    return False if os.environ.get("NO_COLOR") else None


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all kept; 1 something broken; 2 nothing broken, but something that could have been "
    "proven here was not; 3 bad input; 4 cannot run here (see doctor); 5 nothing selected; 130 interrupted. "
    'Completion: eval "$(_BUILDER_CONTRACTS_COMPLETE=bash_source builder-contracts)" (or zsh_source, fish_source).',
)
@click.version_option(__version__, prog_name="builder-contracts")
def group() -> None:
    """Check what the classes of a CI runner pool promise to their jobs.

    A contract is a YAML file that says what a builder class gives to jobs. Start with
    'builder-contracts doctor', then 'builder-contracts check contracts/'.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    # What a command imports stays until its end: looking through it for garbage again and again finds none.
    gc.set_threshold(100_000, 20, 20)
    try:
        with name_missing_extra():
            code = group.main(args=arguments, prog_name="builder-contracts", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except click.UsageError as error:
        error.show()
        code = ExitCode.BAD_INPUT
    except click.ClickException as error:
        error.show()
        code = ExitCode.BAD_INPUT
    except click.exceptions.Exit as done:
        code = done.exit_code
    except BuilderContractsError as error:
        click.echo(f"{click.style('error', fg='red')}: {error}", err=True, color=_colour())
        code = error.exit_code
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _say_no_more()
        click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        code = ExitCode.CANNOT_RUN
    sys.exit(int(code or 0))
