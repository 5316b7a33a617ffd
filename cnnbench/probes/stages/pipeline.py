"""All stages in one call, from the bytes of a JPEG file to the answer, with a clock between them.

A stage takes longer between the others than in a loop of its own: caches hold the data of the other
stages, and the threads of the runtime sleep while one thread decodes a picture. A user waits for
the stages one after another, so they are timed in this way, and they add up to the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from cnnbench.probes.latency.timed_round import Clock

Stage = Callable[[Any], Any]
_NS = 1e-9


class Pipeline:
    """Stages that are called one after another, each with the result of the one before.

    Args:
        stages: by name, in their order.
        groups: names of further stages -> the names of successive stages that they consist of.
        clock: in nanoseconds.
    """

    def __init__(
        self,
        stages: Mapping[str, Stage],
        groups: Mapping[str, Sequence[str]],
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        self._names, self._stages = list(stages), list(stages.values())
        self._groups, self._clock = groups, clock
        self._marks: list[list[int]] = []  # of each call: its begin, and the end of each stage

    def __call__(self, value: Any) -> Any:
        """Return the result of the last stage, given what the first one takes."""
        marks = [self._clock()]
        for stage in self._stages:
            value = stage(value)
            marks.append(self._clock())
        self._marks.append(marks)
        return value

    def seconds(self, calls: int) -> dict[str, list[float]]:
        """Return the seconds of each stage in the last ``calls`` calls, and forget all calls."""
        last, self._marks = self._marks[-calls:], []
        spans = [[end - begin for begin, end in pairwise(marks)] for marks in last]
        found = {
            name: [span[place] * _NS for span in spans] for place, name in enumerate(self._names)
        }
        for group, names in self._groups.items():
            found[group] = [
                sum(parts) for parts in zip(*map(found.__getitem__, names), strict=True)
            ]
        return found
