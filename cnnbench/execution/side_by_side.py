"""A few networks timed against each other in interleaved rounds, outside any suite's file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cnnbench.execution import runner
from cnnbench.record import Record
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.suite import Catalogue


def timed(
    models: Sequence[str],
    runtimes: Sequence[str],
    rounds: int,
    folder: Path,
    catalogue: Catalogue,
    search_path: tuple[Path, ...] = (),
    keras_2: bool = False,
    observer: runner.Observer | None = None,
) -> tuple[Record, ...]:
    """Time ``models`` at batch 1 on the CPU, ``rounds`` fresh processes each, in turns.

    Waits until nobody else measures on this machine.

    Args:
        models: as a suite would write them.
        runtimes: call paths, as in a suite.
        rounds: processes a model and runtime.
        folder: an empty one for the run.
        catalogue: looks the models up.
        search_path: where modules and files are looked up.
        keras_2: build them with Keras 2.
        observer: told whom it waits for and what distorts the times.

    Raises:
        UserError: an unknown model or runtime.
    """
    latency = {"runtimes": list(runtimes), "min_rounds": rounds, "max_rounds": rounds}
    document = {"name": "timed", "models": list(models), "probes": {"latency": latency}}
    source = yaml_source.parse(json.dumps(document), "budget")
    plan = planning.plan(suites.check(source, catalogue, search_path))
    observer = observer or runner.Observer()
    return runner.run(plan, plan.cells, folder, observer, wait=True, keras_2=keras_2).records
