"""The application: its commands, and how every error reaches a user as one message and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cardarena.benchmarks.cli.output import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    Interrupted,
    complain,
)
from cardarena.simulator.errors import CardArenaError

app = typer.Typer(
    name="cardarena",
    help="A laboratory for bank-card marketing: a calibrated simulator, competing policies, an arena.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        import cardarena

        typer.echo(f"cardarena {cardarena.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """A laboratory for bank-card marketing: a calibrated simulator, competing policies, an arena."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Exit codes: 0 all well; 1 runs failed, or the machine did (disk full); 2 bad input; 130 interrupted.

    Args:
        arguments: the words after the program's name; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Wherever it stands on the line: who sees an error adds it at the end.
    debug = "--debug" in words
    if debug:
        words.remove("--debug")
    sys.exit(_run(words, debug))


def _run(words: list[str], debug: bool) -> int:
    from cardarena.benchmarks.cli import commands

    commands.register(app)
    try:
        code: Any = app(words, prog_name="cardarena", standalone_mode=False)
        if code == EXIT_INTERRUPTED:  # Typer says nothing about it
            complain("interrupted")
        return code if isinstance(code, int) else 0
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        if callable(show := getattr(error, "show", None)):  # Typer's own: usage errors
            show()
            return int(getattr(error, "exit_code", EXIT_BAD_INPUT))
        if debug:
            raise
        return _answer(error)


def _answer(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt | typer.Abort | Interrupted):
        complain(str(error) or "interrupted")
        return EXIT_INTERRUPTED
    if isinstance(error, CardArenaError):
        complain(str(error))
        return EXIT_BAD_INPUT
    if isinstance(error, BrokenPipeError):
        # The reader of our output left (`cardarena list ... | head`): nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        complain("; ".join([f"{error.strerror or error}{where}", *getattr(error, "__notes__", [])]))
        return EXIT_FAILED
    from cardarena.benchmarks.arena.worker import reason_of

    complain(f"unexpected {reason_of(error)}; --debug shows the traceback")
    return EXIT_FAILED
