"""Time a few models against each other in interleaved rounds, without a suite file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from cnnbench.errors import UserError
from cnnbench.execution import runner
from cnnbench.execution.executor import Executor
from cnnbench.probes.latency.settings import LatencySetting, LatencySpec
from cnnbench.record import Record
from cnnbench.suite import plan as planning
from cnnbench.suite.suite import Catalogue, Limits, Suite
from cnnbench.suite.yaml_source import Source
from cnnbench.text import pydantic_message

_NAME = "timed"
_SOURCE = Source(_NAME, "# Planned without a suite file.\n", None, {}, frozenset())


class _Notifier(runner.Observer):
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
    try:
        spec = LatencySpec.model_validate(rules)
    except ValidationError as error:
        first = error.errors()[0]
        words = f"{first['input']!r}: {pydantic_message(first)}"
        raise UserError(words, str(first["loc"][0])) from None
    suite = Suite(
        name=_NAME,
        description="",
        models=tuple(catalogue.resolve(text, search_path) for text in models),
        probes=((LatencySetting.probe, spec),),
        limits=Limits(),
        source=_SOURCE,
        search_path=search_path,
    )
    plan = planning.plan(suite)
    return runner.run(
        plan,
        plan.cells,
        folder,
        _Notifier(notify),
        executor=executor,
        wait=True,
        keras_2=keras_2,
    ).records
