"""Links from a run's page to the files and logs of its networks, which lie beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from cnnbench.probes import artifacts
from cnnbench.probes.probe import setting_of
from cnnbench.record import FLOAT32, model_title
from cnnbench.results.run_files import log_words
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.units import show

Links = list[list[str]]
"""``[words, address]`` of each file."""

_MODEL_FILES = (".tflite", ".keras", ".onnx")
_MOST = 3  # of each kind: a card is no directory
_ATTEMPT = re.compile(r"-[0-9a-f]+-(?:\d+|prepare)-try\d+$")  # the end of a log's name


def links(run: Run, beside: Path | None) -> list[Links]:
    """Return the links of every row: files of the network, and logs of its newest jobs.

    Args:
        run: the run.
        beside: folder that the page is written to; without one there are no links.
    """
    rows = run.measured.rows
    if beside is None or not run.path.is_dir():
        return [[] for _ in rows]
    logs = _logs(run)
    found = []
    for row in rows:
        of_row = logs.get((row.model, row.variant), {}).items()
        files = [*list(_files(run, row))[:_MOST], *list(of_row)[-_MOST:]]
        found.append([[words, quote(os.path.relpath(file, beside))] for words, file in files])
    return found


def _files(run: Run, row: Row) -> Iterator[tuple[str, Path]]:
    """Yield the files of the row's variant, by their names."""
    of_model = run.path / "artifacts" / artifacts.words(row.model)
    variants = {one.variant for one in run.measured.rows if one.model == row.model}
    for file in sorted(of_model.rglob("*")):
        what = file.relative_to(of_model).parts[0]
        made_for = (v for v in variants if re.fullmatch(rf"{re.escape(v)}(-.*)?", what))
        if file.suffix in _MODEL_FILES and max(made_for, key=len, default=FLOAT32) == row.variant:
            yield f"{file.name}, {show(file.stat().st_size, 'bytes')}", file


def _logs(run: Run) -> dict[tuple[str, str], dict[str, Path]]:
    """Return the newest log of each probe, by model and variant. The folder is read once."""
    by_age = sorted((run.path / "logs").glob("*.log"), key=lambda file: file.stat().st_mtime)
    newest = {_ATTEMPT.sub("", file.stem): file for file in by_age}
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for record in run.raw if newest else ():
        title = model_title(record.model, record.variant)
        words = log_words(f"{title} {record.probe} {setting_of(record).label()}")
        if words in newest:
            of_network = found.setdefault((record.model, record.variant), {})
            of_network[f"log of {record.probe}"] = newest[words]
    return found
