"""Journal of a run: ``records.jsonl``, append-only, flushed to disk record by record.

The first line names the schema, tool, plan and environment; every other line is a record.
A crash can only tear the last line, which is dropped when the journal is opened again.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cnnbench import safe_json
from cnnbench.errors import UserError, brief
from cnnbench.files import replace_text
from cnnbench.plugins import PROBES
from cnnbench.probes.probe import check
from cnnbench.record import SCHEMA_VERSION, Record

FILE_NAME = "records.jsonl"
RUN_NAME = "%Y%m%dT%H%M%SZ"  # of a run's folder: the time at which it was begun

# A worker's result is at most as long; a file of one endless line must not fill the memory.
_LONGEST_LINE = 64 * 2**20


@dataclass(frozen=True)
class Header:
    """The journal's first line."""

    plan: str
    environment: str
    cnnbench: str
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        return json.dumps(self.__dict__, separators=(",", ":"))


def runs(suite: Path) -> list[Path]:
    """Return the folders of a suite's runs, oldest first; those not named by time come before."""
    found = (path.parent for path in suite.glob(f"*/{FILE_NAME}"))
    return sorted(found, key=lambda folder: (time_of(folder) is not None, folder.name))


def time_of(folder: Path) -> datetime.datetime | None:
    """Return the start of a run from its folder's name; None if the name is not a time."""
    with contextlib.suppress(ValueError):
        time = datetime.datetime.strptime(folder.name, RUN_NAME)
        return time if time.year < datetime.MAXYEAR else None
    return None


class Journal:
    """A journal opened for appending; use it as a context manager."""

    def __init__(self, file: Path, header: Header) -> None:
        """Open ``file``, write the header where it is new, drop a torn last line where not."""
        self._file = file
        if not file.exists() or _cut_torn_line(file) == 0:
            replace_text(file, header.to_json() + "\n", sync=True)
        self.records = read(file)[1]
        self._by_key: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            self._by_key[record.key].append(record)
        self._stream = file.open("ab", buffering=0)

    def append(self, record: Record) -> None:
        """Write one record and return when it is on the disk."""
        self._write(record.to_json())
        self.records.append(record)
        self._by_key[record.key].append(record)

    def of(self, key: str) -> Sequence[Record]:
        """Return the records of ``key``, in the order of its attempts."""
        return self._by_key.get(key, ())

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, line: str) -> None:
        data = line.encode() + b"\n"
        start = os.fstat(self._stream.fileno()).st_size
        try:
            written = 0
            while written < len(data):
                written += self._stream.write(data[written:]) or 0
            os.fsync(self._stream.fileno())
        except OSError:
            # A full disk may have taken half a line: leave the file as it was before.
            os.ftruncate(self._stream.fileno(), start)
            raise


def read(file: Path) -> tuple[Header, list[Record]]:
    """Read a journal without touching it; a torn last line is ignored.

    Raises:
        UserError: not a journal, of a newer schema, or a line in its middle is damaged.
    """
    lines = _lines(file)
    header = _header(file, next(lines, (1, ""))[1])
    records: list[Record] = []
    for number, line in lines:
        try:
            record = Record.from_json(line)
            if record.probe not in PROBES:
                raise UserError(
                    f"no installed package provides the probe '{record.probe}' of this record",
                    f"{file}:{number}",
                    "install the package that provides it",
                )
            check(record)
            records.append(record)
        except ValueError as error:
            raise UserError(
                f"a damaged record: {brief(error)}",
                f"{file}:{number}",
                "install the plugin that it needs, or remove the line to use the rest",
            ) from None
    return header, records


def read_header(file: Path) -> Header:
    """Read only the first line of a journal."""
    return _header(file, next(_lines(file), (1, ""))[1])


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with file.open("rb") as stream:
            lines = iter(lambda: stream.readline(_LONGEST_LINE), b"")
            for number, line in enumerate(lines, start=1):
                if line.endswith(b"\n"):
                    yield number, line.decode("utf-8")
                elif len(line) == _LONGEST_LINE:
                    raise UserError("a line too long for a journal", f"{file}:{number}")
    except UnicodeDecodeError:
        raise UserError("not UTF-8 text, so not a journal", str(file)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(file)) from None


def _header(file: Path, line: str) -> Header:
    try:
        data = safe_json.loads(line)
        header = Header(
            plan=str(data["plan"]),
            environment=str(data["environment"]),
            cnnbench=str(data["cnnbench"]),
            schema_version=int(data["schema_version"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        raise UserError(
            "not a cnnbench journal: its first line is not a header", str(file)
        ) from None
    if header.schema_version > SCHEMA_VERSION:
        raise UserError(
            f"schema version {header.schema_version}, newer than this cnnbench reads "
            f"({SCHEMA_VERSION})",
            str(file),
            f"written by cnnbench {header.cnnbench}: install that version or newer",
        )
    return header


def _cut_torn_line(file: Path) -> int:
    """Truncate ``file`` after its last newline; return the bytes that remain."""
    with file.open("r+b") as stream:
        size = end = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            stream.truncate(end)
            os.fsync(stream.fileno())
        return end
