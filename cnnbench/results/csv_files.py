"""Tables as CSV: the same bytes everywhere, read back unchanged, safe to open in a spreadsheet.

Only this module spreads a measurement over cells, and puts it together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from cnnbench.errors import UserError, brief
from cnnbench.metrics import COMPANIONS, METRICS, QUALITY, column, of_number, split
from cnnbench.probes.accuracy.training_config import IMAGENET, images_in_label
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.record import SCHEMA_VERSION
from cnnbench.results import machines
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.verdict import Verdict
from cnnbench.text import FORMULA, neutral
from cnnbench.units import number, written

_BETWEEN = ";"  # samples of one cell
_TEXTS = ("_verdict", "_status", "_samples", "_ranking")
_NAMES = ("model", "variant", "input_shape", "environment")


def to_csv(frame: pd.DataFrame) -> str:
    """Return CSV, with the same bytes on every processor and no text that a spreadsheet runs.

    Whole numbers are written whole, others with nine significant digits.
    """
    texts = [name for name in frame.columns if not is_numeric_dtype(frame[name])]
    numbers = [name for name in frame.columns if is_float_dtype(frame[name])]
    safe = frame.assign(
        **{name: _neutral_column(frame[name]) for name in texts},
        **{name: frame[name].map(written, na_action="ignore") for name in numbers},
    )
    safe.columns = [neutral(name) for name in safe.columns]
    return safe.to_csv(index=False, lineterminator="\n")


def read_csv(file: Path, text: str | None = None) -> pd.DataFrame:
    """Read a ``report.csv`` back, or ``text`` as if it stood in ``file``.

    Raises:
        UserError: not a report, or of a newer schema.
    """

    def source() -> Path | StringIO:
        return file if text is None else StringIO(text)

    # Not unpacked by its name's ending either: a few KB of gzip can hold any number of GB.
    try:
        names = pd.read_csv(source(), compression=None, nrows=0).columns
        # A blank cell is the only missing one: a model may be called "NA".
        texts = {name: str for name in names if _is_text(name)}
        frame = pd.read_csv(
            source(), compression=None, dtype=texts, keep_default_na=False, na_values=[""]
        )
    # pandas' parser errors are ValueErrors; a whole number of 400 digits overflows.
    except (OSError, ValueError, OverflowError) as error:
        why = brief(str(error).removeprefix("Error tokenizing data. C error: "))
        raise UserError(
            f"not a report: {why}", str(file), "a run's folder or its report.csv is expected"
        ) from None
    frame.columns = [_plain(name) for name in frame.columns]
    missing = [name for name in ("model", "variant") if name not in frame.columns]
    if missing:
        raise UserError(f"not a report: no column '{missing[0]}'", str(file))
    if {"metric", "value"} <= set(frame.columns):
        raise UserError(
            "not a report, but a row per record and metric",
            str(file),
            "use report.csv from the same folder",
        )
    if frame["model"].isna().any():
        raise UserError("a row has no model", str(file))
    for name in frame.columns:
        _check_numbers(frame, name, file)
    if "schema_version" in frame.columns:
        newest = pd.to_numeric(frame["schema_version"], errors="coerce").max()
        if newest > SCHEMA_VERSION:
            raise UserError(
                f"schema version {newest:g}, newer than this cnnbench reads ({SCHEMA_VERSION})",
                str(file),
                "install a newer cnnbench",
            )
    for name in frame.columns:
        if frame[name].dtype == object or str(frame[name].dtype).startswith("str"):
            frame[name] = frame[name].map(_plain)
    return frame


def _check_numbers(frame: pd.DataFrame, name: str, file: Path) -> None:
    """Raise `UserError` for text in a column of numbers, which would be read as missing."""
    if of_number(name) is None and name != "schema_version":
        return
    is_number = frame[name].map(lambda cell: number(cell) is not None)
    wrong = frame[name].notna() & ~is_number
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        raise UserError(
            f"'{str(frame[name].iloc[place])[:40]}' is not a number",
            str(file),
            f"the column '{name}' of {frame['model'].iloc[place]}",
        )


def _is_text(name: str) -> bool:
    """Return whether a column is read as text whatever its cells look like.

    Left to guess, pandas takes the environment ``853876591e20`` for 8.5e28, and a single sample
    for a number.
    """
    return name in _NAMES or split(name)[0].endswith(_TEXTS)


def _neutral_column(column: pd.Series) -> pd.Series:
    """Apply `neutral` to every cell; a column of many rows has few different texts."""
    codes, texts = pd.factorize(column, use_na_sentinel=True)
    safe = np.array([*map(neutral, texts), None], dtype=object)  # the last is for what is missing
    return pd.Series(safe[codes], index=column.index, dtype=object)


def _plain(value: Any) -> Any:
    """Return the text that `neutral` was given."""
    if isinstance(value, str) and value.startswith("'") and FORMULA.match(value):
        return value[1:]
    return value


def cells(name: str, found: Measurement) -> Iterator[tuple[str, float | str | None]]:
    """Yield ``(column, cell)`` of a measurement: its value and its companions.

    A metric that depends on a setting has all companions once its status is known; others have only
    a verdict, and the status if the value is missing.
    """
    metric, label = split(name)
    depends = metric in METRICS and METRICS[metric].depends_on == "setting"
    yield name, found.value
    texts = {
        "_status": str(found.status) if depends or found.value is None else "",
        "_verdict": str(found.verdict),
        "_samples": _BETWEEN.join(map(written, found.samples)),
    }
    numbers = {"_ci_low": found.low, "_ci_high": found.high}
    is_whole = depends and found.status.is_known
    for ending, text in texts.items():
        if text or is_whole:
            yield column(metric + ending, label), text
    if found.ranking is not None:
        yield column(f"{metric}_ranking", label), found.ranking
    for ending, end in numbers.items():
        if is_whole or end is not None:
            yield column(metric + ending, label), end


def measurement(row: Mapping[str, Any], name: str) -> Measurement:
    """Return the measurement of column ``name`` from the cells of one row."""
    metric, label = split(name)

    def companion(ending: str) -> Any:
        return row.get(column(metric + ending, label))

    value = number(row.get(name))
    low, high = number(companion("_ci_low")), number(companion("_ci_high"))
    is_interval = value is not None and low is not None and high is not None and low <= high
    return Measurement(
        value=value,
        status=CellStatus.parse(words(companion("_status"))),
        low=low if is_interval else None,
        high=high if is_interval else None,
        verdict=Verdict.parse(words(companion("_verdict"))),
        samples=_numbers(companion("_samples")),
        ranking=words(companion("_ranking")) or None,
        images=images_in_label(metric, label),
    )


def axes_of(name: str) -> dict[str, str]:
    """Return the facts of a column's setting, as far as its label states them.

    Only this and `images_in_label` read a label: a journal has its settings as values, which
    `probes.settings.Setting.axes_for` gives. A hand-made label may state anything.
    """
    metric, label = split(name)
    parts = label.split("/")
    found = dict([("runtime", part) for part in parts if part in RUNTIMES][:1])
    if parts[-1].startswith(machines.PREFIX):
        found[machines.AXIS] = parts.pop()
    if metric in QUALITY and len(parts) > 1:
        given = (part.partition("=")[2] for part in parts if part.startswith("weights="))
        return {"recipe": parts[1], "weights": next(given, IMAGENET), **found}
    if METRICS[metric].family != "latency" or len(parts) < 2:
        return found
    inside = ("inside",) if parts[2:3] == ["nms"] else ()
    names = ("device", "runtime", *inside, "batch")
    found |= zip(names, parts, strict=False)
    rest = parts[len(names) :]
    return found | {"threads" if part[:1] == "t" else "dtype": part for part in rest}


def value_column(name: str) -> str:
    """Return the column of the value that ``name`` is, or is a companion of; '' for others."""
    base, label = split(name)
    owners = (base, *(base.removesuffix(end) for end in COMPANIONS if base.endswith(end)))
    return next((column(owner, label) for owner in owners if owner in METRICS), "")


def words(cell: Any) -> str:
    """Return the text of a cell; blank cells are NaN in pandas."""
    return cell if isinstance(cell, str) else ""


def _numbers(cell: Any) -> tuple[float, ...]:
    """``'0.1;0.2'`` -> ``(0.1, 0.2)``; a single sample may have been read as a number."""
    found = (number(part) for part in str(cell).split(_BETWEEN)) if cell is not None else ()
    return tuple(value for value in found if value is not None)
