"""Stands in for TensorFlow in the fork server, so that a run takes a second and not ten.

First on ``PYTHONPATH`` it is what the server imports; it brings a light ``static`` and a light
``latency`` probe along. Everything else is the real thing: command line, planner, executor, fork
server, workers, journal, tables. The numbers follow from the job alone, so that every run that is
complete has the same table, to the byte.
"""

import sys
import time
import zlib
from types import ModuleType

from cnnbench.errors import JobFailed
from cnnbench.probes import static
from cnnbench.probes.interface import ProbeResult

_PAUSE = 0.02
_PIECES = 4


def _number(*words):
    return 1 + zlib.crc32(repr(words).encode()) % 10_000


def _static(model, setting, context):
    print("counting", model.label)
    context.report_progress("half way")
    time.sleep(_PAUSE)
    return ProbeResult(
        metrics={
            "params": _number(model.label),
            "macs": _number(model.label, "macs"),
            "activation_infer_peak_bytes": _number(model.label, setting.batch_size),
        }
    )


def _prepare(model, setting, context):
    with (context.artifacts / "made").open("w") as file:
        for piece in range(_PIECES):
            file.write(f"{model.label} {piece}\n")
            file.flush()
            time.sleep(_PAUSE / _PIECES)
    return ProbeResult()


def _latency(model, setting, context):
    made = (context.artifacts / "made").read_text()
    if made.count(model.label) != _PIECES:
        raise JobFailed(f"what prepare made is torn: {made!r}")
    time.sleep(_PAUSE)
    seconds = _number(model.label, context.repeat) / 1e6
    return ProbeResult(
        metrics={"latency_location_s": seconds, "latency_p50_s": seconds, "reference_s": 1e-3},
        samples={"latency_s": [seconds] * 20},
    )


static.run = _static
_timing = ModuleType("cnnbench.probes.latency.run")
_timing.prepare, _timing.run = _prepare, _latency
sys.modules[_timing.__name__] = _timing
