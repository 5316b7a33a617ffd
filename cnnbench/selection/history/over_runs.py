"""History of metrics over runs: a series per network, column and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cnnbench import metrics as names
from cnnbench.errors import UserError, nearest_or_all, plain
from cnnbench.metrics import METRICS, split
from cnnbench.row import Row
from cnnbench.selection.compare.changes import check_accepted
from cnnbench.selection.compare.thresholds import Thresholds
from cnnbench.selection.compare.verdicts import is_time
from cnnbench.selection.history.runs import DatedRun, differing, find_runs
from cnnbench.selection.history.series import Change, Point, Series, analysed
from cnnbench.statistics.estimates import MINIMUM_EFFECT


@dataclass(frozen=True)
class EnvironmentRuns:
    """An environment, or several that differ in accepted facts only.

    Attributes:
        ids: of the environments.
        runs: number of runs.
        differences: facts in which it differs from the first environment, in words.
    """

    ids: tuple[str, ...]
    runs: int
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class History:
    """Series over runs; ``print`` shows them as the command line does.

    Attributes:
        series: one per network, column and, for times, environment.
        environments: those of the runs, by the time of their first run.
        threshold, thresholds: the smallest differences that count, as in `compare`.
    """

    series: tuple[Series, ...]
    environments: tuple[EnvironmentRuns, ...]
    threshold: float
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        from cnnbench.selection.history.text import as_text

        return as_text(self).rstrip("\n")

    __repr__ = __str__

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes of all series."""
        return tuple(change for one in self.series for change in one.changes)

    def to_json(self) -> dict[str, Any]:
        """Return ``{threshold, environments, series: [{…, points, changes}]}``, plain values."""
        return {
            "threshold": self.threshold,
            "thresholds": dict(self.thresholds),
            "environments": [asdict(one) for one in self.environments],
            "series": [_json(one) for one in self.series],
        }


def history(
    results: Path | str | Sequence[Path | str],
    *,
    metrics: Sequence[str],
    models: Sequence[str] = (),
    threshold: str | float = MINIMUM_EFFECT,
    thresholds: Mapping[str, str | float] | None = None,
    accept: Sequence[str] = (),
) -> History:
    """Return metrics over all runs in folders, with the runs at which their level changed.

    Args:
        results: folders: of a run, of a suite, or of several suites.
        metrics: columns, or names that mean several, as in `compare`.
        models: only these networks, by model or by the name of their row; all by default.
        threshold, thresholds: the smallest differences that count, as in `compare`.
        accept: facts of the environment whose change does not begin another series of times.

    Raises:
        UserError: no run, or an unknown metric, network or fact.
    """
    folders = [results] if isinstance(results, Path | str) else list(results)
    runs = find_runs([Path(folder) for folder in folders])
    fingerprints = [run.fingerprint(row) for run in runs for row in run.run.measured]
    check_accepted(accept, fingerprints)
    columns = dict.fromkeys(name for run in runs for name in run.run.measured.numbers)
    chosen = list(dict.fromkeys(c for m in metrics for c in names.matching(m, columns, "--metric")))
    effects = Thresholds.read(threshold, thresholds, list(columns))
    rows = _wanted(runs, models)
    groups = _groups(rows, accept)
    series = [
        one
        for column in chosen
        for network in dict.fromkeys(_network(row) for _, row in rows)
        for one in _series_of(column, [two for two in rows if _network(two[1]) == network], groups)
    ]
    if not series:
        raise UserError("no run has a number of this metric", f"--metric {', '.join(metrics)}")
    found = analysed(series, [effects.of(one.metric) for one in series])
    return History(tuple(found), tuple(_environments(rows, groups)), effects.usual, effects.own)


