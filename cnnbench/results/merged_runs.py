"""Several runs merged into one folder: records, environments and example pictures.

A run may come from anywhere: nothing is read through a link, or written outside the new folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cnnbench import __version__, files
from cnnbench.errors import UserError, all_of
from cnnbench.record import PREPARE, Record
from cnnbench.results import merge_sources, pictures, run_files, suite_order
from cnnbench.results.journal import FILE_NAME, Header
from cnnbench.results.merge_sources import Source
from cnnbench.text import plural

_PICTURES = "artifacts/examples"
_OF_SUITE = ("suite.yaml", run_files.ORDER, "question.json")
_MOST_BYTES = 64 * 2**20  # of all pictures
_MOST_SUITE_BYTES = 2**20
_OF_MACHINE = ("attempt", "started", "duration_s")  # fields that do not tell two results apart


@dataclass(frozen=True)
class Merged:
    """A folder of merged runs.

    Attributes:
        path: the folder.
        records: their number.
        pictures: the number of example pictures in it.
        notes: remarks on pictures that could not be copied.
    """

    path: Path
    records: int
    pictures: int
    notes: tuple[str, ...]


def merge_runs(runs: Sequence[Path], out: Path) -> Merged:
    """Write the records of several runs, and what belongs to them, into a new folder.

    A result that several runs have is taken once. Of ``artifacts/``, only the example pictures that
    the records name are copied, each once.

    Args:
        runs: folders of runs, or of suites, whose newest run is meant.
        out: the new folder; missing, or empty.

    Raises:
        UserError: no run there, ``out`` has content, or two runs contradict each other.
        OSError: ``out`` cannot be written.
    """
    if files.check_path(out.exists) and (not out.is_dir() or any(out.iterdir())):
        raise UserError("is not empty", str(out), "choose a new folder")
    sources = merge_sources.load(runs)
    of_suite = _of_suite(sources)
    found = _in_order(list(_united(sources)), sources[0].path)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        copier = _Copier(part)
        records = [copier.copied(source, record) for source, record in found]
        header = Header(_plan_of(sources), sources[0].environment, __version__)
        lines = [header.to_json(), *(record.to_json() for record in records)]
        files.replace_text(part / FILE_NAME, "".join(f"{line}\n" for line in lines), sync=True)
        for name, text in {**merge_sources.environment_files(sources), **of_suite}.items():
            files.replace_text(part / name, text)
        if out.exists():
            out.rmdir()
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Merged(out, len(records), len(copier.known), tuple(copier.notes()))


class _Copier:
    """Copies example pictures under the name of their content, so each is copied once."""

    def __init__(self, out: Path) -> None:
        self.known: set[str] = set()
        self._out, self._left = out, _MOST_BYTES
        self._reasons: list[str] = []

    def copied(self, source: Source, record: Record) -> Record:
        """Return a record with the new places of its pictures; one that is missing keeps its."""
        listed = record.details.get(pictures.FIELD)
        if not isinstance(listed, list):
            return record
        moved = [self._moved(source.path, one) for one in listed]
        return replace(record, details={**record.details, pictures.FIELD: moved})

    def notes(self) -> Iterator[str]:
        if self._reasons:
            words = plural(len(self._reasons), "example picture")
            yield f"{words} not copied; the first: {self._reasons[0]}"

    def _moved(self, folder: Path, listed: Any) -> Any:
        try:
            found = pictures.content(folder, listed, self._left)
        except ValueError as error:
            self._reasons.append(str(error))
            return listed
        name = hashlib.sha256(found).hexdigest()
        if name not in self.known:
            self.known.add(name)
            self._left -= len(found)
            file = self._out / _PICTURES / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(found)
        return {**listed, "file": f"{_PICTURES}/{name}.png"}


def _united(sources: Sequence[Source]) -> Iterator[tuple[Source, Record]]:
    """Yield the records of all runs, each result once, attempts numbered anew.

    Of what was prepared for the repeats in one environment by several runs, as for those on several
    devices, the first is taken: only its duration differs.

    Raises:
        UserError: two different results of one job in one environment.
    """
    seen: dict[tuple[str, str], list[tuple[Source, Record]]] = {}
    problems: list[UserError] = []
    for source in sources:
        for record in source.records:
            others = seen.setdefault((record.key, record.environment), [])
            if any(_result(record) == _result(other) for _, other in others):
                continue
            twin = next((of for of, other in others if other.status == record.status == "ok"), None)
            if twin is None:
                others.append((source, record))
            elif record.repeat != PREPARE:
                what = f"another result than {twin.path} of {record.title}, in the same environment"
                problems.append(UserError(what, str(source.path), "merge only one of them"))
    if problems:
        raise all_of(problems)
    attempts: Counter[str] = Counter()
    for records in seen.values():
        for source, record in records:
            attempts[record.key] += 1
            yield source, replace(record, attempt=attempts[record.key])


def _result(record: Record) -> Mapping[str, Any]:
    """Return what tells two results of a job apart; where pictures are does not."""
    found = {name: one for name, one in asdict(record).items() if name not in _OF_MACHINE}
    details = dict(found["details"])
    listed = details.get(pictures.FIELD)
    if isinstance(listed, list):
        hashes = [one.get("sha256") if isinstance(one, Mapping) else None for one in listed]
        details[pictures.FIELD] = hashes
    return {**found, "details": details}


def _in_order(found: list[tuple[Source, Record]], first: Path) -> list[tuple[Source, Record]]:
    """Return the records by model, probe and setting, as the suite of the ``first`` run has them.

    Merged shards have the rows and columns of the whole run then. Runs of earlier versions do not
    say how their suite is ordered, and their records stay as they are.
    """
    place = suite_order.place_of(first)
    return sorted(found, key=lambda one: place(one[1])) if place else found


def _plan_of(sources: Sequence[Source]) -> str:
    """Return the plan of all, or a hash of their different plans."""
    plans = sorted({source.plan for source in sources})
    return plans[0] if len(plans) == 1 else hashlib.sha256(json.dumps(plans).encode()).hexdigest()


def _of_suite(sources: Sequence[Source]) -> dict[str, str]:
    """Return the files that describe the suite, if all runs have the same suite."""
    found: list[dict[str, str]] = []
    for source in sources:
        texts = {}
        for name in _OF_SUITE:
            with contextlib.suppress(OSError, ValueError):
                texts[name] = run_files.read_text(source.path / name, _MOST_SUITE_BYTES)
        found.append(texts)
    return found[0] if all(texts == found[0] for texts in found) else {}
