"""Exceptions of a user's own code as errors of one line, with the line of the file."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from pathlib import Path

from cnnbench.errors import CnnbenchError, UserError, brief, explained
from cnnbench.models.source_files import INSTALLED

_MAIN_GUARD = 'put what the script does under `if __name__ == "__main__":`'


def of_import(error: BaseException, file: Path, folders: Sequence[Path]) -> UserError:
    """Return what went wrong while a file was imported.

    Args:
        error: what was raised.
        file: the file.
        folders: those from which it imports the user's own modules.
    """
    where = place(error, folders) or shown(file)
    if isinstance(error, SystemExit):
        return UserError(f"importing it calls {exit_call(error)}", where, _MAIN_GUARD)
    if isinstance(error, CnnbenchError):
        return UserError(f"importing it failed: {error}", where)
    words = explained(error)
    if isinstance(error, SyntaxError):
        words = f"not valid Python: {error.msg}"
    hint = ""
    if isinstance(error, ImportError) and "relative import" in str(error):
        hint = "add an __init__.py to its folder, or name it as package.module:builder"
    elif isinstance(error, ModuleNotFoundError):
        hint = f"install it, or run the command where '{error.name}' can be imported"
    elif (line := _own_line(error, folders)) is not None and ".fit(" in (line.line or ""):
        hint = _MAIN_GUARD
    return UserError(f"importing it failed: {words}", where, hint)


def place(error: BaseException, folders: Sequence[Path]) -> str:
    """Return ``file:line`` of the user's code that raised ``error``; empty if none did."""
    if isinstance(error, SyntaxError) and error.filename and _is_own(error.filename, folders):
        return f"{shown(Path(error.filename))}:{error.lineno}"
    line = _own_line(error, folders)
    return "" if line is None else f"{shown(Path(line.filename))}:{line.lineno}"


def shown(file: Path) -> str:
    """Return the path of a file, relative to the working directory if it is inside."""
    try:
        return os.fspath(file.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the working directory is gone
        return os.fspath(file)


def _own_line(error: BaseException, folders: Sequence[Path]) -> traceback.FrameSummary | None:
    """Return the innermost line of the user's code that raised ``error``, or None."""
    lines = reversed(traceback.extract_tb(error.__traceback__))
    return next((line for line in lines if _is_own(line.filename, folders)), None)


def _is_own(filename: str, folders: Sequence[Path]) -> bool:
    file = Path(filename)
    inside = [file.relative_to(each) for each in folders if file.is_relative_to(each)]
    return any(INSTALLED.isdisjoint(path.parts) for path in inside)


def exit_call(error: SystemExit) -> str:
    """Return the call that raised ``error``: ``exit(2)``."""
    return f"exit({'' if error.code is None else brief(str(error.code), 60)})"
