"""Options and output that several subcommands share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cnnbench.errors import UserError
from cnnbench.files import DATA_DIR, data_folder

STDOUT = "-"
_WIDTH_WITHOUT_TERMINAL = 160

F = TypeVar("F", bound=Callable[..., Any])


def data_dir(content: str) -> Callable[[F], F]:
    """Return the option ``--data-dir`` (or ``CNNBENCH_DATA``); ``content`` describes the folder.

    The command gets an existing folder, resolved, or None.
    """
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        callback=lambda context, parameter, path: data_folder(path, "--data-dir"),
        help=f"Folder with {content}  [env: {DATA_DIR}]",
    )


def write(content: str | bytes, name: str) -> None:
    """Write ``content`` to the file ``name``, or to stdout for ``-``.

    Raises:
        UserError: it cannot be written.
    """
    if name == STDOUT:
        click.echo(content, nl=False)
        return
    try:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", name) from error


def width() -> int:
    """Return the width of tables: ``COLUMNS``, the terminal's, or 160 if there is none."""
    return shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns
