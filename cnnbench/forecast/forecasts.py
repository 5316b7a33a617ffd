"""Forecasts of a results folder: fitted on its runs, kept in its cache, asked for a latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cnnbench import safe_json
from cnnbench.analysis.result import Addition, Inspection
from cnnbench.environment import fingerprint
from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.forecast import costs as cost_of
from cnnbench.forecast import evidence, fitting
from cnnbench.forecast.counts import FOLDER, Counts, Shape
from cnnbench.forecast.forecaster import Forecast, Prediction
from cnnbench.forecast.operations import of_graph
from cnnbench.models import registry
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.text import plural

_FILE = "fitted.json"
_MOST_BYTES = 2**24
_RESULTS = Path("results")


@dataclass(frozen=True)
class Forecasts:
    """Result of `fit`.

    Attributes:
        found: forecasts by call path, those with most networks first.
        too_few: call path -> why no forecast was made.
        notes: networks and runs that were left out, with the reason.
    """

    found: tuple[Forecast, ...]
    too_few: Mapping[str, str]
    notes: tuple[str, ...]


def fit(
    results: Path | str = _RESULTS,
    here: Mapping[str, Any] | None = None,
    counts: Counts | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Forecasts:
    """Fit a forecast for every call path with enough networks.

    Args:
        results: the results folder: runs, and the cache of counts.
        here: fingerprint of the machine; by default this one, and then the forecasts are kept in
            the results folder for `stored`.
        counts: operations of networks; by default those of ``results``.
        report: is told what is being done; counting a network takes seconds.

    Raises:
        UserError: no run is in the folder.
    """
    results, is_kept = Path(results), here is None
    here = fingerprint() if here is None else here
    counts = counts or Counts(results)
    known = evidence.gather(results, here)
    found, too_few, notes = [], {}, list(known.notes)
    for path in known.paths:
        count = len(path.networks)
        if count < fitting.FEWEST_NETWORKS:
            too_few[path.setting] = (
                f"{plural(count, 'network')}, {fitting.FEWEST_NETWORKS} are needed"
            )
            continue
        table, left_out = evidence.table(path.networks, counts, (Path.cwd(),), report)
        notes += left_out
        if not table.is_enough:
            families = plural(len(set(table.families)), "family", "families")
            too_few[path.setting] = (
                f"{plural(len(table.names), 'network')} of {families}, "
                f"{fitting.FEWEST_NETWORKS} of {fitting.FEWEST_FAMILIES} are needed"
            )
            continue
        found.append(Forecast.of_table(path.setting, path.runtime, table))
    found.sort(key=lambda one: -len(one.table.names))
    if is_kept:
        store(results, here, found)
    return Forecasts(tuple(found), too_few, tuple(dict.fromkeys(notes)))


def store(results: Path, here: Mapping[str, Any], found: Sequence[Forecast]) -> None:
    """Keep the forecasts of the machine ``here`` in a results folder.

    Raises:
        UserError: it cannot be written.
    """
    forecasts = [{"machine": evidence.machine(here, one.runtime), **one.to_json()} for one in found]
    facts = {"costs": list(cost_of.COSTS), "forecasts": forecasts}
    try:
        (results / FOLDER).mkdir(parents=True, exist_ok=True)
        replace_text(results / FOLDER / _FILE, safe_json.dumps(facts) + "\n")
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(results / FOLDER)) from None


def stored(results: Path | str = _RESULTS, here: Mapping[str, Any] | None = None) -> list[Forecast]:
    """Return the forecasts that `fit` kept for this machine; none if it was another, or damaged.

    Args:
        results: the results folder.
        here: fingerprint of the machine; by default this one, which is found only where forecasts
            are kept.
    """
    file = Path(results) / FOLDER / _FILE
    with suppress(OSError, ValueError, UserError):  # a runtime of a package that is gone
        if file.stat().st_size > _MOST_BYTES:
            return []
        facts = safe_json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(facts, dict) or facts.get("costs") != list(cost_of.COSTS):
            return []
        here = fingerprint() if here is None else here
        many = facts.get("forecasts")
        return [
            Forecast.from_json(one)
            for one in (many if isinstance(many, list) else [])
            if one.get("machine") == evidence.machine(here, str(one.get("runtime")))
        ]
    return []


def addition(found: Inspection, results: Path | str = _RESULTS) -> tuple[Addition, ...]:
    """Return the predicted latencies of a counted network for its inspection; none without a fit.

    Args:
        found: the inspection.
        results: the results folder, in which `fit` kept its forecasts.
    """
    forecasts = stored(results)
    if not forecasts:
        return ()
    operations = of_graph(found.graph)
    predicted = [one.predict(operations) for one in forecasts]
    facts = tuple((f"latency, {one.setting}", str(one)) for one in predicted)
    return (Addition("predicted", [one.to_json() for one in predicted], facts),)


def predict_latency(
    model: str,
    *,
    input_shape: Shape | None = None,
    runtime: str = "litert",
    device: Literal["cpu", "gpu"] = "cpu",
    threads: int | Literal["all"] = "all",
    batch_size: int = 1,
    results: Path | str = _RESULTS,
) -> Prediction:
    """Predict the latency of a network from those that were measured on this machine.

    Fits a forecast if none is kept in the results folder, which takes seconds per network.

    Args:
        model: a name as on the command line.
        input_shape: of one image; by default the model's own.
        runtime, device, threads, batch_size: the call path.
        results: the results folder.

    Raises:
        UserError: no such model, or too few networks were measured in this way on this machine.
    """
    setting = LatencySetting(
        runtime=runtime, device=device, threads=threads, batch_size=batch_size
    ).label()
    resolved = registry.resolve(model, (Path.cwd(),))
    found = next((one for one in stored(results) if one.setting == setting), None)
    if found is None:
        fitted = fit(results)
        found = next((one for one in fitted.found if one.setting == setting), None)
        if found is None:
            few = fitted.too_few.get(setting, "none was measured here")
            hint = f"measure more networks in {runtime} with `cnnbench run`"
            raise UserError(f"no forecast for {setting}: {few}", str(results), hint)
    shape = tuple(input_shape or resolved.input_shape)
    return found.predict(Counts(Path(results)).of(resolved, shape))