def _wanted(runs: Sequence[DatedRun], models: Sequence[str]) -> list[tuple[DatedRun, Row]]:
    """Return the rows of the wanted networks, with their runs."""
    rows = [(run, row) for run in runs for row in run.run.measured]
    known = dict.fromkeys(name for _, row in rows for name in (row.name, row.model))
    for model in models:
        if plain(model) not in map(plain, known):
            raise UserError(
                f"no model '{model}' in these runs", "--model", nearest_or_all(model, known)
            )
    wanted = set(map(plain, models))
    return [
        (run, row)
        for run, row in rows
        if not wanted or wanted & {plain(row.name), plain(row.model)}
    ]


def _groups(rows: Sequence[tuple[DatedRun, Row]], accept: Sequence[str]) -> dict[str, int]:
    """Return the number of the group of each environment; a group may be compared.

    An environment joins the first group whose latest member differs in accepted facts only.
    """
    latest: list[Mapping[str, Any]] = []
    found: dict[str, int] = {}
    for run, row in rows:
        if row.environment in found:
            continue
        facts = run.fingerprint(row)
        same = (n for n, other in enumerate(latest) if not differing(other, facts, accept))
        number = next(same, len(latest))
        latest[number : number + 1] = [facts]
        found[row.environment] = number
    return found


def _network(row: Row) -> tuple[str, str, str, str]:
    return (row.model, row.variant, row.facts.get("input_shape", ""), row.facts.get("classes", ""))


def _series_of(
    column: str, rows: Sequence[tuple[DatedRun, Row]], groups: Mapping[str, int]
) -> list[Series]:
    """Return the series of one column of one network: of times one per group of environments."""
    is_apart = is_time(METRICS[split(column)[0]])
    found: dict[int, list[tuple[DatedRun, Row]]] = {}
    for run, row in rows:
        found.setdefault(groups[row.environment] if is_apart else 0, []).append((run, row))
    series = []
    for members in found.values():
        points = tuple(
            Point(run.name, run.date, row.environment, row.read(column))
            for run, row in members
            if row.read(column).value is not None
        )
        absent = tuple(
            f"{run.name}: {row.read(column).why_absent}"
            for run, row in members
            if row.read(column).has_failed
        )
        _, row = members[-1]
        ids = tuple(dict.fromkeys(point.environment for point in points))
        if points or absent:
            series.append(Series(row.name, *_network(row), column, ids, points, absent))
    return series


def _environments(
    rows: Sequence[tuple[DatedRun, Row]], groups: Mapping[str, int]
) -> list[EnvironmentRuns]:
    runs: dict[int, dict[str, None]] = {}
    facts: dict[int, Mapping[str, Any]] = {}
    for run, row in rows:
        number = groups[row.environment]
        runs.setdefault(number, {})[run.name] = None
        facts.setdefault(number, run.fingerprint(row))
    return [
        EnvironmentRuns(
            tuple(name for name, group in groups.items() if group == number),
            len(members),
            tuple(
                f"{name}: {words}" for name, words in differing(facts[0], facts[number], ()).items()
            ),
        )
        for number, members in sorted(runs.items())
    ]


def _json(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "model": series.model,
        "variant": series.variant,
        "input_shape": series.input_shape,
        "classes": series.classes,
        "metric": series.metric,
        "environments": list(series.environments),
        "points": [_point(point) for point in series.points],
        "absent": list(series.absent),
        "changes": [
            {
                **asdict(change),
                "date": change.date.isoformat(),
                "ratio_ci": list(change.ratio_ci) if change.ratio_ci else None,
            }
            for change in series.changes
        ],
    }


def _point(point: Point) -> dict[str, Any]:
    found = point.found
    return {
        "run": point.run,
        "date": point.date.isoformat(),
        "environment": point.environment,
        "value": found.value,
        "interval": [found.low, found.high] if found.has_interval else None,
        "corrected": point.corrected,
        "corrected_interval": None if point.low is None else [point.low, point.high],
        "level": point.level,
        "stands_out": point.stands_out,
        "verdict": str(found.verdict),
    }
