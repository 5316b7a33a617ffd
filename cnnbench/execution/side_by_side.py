"""Measure a few models without a suite file: all with one probe, in interleaved rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnbench.execution import runner
from cnnbench.execution.executor import Executor
from cnnbench.execution.observer import Observer
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.record import Record
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.model_list import Catalogue
from cnnbench.suite.plan import Cell

_NAME = "timed"


class _Notifier(Observer):
    """Passes on what the run waits for, and its warnings."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify

    def waits(self, other: str) -> None:
        self._notify(f"waiting for {other}, which is measuring on this machine")

    def warns(self, message: str) -> None:
        self._notify(message)


def timed(
    models: Sequence[str],
    runtimes: Sequence[str],
    rounds: int,
    folder: Path,
    catalogue: Catalogue,
    search_path: tuple[Path, ...] = (),
    keras_2: bool = False,
    notify: Callable[[str], None] = lambda message: None,
    executor: Executor | None = None,
) -> tuple[Record, ...]:
    """Time ``models`` at batch 1 on the CPU, ``rounds`` fresh processes each, interleaved.

    Waits until no other run measures on this machine.

    Args:
        models: names as a suite has them, each once.
        runtimes: runtimes, as in a suite.
        rounds: processes per model and runtime.
        folder: an empty one for the run.
        catalogue: looks the models up.
        search_path: where modules and files are looked up.
        keras_2: build them with Keras 2.
        notify: takes a message when another run must end first, and warnings.
        executor: where the jobs run; by default on this machine.

    Raises:
        UserError: an unknown model or runtime.
    """
    rules = {"runtimes": list(runtimes), "min_rounds": rounds, "max_rounds": rounds}
    return measured(
        models,
        LatencySetting.probe,
        [rules],
        folder,
        catalogue,
        search_path,
        keras_2=keras_2,
        notify=notify,
        executor=executor,
    )


def measured(
    models: Sequence[str],
    probe: str,
    entries: Sequence[Mapping[str, Any]],
    folder: Path,
    catalogue: Catalogue,
    search_path: tuple[Path, ...] = (),
    *,
    includes: Callable[[Cell], bool] = lambda cell: True,
    keras_2: bool = False,
    data_dir: Path | None = None,
    notify: Callable[[str], None] = lambda message: None,
    executor: Executor | None = None,
) -> tuple[Record, ...]:
    """Run the entries of one probe, as a suite has them.

    Waits until no other run measures on this machine.

    Args:
        models: names as a suite has them, each once.
        probe: name of the probe.
        entries: its entries.
        folder: an empty one for the run.
        catalogue: looks the models up.
        search_path: where modules and files are looked up.
        includes: selects the cells that are measured; by default all.
        keras_2: build the models with Keras 2.
        data_dir: holds data sets and weights, or None.
        notify: takes a message when another run must end first, and warnings.
        executor: where the jobs run; by default on this machine.

    Raises:
        UserError: an unknown model, or a mistake in an entry.
    """
    data = {"name": _NAME, "models": list(models), "probes": {probe: [*map(dict, entries)]}}
    source = yaml_source.of_dictionary(data, _NAME)
    plan = planning.plan(suites.check(source, catalogue, search_path), data_dir)
    return runner.run(
        plan,
        [cell for cell in plan.cells if includes(cell)],
        folder,
        _Notifier(notify),
        executor=executor,
        wait=True,
        data_dir=data_dir,
        keras_2=keras_2,
    ).records
