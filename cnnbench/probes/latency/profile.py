"""Measured time by operation of a network in a runtime, beside its multiply-adds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from cnnbench.analysis.result import AddedTable, Addition
from cnnbench.errors import UserError
from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import Registry
from cnnbench.probes.latency import calibrated_model, inside
from cnnbench.probes.latency.runtimes import RUNTIMES, RuntimeInfo
from cnnbench.probes.latency.runtimes.executed import Profile, TimedOperation
from cnnbench.probes.latency.runtimes.tensorflow_device import show_gpu
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.text import plural
from cnnbench.units import show

SECONDS = 30.0
"""Time that is spent on calls, about; converting the network comes on top."""

_MOST_ROWS = 30


def check(runtime: str, runtimes: Registry[RuntimeInfo] = RUNTIMES) -> LatencySetting:
    """Return the setting in which a network is profiled: all cores, a batch of one, float32.

    Raises:
        UserError: no such runtime, or it does not tell the time of single operations.
        Unavailable: it is not installed.
    """
    setting = LatencySetting(runtime=runtime)
    info = runtimes.find(runtime)
    if not info.profiles:
        able = ", ".join(name for name in runtimes if runtimes.find(name).profiles)
        what = f"{runtime} does not tell the time of single operations"
        raise UserError(what, "--profile", f"these do: {able}")
    info.check(setting)
    return setting


def profile(
    model: ModelHandle,
    runtime: str,
    seconds: float = SECONDS,
    runtimes: Registry[RuntimeInfo] = RUNTIMES,
) -> Profile:
    """Convert a network, run it, and return the time of each operation of the converted file.

    Args:
        model: with a known input shape; its weights are random unless it comes with some.
        runtime: name of the runtime.
        seconds: to spend on calls, about.
        runtimes: registry of the runtimes.

    Raises:
        UserError, Unavailable: as `check`.
        JobFailed: it cannot be converted or run.
    """
    setting = check(runtime, runtimes)
    show_gpu(False)
    with tempfile.TemporaryDirectory() as folder, inside.refusing(setting):
        made = runtimes.find(runtime).create(model, setting, Path(folder))
        made.check()
        keras_model = calibrated_model.build(model)
        made.prepare(keras_model)
        images = calibrated_model.random_inputs(model, setting.batch_size, seed=2)
        return made.profile(images, seconds)


def addition(found: Profile, setting: LatencySetting) -> Addition:
    """Return a profile as tables and JSON of an inspection, heaviest first."""
    total = found.seconds or 1.0
    ordered = found.heaviest()
    notes = [found.method]
    if found.resolution_s:
        notes.append(f"Differences below {show(found.resolution_s, 's')} are noise.")
    if len(ordered) > _MOST_ROWS:
        rest = sum(one.seconds for one in ordered[_MOST_ROWS:])
        notes.append(
            f"{plural(len(ordered) - _MOST_ROWS, 'operation')} more take {show(rest, 's')} "
            f"({_percent(rest / total)})."
        )
    kinds = AddedTable(
        f"Measured time by kind of operation, {setting.label()}",
        ("kind", "operations", "time", "share", "MACs", "MACs/s"),
        tuple(
            (kind, str(count), *_times(seconds, total, macs))
            for kind, count, seconds, macs in found.by_kind()
        ),
        numbers=5,
        note=f"A whole call takes {show(found.seconds, 's')}. It was measured once, beside "
        "whatever else runs: a latency to rely on comes from `cnnbench run`.",
    )
    operations = AddedTable(
        "Measured time by operation, heaviest first",
        ("operation", "kind", "by", "time", "share", "MACs", "MACs/s"),
        tuple(
            (one.name, one.kind, one.part, *_times(one.seconds, total, one.macs))
            for one in ordered[:_MOST_ROWS]
        ),
        numbers=4,
        note=" ".join(notes),
    )
    return Addition("profile", _json(found, setting), (), (kinds, operations))


def _times(seconds: float, total: float, macs: int | None) -> tuple[str, str, str, str]:
    """Return time, share, MACs and MACs per second as text; blank where there are none."""
    rate = show(macs / seconds, "per_s") if macs and seconds > 0 else ""
    counted = f"{macs:,}" if macs else ""
    return show(seconds, "s"), _percent(seconds / total), counted, rate


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _json(found: Profile, setting: LatencySetting) -> dict[str, Any]:
    def of(one: TimedOperation) -> dict[str, Any]:
        facts = {"name": one.name, "type": one.kind, "by": one.part}
        return {**facts, "seconds": one.seconds, "macs": one.macs}

    return {
        "setting": setting.label(),
        "seconds": found.seconds,
        "resolution_s": found.resolution_s,
        "method": found.method,
        "operations": [of(one) for one in found.operations],
    }
