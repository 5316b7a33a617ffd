"""Readings of the reference in one process, and waiting until the machine is quiet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from cnnbench.probes.latency.quiet import fastest_of, is_quiet
from cnnbench.probes.latency.reference import Reading, Reference
from cnnbench.probes.latency.timed_round import TimingConfig


class Watch:
    """Reads the reference between the calls of a network.

    Args:
        reference: the workloads.
        config: its pauses, its clock and its patience.
        known: fastest time of each workload in earlier jobs, as far as it is known.

    Attributes:
        fastest: time of each workload: known before, or seen here.
        waited_s: seconds spent waiting until the machine was quiet.
    """

    def __init__(
        self,
        reference: Reference,
        config: TimingConfig,
        known: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._reference, self._config, self._known = reference, config, known
        self._readings: list[Reading] = []
        self.fastest: Mapping[str, float] = known
        self.waited_s = 0.0

    def read(self) -> Reading:
        """Read the reference after the pause in which the threads of a runtime fall asleep."""
        return self._read(self._config.settle_s)

    def is_quiet(self, reading: Reading) -> bool:
        """Return whether the machine was quiet, as far as is known now."""
        return is_quiet(reading, self.fastest)

    def until_quiet(self, spent_s: Callable[[], float]) -> Reading:
        """Wait until the machine is quiet or patience is at its end; return the last reading.

        Args:
            spent_s: returns the seconds of patience spent so far.
        """
        config = self._config
        began = config.clock_ns()
        waited_before = self.waited_s
        reading = self.read()
        while not self.is_quiet(reading) and spent_s() < config.patience_s:
            reading = self._read(config.pause_s)
            self.waited_s = waited_before + (config.clock_ns() - began) * 1e-9
        return reading

    def _read(self, pause_s: float) -> Reading:
        self._config.sleep(pause_s)
        reading = self._reference.read()
        self._readings.append(reading)
        self.fastest = fastest_of(self._readings, self._known)
        return reading
