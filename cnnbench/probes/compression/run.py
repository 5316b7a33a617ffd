"""The ``compression`` probe: quantisation, pruning and clustering of a trained model.

It has four parts, each in processes of its own: ``train`` makes the float32 model, ``convert``
makes and converts a variant, analyses the file and evaluates it on the test images, ``memory`` and
``latency`` measure that file. A part finds the results of earlier ones in the run's artifacts.
"""

from __future__ import annotations

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult


def run(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Run the part of the probe that ``setting`` names.

    Raises:
        Unavailable: data, weights or the result of an earlier part are missing, or the toolkit does
            not support the model.
        JobFailed: the training diverged, there are too few images, or the conversion failed.
    """
    # Imported late: fine-tuning selects Keras 2, which must come before any use of Keras.
    match setting.part:
        case "train":
            from cnnbench.probes.compression.training import run as run_part
        case "convert":
            from cnnbench.probes.compression.conversion import run as run_part
        case "memory":
            from cnnbench.probes.compression.measuring import memory as run_part
        case "latency":
            from cnnbench.probes.compression.measuring import latency as run_part
    return run_part(handle, setting, context)
