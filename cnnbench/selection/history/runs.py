"""Runs in folders, in the order of time, with the environment of each."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.environment import changed
from cnnbench.errors import UserError
from cnnbench.files import check_path
from cnnbench.results import journal
from cnnbench.results.tables import Run, load
from cnnbench.row import Row
from cnnbench.selection.compare.changes import is_below

_DEPTHS = ("", "*/", "*/*/")  # a run, the runs of a suite, the suites of a results folder


@dataclass(frozen=True)
class DatedRun:
    """A run and when it began.

    Attributes:
        name: the last two parts of its path: ``mobile/20260301T120000Z``.
        date: of its first record, UTC.
        run: its tables.
    """

    name: str
    date: datetime.datetime
    run: Run

    def fingerprint(self, row: Row) -> Mapping[str, Any]:
        """Return the facts of the environment in which a row was measured; empty if unknown."""
        facts = self.run.other_environments.get(row.environment, self.run.environment)
        found = facts.get("fingerprint", {})
        return found if isinstance(found, Mapping) else {}


def find_runs(folders: Sequence[Path]) -> list[DatedRun]:
    """Return the runs in ``folders``, oldest first: a run, a suite's or a whole results folder.

    Hidden folders are left out.

    Raises:
        UserError: a folder does not exist or has no run, or a journal cannot be read.
    """
    found: dict[Path, DatedRun] = {}
    for folder in folders:
        if not check_path(folder.is_dir):
            raise UserError(
                "no such folder", str(folder), "a folder of runs is expected, for example results"
            )
        journals = [
            file
            for depth in _DEPTHS
            for file in sorted(folder.glob(f"{depth}{journal.FILE_NAME}"))
            if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        ]
        if not journals:
            raise UserError(
                f"no run in it (no {journal.FILE_NAME})",
                str(folder),
                "the folder of a run, of a suite, or of several suites is expected",
            )
        for file in journals:
            place = file.parent.resolve()
            if place not in found:
                found[place] = _dated(file.parent, place)
    return sorted(found.values(), key=lambda run: (run.date, run.name))


def _dated(folder: Path, place: Path) -> DatedRun:
    run = load(folder)
    name = "/".join(place.parts[-2:]).lstrip("/")
    starts = [time for record in run.raw if (time := _time(record.started))]
    named = journal.time_of(place)
    if starts:
        return DatedRun(name, min(starts), run)
    if named is None:
        raise UserError(
            "when it was run is not known: neither its name nor a record has the time",
            str(folder),
            f"name the folder like {journal.RUN_NAME.replace('%', '')}, or leave it out",
        )
    return DatedRun(name, named.replace(tzinfo=datetime.UTC), run)


def _time(text: str) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
        return time.astimezone(datetime.UTC) if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        return None


def differing(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], accept: Sequence[str]
) -> dict[str, str]:
    """Return the facts that differ between two environments and are not accepted, in words."""
    if not (ours and theirs):
        return {} if ours == theirs else {"environment": "known -> unknown"}
    return {
        name: words
        for name, words in changed(ours, theirs).items()
        if not any(is_below(name, fact) for fact in accept)
    }
