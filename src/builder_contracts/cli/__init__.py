"""The command line: one module per command, loaded only when it is called."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import click

from builder_contracts import __version__
from builder_contracts.errors import BuilderContractsError, ExitCode
from builder_contracts.extras import name_missing_extra
from builder_contracts.run.exit_status import SHORT, interrupted_by
from builder_contracts.runner import interrupts


@dataclass(frozen=True)
class Listed:
    """A command of the list: its module and its first line of help, so that the list imports no command."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "check": Listed("check", "check", "Observe each class's runner and check every clause of its contract."),
    "dashboard": Listed("dashboard", "dashboard", "Show what broke, since when, on which class, and what changed."),
    "diff": Listed("facts", "diff", "Show what changed between two saved fact files."),
    "doctor": Listed("doctor", "doctor", "Report what this machine needs to check contracts, and how to install it."),
    "explain": Listed("explain", "explain", "Explain a clause: its promise, how it is judged, why it matters and how to fix it."),
    "facts": Listed("facts", "facts", "Observe a runner once and print all facts, with a contract or without one."),
    "history": Listed("history", "history", "Collect verdicts from many runs in one file for the dashboard."),
    "init": Listed("init", "init", "Write a first contract: what a runner provides today."),
    "lock": Listed("lock", "lock", "Lock the content of contracts from elsewhere, as it is now."),
    "mcp": Listed("mcp", "mcp", "Serve agents over the Model Context Protocol: list, explain, check, diff, select, judge, read the history."),
    "nightly": Listed("nightly", "nightly", "Steps that a scheduled CI job runs around the checks."),
    "schema": Listed("schema", "schema_command", "Print a JSON Schema (draft 2020-12) for editors and other tools."),
    "select": Listed("select", "select", "Pick the smallest class that fits a job, and say why the others do not."),
    "teeth": Listed("teeth", "teeth", "Change every promise until it is false, and see whether its clause goes red."),
    "truth": Listed("truth", "truth", "Check what a repository says, defaults to and deploys against its platform's contracts."),
    "validate": Listed("validate", "validate", "Check that contracts are well formed and no waiver has expired, without starting a runner."),
    "verify": Listed("verify", "verify", "Accept an image, or refuse it, on evidence that was given somewhere else."),
    "workflows": Listed("workflows", "workflows", "Check the workflows of a repository that uses the platform's runners."),
}  # fmt: skip

_JUDGES = {"check", "diff", "doctor", "select", "teeth", "truth", "verify", "workflows"}
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
        listed = COMMANDS[cmd_name]
        command: click.Command = getattr(
            importlib.import_module(f"{__name__}.{listed.module}"), listed.attribute
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            guess = next(iter(get_close_matches(args[0], COMMANDS, n=1)), None)
            fix = f"Did you mean '{guess}'?" if guess else f"Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {args[0]!r}. {fix}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in COMMANDS.items()])

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
    """Turn colors off if the user asks for it; otherwise the terminal decides."""
    return False if os.environ.get("NO_COLOR") else None


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"Exit codes: {'; '.join(f'{code.value} {meaning}' for code, meaning in SHORT.items())}. Shell completion: "
    'eval "$(_BUILDER_CONTRACTS_COMPLETE=bash_source builder-contracts)" (or zsh_source, fish_source).',
)
@click.version_option(__version__, prog_name="builder-contracts")
def group() -> None:
    """Check what a CI runner pool promises its jobs.

    A contract is a YAML file that states what a builder class provides. Start with
    'builder-contracts doctor', then run 'builder-contracts check contracts/'.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    # What a command imports stays until its end: looking through it for garbage finds none, not even at the end.
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)
    interrupts.end_in_order()
    if sys.stdout is None:
        click.echo("error: cannot write output: standard output is closed", err=True)
        sys.exit(ExitCode.CANNOT_RUN)
    try:
        with name_missing_extra():
            code = group.main(args=arguments, prog_name="builder-contracts", standalone_mode=False)
    except click.exceptions.Abort as abort:
        code = interrupted_by(abort.__cause__)
        click.echo(code.name.lower(), err=True)
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
        # A closed terminal takes no error either.
        with contextlib.suppress(OSError):
            click.echo(f"error: cannot write output: {error.strerror}", err=True)
        code = ExitCode.CANNOT_RUN
    interrupts.ended()
    sys.exit(int(code or 0))
