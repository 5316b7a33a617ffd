"""Options and output that several subcommands share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from cnnbench.errors import UserError
from cnnbench.files import DATA_DIR, data_folder

STDOUT = "-"
_WIDTH_WITHOUT_TERMINAL = 160

F = TypeVar("F", bound=Callable[..., Any])

Thresholds = tuple[str | float, dict[str, str]]
"""The smallest relevant difference of all times and memory, and those of metrics by name."""


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


def results(kept: str) -> Callable[[F], F]:
    """Return the option ``--results``; ``kept`` names what its cache holds."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path),
        default=Path("results"),
        show_default=True,
        help=f"Folder of runs; {kept} are kept in its .cache.",
    )


def threshold(command: F) -> F:
    """Add the option ``--threshold``; the command gets `Thresholds`."""
    return click.option(
        "--threshold",
        multiple=True,
        metavar="[METRIC=]5%",
        callback=lambda context, parameter, given: _thresholds(given),
        help="Smallest relevant difference of METRIC, or of all times and memory.  [default: 5%]",
    )(command)


def accept(what: str) -> Callable[[F], F]:
    """Return the option ``--accept``; ``what`` begins its help, before "this fact"."""
    return click.option(
        "--accept",
        multiple=True,
        metavar="FACT",
        help=f"{what} this fact of the environment differs, such as kernel or libraries.keras; "
        "may be repeated.",
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


def _thresholds(given: Sequence[str]) -> Thresholds:
    """Return the last of ``5%`` and the others, ``metric=1%``, by metric.

    Raises:
        UserError: no metric before the ``=``, or no value after it.
    """
    from cnnbench.selection.choose.limits import read_option
    from cnnbench.statistics.estimates import MINIMUM_EFFECT

    general = [text for text in given if "=" not in text]
    own = dict(read_option(text, "--threshold") for text in given if "=" in text)
    return general[-1] if general else MINIMUM_EFFECT, own
