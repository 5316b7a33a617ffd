"""Text files of the MOTChallenge (arXiv:1504.01942): one box a line.

``frame, id, left, top, width, height, score, ...`` in px, frames and ids from 1. In detections the
id is -1; in true objects the score is 0 for those that do not count. Further columns (class,
visibility, or a place in the world) are not read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnbench import files
from cnnbench.errors import UserError, shown
from cnnbench.tasks.tracking.tracker import Detections, Tracks

_COLUMNS = ("frame", "id", "left", "top", "width", "height", "score")
_WHOLE = ("frame", "id")
_MOST_FRAMES = 1_000_000
_LINE = len(_COLUMNS)  # the column with the number of the line
_UNKNOWN = -1.0  # a score or an id that is not given


def read_tracks(path: Path | str, frames: int = 0) -> list[Tracks]:
    """Return the tracks, or the true objects, of each frame; boxes in px.

    True objects that do not count (score 0) are left out. A score of -1 is unknown, and read as 1.

    Args:
        path: the file.
        frames: the least number of frames to return; by default up to the last in the file.

    Raises:
        UserError: the file cannot be read, or a line of it is wrong (it is named).
    """
    rows = _read(Path(path))
    rows = rows[rows[:, 6] != 0]
    found = []
    for one in _by_frame(rows, frames):
        ids = one[:, 1].astype(np.int64)
        order = np.argsort(ids, kind="stable")
        ids, one = ids[order], one[order]
        if (ids < 0).any():
            raise UserError("a box without an id", f"{path}, line {one[0, _LINE]:.0f}")
        again = one[1:][ids[1:] == ids[:-1]]
        if len(again):
            what = f"frame {again[0, 0]:.0f} has the id {again[0, 1]:.0f} twice"
            raise UserError(what, f"{path}, line {again[0, _LINE]:.0f}")
        found.append(Tracks(ids, _corners(one), _scores(one)))
    return found


def read_detections(path: Path | str, frames: int = 0) -> list[Detections]:
    """Return the detections of each frame; boxes in px. Ids are not read.

    The arguments and errors are those of `read_tracks`.
    """
    rows = _read(Path(path))
    return [Detections(_corners(one), _scores(one)) for one in _by_frame(rows, frames)]


def write_tracks(path: Path | str, tracks: Sequence[Tracks]) -> None:
    """Write the tracks of each frame, with boxes in px, as a file that `read_tracks` reads."""
    lines = []
    for frame, one in enumerate(tracks, 1):
        for number, (top, left, bottom, right), score in zip(
            one.ids.tolist(), one.boxes.tolist(), one.scores.tolist(), strict=True
        ):
            sizes = (left, top, right - left, bottom - top, score)
            lines.append(",".join([f"{frame}", f"{number}", *(f"{x:.6g}" for x in sizes)]))
    files.replace_text(Path(path), "".join(f"{line},-1,-1,-1\n" for line in lines))


def _read(path: Path) -> np.ndarray:
    """Return the first seven columns of all lines and their numbers, ``(n, 8)``.

    A missing score is unknown.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read: {error}", str(path)) from None
    rows = [
        [*_row(line, f"{path}, line {number}"), float(number)]
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    return np.array(rows, np.float64).reshape(-1, len(_COLUMNS) + 1)


def _row(line: str, where: str) -> list[float]:
    cells = line.split(",")[: len(_COLUMNS)]
    if len(cells) < len(_COLUMNS) - 1:
        hint = ",".join(_COLUMNS)
        raise UserError("a line needs at least six numbers between commas", where, hint)
    values = []
    for name, cell in zip(_COLUMNS, cells, strict=False):
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (name in _WHOLE and not value.is_integer()):
            kind = "whole number" if name in _WHOLE else "number"
            raise UserError(f"{name} {shown(cell.strip())} is not a {kind}", where)
        values.append(value)
    frame, width, height = values[0], values[4], values[5]
    if not 1 <= frame <= _MOST_FRAMES:
        raise UserError(f"frame {frame:.0f} is not between 1 and {_MOST_FRAMES:,}", where)
    if width < 0 or height < 0:
        raise UserError("a box with a negative width or height", where)
    return values if len(values) == len(_COLUMNS) else [*values, _UNKNOWN]


def _by_frame(rows: np.ndarray, least: int) -> list[np.ndarray]:
    """Return the rows of each frame, from the first on, in the order of the file."""
    count = max(least, int(rows[:, 0].max(initial=0)))
    order = np.argsort(rows[:, 0], kind="stable")
    rows = rows[order]
    ends = np.searchsorted(rows[:, 0], np.arange(1, count + 1), side="right")
    return np.split(rows, ends[:-1]) if count else []


def _corners(rows: np.ndarray) -> np.ndarray:
    """Return top, left, bottom, right."""
    left, top, width, height = rows[:, 2:6].T
    return np.stack([top, left, top + height, left + width], axis=1)


def _scores(rows: np.ndarray) -> np.ndarray:
    return np.where(rows[:, 6] == _UNKNOWN, 1.0, rows[:, 6])
