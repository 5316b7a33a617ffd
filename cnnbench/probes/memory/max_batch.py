"""The largest batch that fits a limit: predicted first, then found by trying, process by process.

The limit is that of the whole process, TensorFlow and the network included, as a container or a
small machine would set it. Every try is a fresh process under that limit, which builds the network
and computes one full batch; that it ran out of memory is the answer sought.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.memory import peak
from cnnbench.probes.memory import run as memory
from cnnbench.probes.memory.limited import Attempt, attempt
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.units import exact_bytes

MOST = 65536
# A batch is told from the next one to within a hundredth of it: allocators vary by as much.
_RESOLUTION = 100
# A death without a word is held for the limit's doing where so much of it was needed.
_NEAR_LIMIT = 0.8


@dataclass(frozen=True)
class Need:
    """What a process needs in bytes: before its batch, and for every image of it."""

    base: float
    per_image: float

    def of(self, batch: int) -> float:
        return self.base + batch * self.per_image

    def largest(self, limit: int) -> int:
        """The largest batch within ``limit``, at least 1."""
        return min(MOST, max(1, int((limit - self.base) // self.per_image)))


@dataclass
class _Tries:
    """The batches that were tried, each once."""

    subject: ModelHandle
    setting: MemorySetting
    context: Context
    need: Need
    found: list[dict[str, Any]] = field(default_factory=list)

    def fits(self, batch: int) -> bool:
        """Whether a batch is computed under the limit.

        Raises:
            JobFailed: it failed, and nothing says that memory was the reason.
        """
        self.context.report_progress(f"trying a batch of {batch}")
        tried = self._attempt(batch)
        if not tried.ended_well and not tried.evidence:
            share = self.need.of(batch) / self.setting.limit  # type: ignore[operator]
            if share < _NEAR_LIMIT:
                raise JobFailed(
                    f"a batch of {batch} failed where {share:.0%} of the limit is needed: "
                    f"{tried.ending}"
                )
        self.found.append({"batch": batch, "fits": tried.ended_well, "ending": tried.ending[:120]})
        return tried.ended_well

    def _attempt(self, batch: int) -> Attempt:
        def work() -> None:
            step = memory.steps(self.subject.build(), self.setting.mode)
            step(blank_batch(self.subject, 1))
            step(blank_batch(self.subject, batch))

        return attempt(work, self.setting.limit)


def find(subject: ModelHandle, setting: MemorySetting, context: Context) -> ProbeResult:
    """Find ``max_batch``; 0 where not one image fits.

    Raises:
        Unavailable: ``limits.memory`` of the suite lies below the limit that is asked about.
        JobFailed: a try failed for another reason than memory.
        MemoryError: there is too little of it to predict.
    """
    limit = setting.limit or 0
    if context.memory_limit is not None and limit > context.memory_limit:
        raise Unavailable(
            f"max_batch asks about {exact_bytes(limit)}, more than limits.memory, "
            f"{exact_bytes(context.memory_limit)}: raise limits.memory"
        )
    peak.without_tensorflow_pool()  # which reserves regions of doubling size, used or not
    context.report_progress("predicting")
    tried = attempt(lambda: _predict(subject, setting), None)
    if not tried.ended_well:
        words = f"the network could not be measured before its batches: {tried.ending}"
        raise MemoryError(words) if tried.evidence else JobFailed(words)
    need = Need(**tried.value)
    tries = _Tries(subject, setting, context, need)
    largest = bisect(tries.fits, need.largest(limit))
    return ProbeResult(
        metrics={"max_batch": largest},
        details={
            "predicted_batch": need.largest(limit) if need.of(1) <= limit else 0,
            "predicted_base_bytes": int(need.base),
            "predicted_bytes_per_image": int(need.per_image),
            "tries": tries.found,
        }
        | ({"flags": [f"the largest batch that is tried, {MOST}"]} if largest == MOST else {}),
    )


def bisect(fits: Callable[[int], bool], guess: int, most: int = MOST) -> int:
    """The largest batch that fits, up to a hundredth; 0 where 1 does not. Few calls near ``guess``.

    Args:
        fits: true up to some batch, false above it.
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


def blank_batch(subject: ModelHandle, size: int) -> Any:
    """A constant batch, made in one piece: only what the network needs of its own shall count."""
    import tensorflow as tf

    return tf.fill((size, *subject.input_shape), 0.5)


def _predict(subject: ModelHandle, setting: MemorySetting) -> dict[str, float]:
    """In a process of its own: its data segment with the network in it, and the counted rest."""
    model = subject.build()
    one, two = (
        memory.predict(model, subject, setting.model_copy(update={"batch_size": size}))
        for size in (1, 2)
    )
    memory.steps(model, setting.mode)(blank_batch(subject, 1))
    image = 4 * math.prod(subject.input_shape)
    return {"base": peak.data_segment() + one - (two - one), "per_image": two - one + image}
