"""Latencies measured on one machine, by call path, from the runs in a results folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np

from cnnbench.errors import CnnbenchError, UserError
from cnnbench.forecast import costs as cost_of
from cnnbench.forecast.counts import Counts, Shape
from cnnbench.forecast.fitting import TrainingSet
from cnnbench.models import registry
from cnnbench.models.model import Model
from cnnbench.plugins import Registry
from cnnbench.probes.latency.runtimes import RUNTIMES, RuntimeInfo
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.summary import Rounds
from cnnbench.probes.probe import setting_of
from cnnbench.record import FLOAT32, PREPARE, Record
from cnnbench.results import journal, run_files

METRIC = "latency_location_s"
# Facts of a fingerprint that change a latency; the kernel, Python and the libraries that a runtime
# does not use change it little, and would leave few networks measured on one machine.
_FACTS = ("cpu", "cores", "threads", "cpu_quota_cores", "governor", "boost", "gpu", "timing")


@dataclass(frozen=True)
class Measured:
    """A network with the latency that was measured.

    Attributes:
        model: its name, as its records have it.
        shape: of one image.
        seconds: `METRIC`; of several runs their geometric mean.
    """

    model: str
    shape: Shape
    seconds: float


@dataclass(frozen=True)
class CallPath:
    """The networks measured in one call path on one machine.

    Attributes:
        setting: its label, ``cpu/litert/b1``.
        runtime: its runtime, ``litert``.
        networks: one per name and input shape.
    """

    setting: str
    runtime: str
    networks: tuple[Measured, ...]


@dataclass(frozen=True)
class Evidence:
    """Latencies that the runs in a results folder measured on one machine.

    Attributes:
        paths: the call paths, by label.
        notes: runs that could not be read.
    """

    paths: tuple[CallPath, ...]
    notes: tuple[str, ...] = ()


def machine(
    facts: Mapping[str, Any], runtime: str, runtimes: Registry[RuntimeInfo] = RUNTIMES
) -> dict[str, Any]:
    """Return those facts of a fingerprint that must agree: of the machine, and of a runtime.

    Raises:
        UserError: the runtime is not known here.
    """
    libraries = facts.get("libraries", {})
    packages = runtimes.find(runtime).packages
    return _facts(facts) | {name: libraries.get(name) for name in packages}


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts.get(name) for name in _FACTS}


def gather(
    results: Path, here: Mapping[str, Any], runtimes: Registry[RuntimeInfo] = RUNTIMES
) -> Evidence:
    """Return what the runs in a results folder measured on a machine.

    Args:
        results: holds runs as ``SUITE/TIME/records.jsonl``, or is a run's folder itself.
        here: fingerprint of the machine.
        runtimes: whose packages must agree.

    Raises:
        UserError: no run is in the folder.
    """
    found: dict[tuple[str, str], dict[tuple[str, Shape], list[float]]] = {}
    notes = []
    for folder in _runs(results):
        try:
            measured = list(_of_run(folder, here, runtimes))
        except CnnbenchError as error:  # the other runs still count
            notes.append(f"not read: {error}")
            continue
        for path, network, seconds in measured:
            found.setdefault(path, {}).setdefault(network, []).append(seconds)
    paths = tuple(
        CallPath(*path, tuple(Measured(*one, geometric_mean(s)) for one, s in networks.items()))
        for path, networks in sorted(found.items())
    )
    return Evidence(paths, tuple(notes))


def fingerprint_of(results: Path, environment: str) -> dict[str, Any]:
    """Return the fingerprint of the environment ``environment`` of a run in a results folder.

    Raises:
        UserError: no run has it.
    """
    known: dict[str, Any] = {}
    for folder in _runs(results):
        facts = run_files.environment(folder)
        known |= {str(facts.get("id", "")): facts, **run_files.other_environments(folder)}
    if environment not in known:
        hint = f"known are {', '.join(sorted(filter(None, known)))}"
        raise UserError(f"no run in {results} has this environment", environment, hint)
    found: dict[str, Any] = known[environment].get("fingerprint", {})
    return found


def _runs(results: Path) -> list[Path]:
    """Return the folders of all runs in a results folder, or the folder itself if it is a run's."""
    patterns = (journal.FILE_NAME, f"*/{journal.FILE_NAME}", f"*/*/{journal.FILE_NAME}")
    files = [file for pattern in patterns for file in sorted(results.glob(pattern))]
    if not files:
        hint = "a folder of runs, as `cnnbench run --out` has it, is expected"
        raise UserError("no run is in it", str(results), hint)
    return [file.parent for file in files]


def _of_run(
    folder: Path, here: Mapping[str, Any], runtimes: Registry[RuntimeInfo]
) -> Iterator[tuple[tuple[str, str], tuple[str, Shape], float]]:
    """Yield call path, network and seconds of every latency that was measured on the machine."""
    run = run_files.environment(folder)
    known = {str(run.get("id", "")): run, **run_files.other_environments(folder)}
    alike = {name: facts.get("fingerprint", {}) for name, facts in known.items()}
    alike = {name: facts for name, facts in alike.items() if _facts(facts) == _facts(here)}
    if not alike:
        return
    cells: dict[tuple[str, Shape, LatencySetting, str], list[Record]] = {}
    for record in journal.read(folder / journal.FILE_NAME)[1]:
        setting, is_round = setting_of(record), record.repeat != PREPARE
        is_plain = record.variant == FLOAT32 and record.environment in alike
        if isinstance(setting, LatencySetting) and is_plain and is_round and record.status == "ok":
            cell = (record.model, record.input_shape, setting, record.environment)
            cells.setdefault(cell, []).append(record)
    for (model, shape, setting, environment), records in cells.items():
        found = Rounds(records).estimates.get(METRIC)
        if found is None or setting.runtime not in runtimes:
            continue
        with contextlib.suppress(UserError):  # a runtime whose package cannot be loaded
            there = machine(alike[environment], setting.runtime, runtimes)
            if there == machine(here, setting.runtime, runtimes):
                yield (setting.label(), setting.runtime), (model, shape), found.value


def table(
    networks: Sequence[Measured],
    counts: Counts,
    search_path: Sequence[Path] = (),
    report: Callable[[str], None] = lambda message: None,
) -> tuple[TrainingSet, list[str]]:
    """Return the networks with their costs, and why others are left out.

    Args:
        networks: measured in one way.
        counts: their operations.
        search_path: folders in which models of a user are looked for.
        report: is told which network is being counted.
    """
    rows: list[tuple[Model, Measured, np.ndarray, int]] = []
    notes: list[str] = []
    for one in networks:
        try:
            model = registry.resolve(one.model, search_path)
            operations = counts.known(model, one.shape)
            if operations is None:
                report(f"counting {one.model}")
                operations = counts.of(model, one.shape)
        except CnnbenchError as error:
            notes.append(f"{one.model} is left out: {error}")
            continue
        rows.append((model, one, cost_of.costs(operations), cost_of.macs(operations)))
    made = TrainingSet(
        names=tuple(one.model for _, one, _, _ in rows),
        families=tuple(family(model) for model, *_ in rows),
        costs=np.array([costs for *_, costs, _ in rows]).reshape(len(rows), len(cost_of.COSTS)),
        macs=np.array([macs for *_, macs in rows], np.float64),
        seconds=np.array([one.seconds for _, one, _, _ in rows]),
    )
    return made, notes


def family(model: Model) -> str:
    """Return the family of a network, or of its backbone; a user's network is one of its own."""
    known = model.backbone or model
    entry = getattr(known, "entry", model.entry)
    return str(entry.name if entry.family == "user" else entry.family)
