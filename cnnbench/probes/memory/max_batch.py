"""The largest batch that fits a memory limit: predicted, then found by trying.

The limit is that of the whole process, TensorFlow and the model included, as a container or a
small machine sets it. Every try is a fresh process under that limit, which builds the model and
computes one full batch; running out of memory is the expected way of not fitting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.forked import ForkedRun, run_forked
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.memory import peak
from cnnbench.probes.memory import run as memory
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.units import exact_bytes

MOST = 65536
# The search ends when two batches differ by 1 %: allocators vary by as much.
_RESOLUTION = 100
# A process that dies without evidence ran out of memory if it needed this share of the limit.
_NEAR_LIMIT = 0.8


@dataclass(frozen=True)
class MemoryNeed:
    """Predicted bytes of a process: a constant, and an amount per image of the batch."""

    base: float
    per_image: float

    def of(self, batch: int) -> float:
        """Return the bytes for a batch of that size."""
        return self.base + batch * self.per_image

    def largest_batch(self, limit: int) -> int:
        """Return the largest batch within ``limit`` bytes, in 1 ... `MOST`."""
        return min(MOST, max(1, int((limit - self.base) // self.per_image)))


@dataclass
class Trials:
    """Batches that were tried under a limit of ``limit`` bytes, each once."""

    model: ModelHandle
    mode: str
    limit: int
    need: MemoryNeed
    report_progress: Callable[[str], None] = lambda message: None
    found: list[dict[str, Any]] = field(default_factory=list)

    def fits(self, batch: int) -> bool:
        """Try a batch and return whether it fits.

        Raises:
            JobFailed: it failed, and there is no evidence that memory was the reason.
        """
        self.report_progress(f"trying a batch of {batch}")
        trial = self._run(batch)
        if not trial.succeeded and not trial.evidence:
            share = self.need.of(batch) / self.limit
            if share < _NEAR_LIMIT:
                raise JobFailed(
                    f"a batch of {batch}, which needs {share:.0%} of the limit, failed: "
                    f"{trial.failure}"
                )
        self.found.append({"batch": batch, "fits": trial.succeeded, "ending": trial.failure[:120]})
        return trial.succeeded

    def _run(self, batch: int) -> ForkedRun:
        def work() -> None:
            step = memory.step_function(self.model.build(), self.mode)
            step(blank_batch(self.model, 1))
            step(blank_batch(self.model, batch))

        return run_forked(work, self.limit)


def find(model: ModelHandle, setting: MemorySetting, limit: int, context: Context) -> ProbeResult:
    """Find ``max_batch`` under ``limit`` bytes; 0 if not even one image fits.

    Raises:
        Unavailable: ``limits.memory`` of the suite is below ``limit``.
        JobFailed: a batch failed for another reason than memory.
        MemoryError: there is too little of it to predict.
    """
    if context.memory_limit is not None and limit > context.memory_limit:
        raise Unavailable(
            f"max_batch: {exact_bytes(limit)} is above limits.memory, "
            f"{exact_bytes(context.memory_limit)}: raise limits.memory"
        )
    peak.without_tensorflow_pool()  # it reserves regions of doubling size, used or not
    context.report_progress("predicting")
    prediction = run_forked(lambda: _predict(model, setting))
    if not prediction.succeeded:
        words = f"the memory of a batch cannot be predicted: {prediction.failure}"
        raise MemoryError(words) if prediction.evidence else JobFailed(words)
    need = MemoryNeed(**prediction.value)
    trials = Trials(model, setting.mode, limit, need, context.report_progress)
    largest = bisect(trials.fits, need.largest_batch(limit))
    return ProbeResult(
        metrics={"max_batch": largest},
        details={
            "predicted_batch": need.largest_batch(limit) if need.of(1) <= limit else 0,
            "predicted_base_bytes": int(need.base),
            "predicted_bytes_per_image": int(need.per_image),
            "tries": trials.found,
        }
        | ({"flags": [f"the largest batch that is tried, {MOST}"]} if largest == MOST else {}),
    )


def bisect(fits: Callable[[int], bool], guess: int, most: int = MOST) -> int:
    """Return the largest batch that fits, within 1 %; 0 if 1 does not.

    Args:
        fits: true up to some batch, false above it; called rarely if ``guess`` is close.
        guess: where to begin, in 1 ... ``most``.
        most: no larger batch is tried.
    """
    low, high = 0, most + 1  # low fits (or is 0), high does not (or is never tried)
    step = max(1, guess // 10)
    batch = guess
    while high - low > max(1, low // _RESOLUTION):
        if fits(batch):
            low = batch
        else:
            high = batch
        if high > most and low:
            batch, step = min(most, low + step), 2 * step
        elif low == 0:
            batch, step = max(1, high - step), 2 * step
        else:
            batch = (low + high) // 2
    return low


def blank_batch(model: ModelHandle, size: int) -> Any:
    """Return a constant batch, allocated once: only the model's own memory should count."""
    import tensorflow as tf

    return tf.fill((size, *model.input_shape), 0.5)


def _predict(model: ModelHandle, setting: MemorySetting) -> dict[str, float]:
    """Return the arguments of a `MemoryNeed`: this process's own data segment, and counted bytes.

    Called in a process of its own.
    """
    network = model.build()
    one, two = (
        memory.predicted_peak_bytes(network, model, setting.model_copy(update={"batch_size": size}))
        for size in (1, 2)
    )
    memory.step_function(network, setting.mode)(blank_batch(model, 1))
    image = 4 * math.prod(model.input_shape)
    return {"base": peak.status_bytes("VmData") + one - (two - one), "per_image": two - one + image}
