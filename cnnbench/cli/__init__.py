"""Command line: one subcommand per file, imported when it is called."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from cnnbench import __version__
from cnnbench.environment import variables
from cnnbench.errors import CnnbenchError, UserError, explained
from cnnbench.plugins import Registry
from cnnbench.text import printable_lines

EXIT_FINE, EXIT_FAILED, EXIT_USER, EXIT_INTERRUPTED = 0, 1, 2, 130
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Few collections of garbage: they go over all objects that TensorFlow's import makes, again and
# again while it makes them, and take a sixth of the time of `inspect`.
_GARBAGE = (100_000, 20, 20)

_OWN = "models inspect forecast run report choose compare history merge predict export show doctor"

COMMANDS: Registry[click.Command] = Registry(
    "cnnbench.commands",
    "command",
    {name: f"cnnbench.cli.{name}:command" for name in _OWN.split()},
)


class _Subcommands(click.Group):
    """Group that imports a subcommand when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        return COMMANDS.find(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands with the whole first sentence of each, wrapped."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._first_sentence(name)) for name in COMMANDS])

    def _first_sentence(self, name: str) -> str:
        """Return the first sentence of a subcommand's help, or why it cannot be loaded."""
        try:
            return COMMANDS[name].get_short_help_str(limit=1000)
        except UserError as error:  # another package's: the others still work
            return error.one_line()


@click.command(cls=_Subcommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cnnbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Measure convolutional networks on your machine, in your runtime, and choose one."""


def main() -> NoReturn:
    """Run the command line; every error is one line on stderr and an exit code."""
    gc.set_threshold(*_GARBAGE)
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _escape_unprintable()
    variables.override(os.environ)
    try:
        code = group.main(arguments or ["--help"], prog_name="cnnbench", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # `cnnbench report RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FINE
    except BaseException as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # already ending
        if debug and not isinstance(error, SystemExit):
            traceback.print_exc()
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else EXIT_FINE)


def _escape_unprintable() -> None:
    """Escape characters that stdout cannot encode; discard output if there is no stdout."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _explain(error: BaseException) -> int:
    """Print one line about an error; return the exit code."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else EXIT_FAILED
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            click.echo("interrupted", err=True)
            return EXIT_INTERRUPTED
        case click.ClickException():
            _print_error(error.format_message())
            if isinstance(error, click.UsageError):
                command = error.ctx.command_path if error.ctx else "cnnbench"
                click.echo(f"see '{command} --help'", err=True)
            return EXIT_USER
        case UserError():
            for line in error.one_line().split("\n"):
                _print_error(line)
            return EXIT_USER
        case CnnbenchError():
            _print_error(str(error))
            return EXIT_FAILED
        case OSError() if error.errno in _NO_ROOM:
            _print_error(f"the output cannot be written: {error.strerror}")
            return EXIT_FAILED
        case MemoryError():
            _print_error("out of memory")
            return EXIT_FAILED
        case _:
            _print_error(f"internal error: {explained(error)}")
            click.echo("please report it, with the traceback that --debug shows", err=True)
            return EXIT_FAILED


def _print_error(message: str) -> None:
    """Print to stderr, with control characters escaped: a message may quote any file."""
    click.echo(f"cnnbench: {printable_lines(message)}", err=True)
