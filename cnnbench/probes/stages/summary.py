"""Summary of the records of stages: every stage is estimated like a latency.

A record has the latency metrics of each stage under the stage's name (``postprocess_location_s``,
``postprocess_p50_s``). Tables show the time of each stage in a typical call, percentiles of the
end-to-end time, and how well the stages add up to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnnbench.probes.latency import summary as latency
from cnnbench.probes.probe import setting_of
from cnnbench.probes.stages.settings import SHARE, WHOLE, StagesSetting, shown_metric
from cnnbench.probes.summary import plain
from cnnbench.record import Record, are_words
from cnnbench.row import Row
from cnnbench.statistics import percentiles
from cnnbench.statistics.measurement import CellStatus, Measurement

TASK, NOTE, QUALITY = "stages_task", "stages_note", "stages_quality"
TEXTS = ("task", "pictures", "quality")
"""Text details of the part ``weights``."""
SAMPLES, _PREFIX, _SUFFIX = "latency_s", "latency_", "_s"
_TYPICAL = "latency_typical_s"
_SHARED = ("train_s", "output_max_abs_diff", SHARE)


def is_stage(found: Any) -> bool:
    """Return whether a detail of a record has the form of a stage's timing details."""
    return isinstance(found, Mapping) and all(
        are_words(found.get(name, [])) for name in ("flags", "disturbances")
    )


def named(stage: str, metric: str) -> str:
    """Return the name of a stage's latency metric in a record.

    ``latency_p50_s`` of the network is ``network_p50_s``.
    """
    return f"{stage}_{metric.removeprefix(_PREFIX)}"


def of_stage(record: Record, stage: str) -> Record:
    """Return the record of a single stage, in the form of a latency record."""
    own = record.details.get(stage) or {}
    beginning = f"{stage}_"
    metrics = {
        _latency_name(name.removeprefix(beginning)): value
        for name, value in record.metrics.items()
        if name.startswith(beginning)
    }
    samples = {SAMPLES: record.samples.get(f"{stage}{_SUFFIX}", [])}
    return replace(record, metrics=metrics, samples=samples, details={**record.details, **own})


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise every stage by its rounds."""
    found = {name: one for name, one in plain(records, status).items() if name in _SHARED}
    for stage in _stages(records):
        of_one = latency.summarise([of_stage(record, stage) for record in records], status)
        for name, shown in _shown(stage):
            if name in of_one:
                found[shown] = of_one[name]
    return found


def are_precise(records: Sequence[Record], precision: float) -> bool:
    """Return whether the times of all stages are within ``precision``."""
    return all(
        latency.are_precise([of_stage(record, stage) for record in records], precision)
        for stage in _stages(records)
    )


def columns(rows: Sequence[Row], records: Sequence[Sequence[Record]]) -> list[dict[str, str]]:
    """Return the task, a note on what was timed, and the quality, for each row with stages."""
    return [_words([r for r in of_row if r.probe == StagesSetting.probe]) for of_row in records]


def _words(records: Sequence[Record]) -> dict[str, str]:
    ok = [record for record in records if record.status == "ok"]
    made = [record for record in ok if _part(record) == "weights"]
    if not made:
        return {}
    facts = made[-1].details
    names = zip((TASK, NOTE, QUALITY), TEXTS, strict=True)
    return {column: facts[name] for column, name in names if name in facts}


def _part(record: Record) -> str:
    setting = setting_of(record)
    return setting.part if isinstance(setting, StagesSetting) else ""


def _stages(records: Sequence[Record]) -> Sequence[str]:
    """Return the stages of a cell; none of one that made the weights."""
    setting = setting_of(records[0])
    is_timed = isinstance(setting, StagesSetting) and setting.part == "time"
    return setting.stages if is_timed and isinstance(setting, StagesSetting) else ()


def _shown(stage: str) -> Iterator[tuple[str, str]]:
    """Yield the latency metrics that tables show of a stage, with their names there.

    Journals of versions that timed each stage in a loop of its own have only the median.
    """
    if stage != WHOLE:
        yield from ((name, shown_metric(stage)) for name in ("latency_p50_s", _TYPICAL))
        return
    for q in percentiles.CALLS_NEEDED:
        word = percentiles.word(q)
        yield f"latency_{word}_s", f"{stage}_{word}{_SUFFIX}"


def _latency_name(metric: str) -> str:
    is_of_calls = metric.split("_")[0] in ("location", "mean", "typical") or metric.startswith("p")
    return f"{_PREFIX}{metric}" if is_of_calls else metric
