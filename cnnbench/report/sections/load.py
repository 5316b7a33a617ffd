"""Networks under load: images a second offline, the highest rate of a server, several streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.metrics import METRICS, column
from cnnbench.probes.load.settings import LATENCIES, RATE, RATIO, LoadSetting
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record, model_title
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import show

_TITLE = "Under load"
_INTRODUCTION = (
    "Scenarios as in MLPerf Inference. Offline: images a second if all are there at once. Server: "
    "the highest rate of Poisson arrivals, of one image each, at which the percentile of the "
    "latency, counted from the arrival, stays within the bound. Multi-stream: latency of a query "
    "of an image for every stream. Each stream is a copy of the network in a thread of its own; "
    "the threads of the runtime are divided among them."
)
_OFFLINE, _MULTI_STREAM = "Offline", "Multi-stream"
_SETTING = ("Model", "Runtime", "Streams")

Cells = dict[str, dict[str, LoadSetting]]
"""Name of the row -> label -> setting of each of its cells."""


def section(run: Run) -> Section | None:
    """Return the section of a run; None where nothing was measured under load."""
    blocks = tuple(
        Block(title, _heads(title), rows)
        for title, cells in _by_scenario(run.raw).items()
        if (rows := tuple(_rows(run.measured, cells)))
    )
    if not blocks:
        return None
    return Section("load", "Load", _TITLE, _INTRODUCTION, blocks)


def _by_scenario(records: Sequence[Record]) -> dict[str, Cells]:
    """Return the cells of every table, by its title, in order."""
    found: dict[str, Cells] = {}
    for record in records:
        if record.probe != LoadSetting.probe:
            continue
        setting = setting_of(record)
        assert isinstance(setting, LoadSetting)
        of_title = found.setdefault(_title(setting), {})
        name = model_title(record.model, record.variant)
        of_title.setdefault(name, {})[setting.label()] = setting
    return found


def _title(setting: LoadSetting) -> str:
    if setting.scenario == "server":
        return f"Server, {setting.goal.replace('=', ' ≤ ')}"
    return _OFFLINE if setting.scenario == "offline" else _MULTI_STREAM


def _heads(title: str) -> tuple[str, ...]:
    if title == _OFFLINE:
        return (*_SETTING, "Images a call", "Images/s")
    if title == _MULTI_STREAM:
        return (*_SETTING, *(METRICS[name].title for name in LATENCIES))
    return (*_SETTING, "Highest rate", METRICS[RATIO].title)


def _rows(report: Report, cells: Cells) -> Iterator[tuple[str, ...]]:
    for row in report:
        for setting in cells.get(row.name, {}).values():
            yield (row.name, _runtime(setting), str(setting.streams), *_cells(row, setting))


def _runtime(setting: LoadSetting) -> str:
    return setting.runtime + ("" if setting.threads == "all" else f", t{setting.threads}")


def _cells(row: Row, setting: LoadSetting) -> Iterator[str]:
    """Yield the cells of a line behind the setting."""
    if setting.scenario == "multi_stream":
        for name in LATENCIES:
            found = _of(row, name, setting)
            yield _shown(found, "" if found.value is None else show(found.value, "s"))
        return
    if setting.scenario == "offline":
        yield str(setting.batch_size)
    rate = _of(row, RATE, setting)
    yield _shown(rate, rate.show("per_s"))
    if setting.scenario == "server":
        kept = _of(row, RATIO, setting).value
        yield "" if kept is None else show(kept, "fraction")


def _of(row: Row, metric: str, setting: LoadSetting) -> Measurement:
    return row.get(column(metric, setting.label()))


def _shown(found: Measurement, text: str) -> str:
    if found.value is None:
        return found.status.short if found.status.is_known else ""
    return text + " ?" * found.is_doubtful
