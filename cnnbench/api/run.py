"""`run`: measure a suite from Python, as ``cnnbench run`` does."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from cnnbench import files
from cnnbench.api import live, runs
from cnnbench.api.runs import Run
from cnnbench.execution import executor as executors
from cnnbench.execution import runner
from cnnbench.execution.executor import LOCAL, Executor
from cnnbench.execution.observer import Observer
from cnnbench.execution.progress import Progress
from cnnbench.models import registry
from cnnbench.report import files as report_files
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from cnnbench.suite.plan import Plan
from cnnbench.suite.shards import Shard
from cnnbench.suite.suite import SuiteSource

OUT = Path("results")


def run(
    suite: SuiteSource,
    *,
    out: Path | str = OUT,
    only: Collection[str] = (),
    probes: Collection[str] = (),
    shard: str | None = None,
    data_dir: Path | str | None = None,
    fresh: bool = False,
    everything: bool = False,
    wait: bool = False,
    on: str | Executor = LOCAL,
    progress: bool | Observer = False,
) -> Run:
    """Measure what is missing of a suite, write its tables, and return the run.

    Call it again to resume: it continues the newest run of the same plan on the same machine, and
    measures nothing twice. A job that fails raises nothing: `Run.raw` has its record, and the
    report its status.

    Args:
        suite: a YAML file, the name of a suite that comes with cnnbench (``"smoke"``), YAML text,
            or a dictionary of the same form, whose ``models`` may be live Keras models too.
        out: where runs are kept.
        only: only these models of the suite; all by default.
        probes: only these probes of the suite; all by default.
        shard: only a part of these cells: ``"2/5"`` is the second of five parts.
        data_dir: folder with ``keras/``, ``tensorflow_datasets/`` and ``weights/``; by default
            ``CNNBENCH_DATA``.
        fresh: measure everything again, in a new run.
        everything: measure what the search for the answer to the suite's question would leave out.
        wait: wait until no other run holds this suite or measures on this machine.
        on: where jobs run: an executor, its name, or ``NAME://ADDRESS``.
        progress: show progress on stderr as the command line does (a line a minute where stderr
            is no terminal, as in a notebook), or tell an observer.

    Raises:
        UserError: a mistake in the suite or an argument; all mistakes of a suite at once.
        KeyboardInterrupt: everything recorded so far is kept.

    Example:
        >>> import cnnbench
        >>> suite = {"name": "first", "models": ["LeNet5"], "probes": {"static": {}}}
        >>> cnnbench.run(suite).report.loc[0, "macs"]
        416520
    """
    data_dir = files.data_folder(data_dir)
    executor = executors.find(on, "on") if isinstance(on, str) else on
    plan = planned(live.in_suite(suite, Path(out)), data_dir)
    cells = plan.part(only, probes)
    if shard is not None:
        cells = Shard.read(shard, "shard").part(cells)
    silent_or_shown = Progress() if progress else Observer()
    observer = progress if isinstance(progress, Observer) else silent_or_shown
    for note in plan.notes(cells):
        observer.remarks(note)
    try:
        done = measure(
            plan,
            cells,
            Path(out),
            observer,
            executor=executor,
            fresh=fresh,
            everything=everything,
            wait=wait,
            data_dir=data_dir,
        )
    finally:
        observer.close()
    return runs.load(done.folder)


def planned(suite: SuiteSource, data_dir: Path | None = None) -> Plan:
    """Return the plan of a suite.

    Raises:
        UserError: mistakes in the suite, all of them.
    """
    return planning.plan(suites.load(suite, registry), data_dir)


# `runner.run`, which then writes the tables of the run.
measure = partial(runner.run, finish=report_files.write)
