"""Interface between a probe and another device that measures a file for it.

An executor may give jobs such a device (`Context.device`). The job itself runs here: it makes the
files, sends them with a task, and judges what the device found. What a task is called and holds is
agreed with the script on the device, `cnnbench.execution.ssh.there`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Files = Mapping[str, Path | bytes]
"""Name on the device -> a file here, or its content."""


@dataclass(frozen=True)
class DeviceAnswer:
    """Result of a task on a device.

    Attributes:
        metrics, samples, details: as of a `ProbeResult`.
        arrays: outputs of the network.
        tolerance: as of `Runtime.tolerance`.
        environment: description of the device, as of `environment.describe`.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    arrays: Sequence[np.ndarray] = ()
    tolerance: float = 0.0
    environment: Mapping[str, Any] = field(default_factory=dict)


class Device(Protocol):
    """A device that runs one task after another, each in a fresh process."""

    def do(
        self, task: Mapping[str, Any], files: Files, report_progress: Callable[[str], None]
    ) -> DeviceAnswer:
        """Send files and a task, wait, and return the answer.

        Args:
            task: ``do`` names it; the rest is JSON too.
            files: plain names, which exist in the folder of the process there.
            report_progress: takes progress messages.

        Raises:
            Unavailable: something is missing there.
            JobFailed: it failed there, or the connection was lost for good.
            MemoryError: the device has too little memory.
        """
