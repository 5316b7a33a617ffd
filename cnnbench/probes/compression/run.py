"""The ``compression`` probe: what quantising, pruning and clustering a trained network buys.

Four parts, each in processes of its own: ``train`` makes the float32 network, ``convert`` makes a
variant of a fresh copy, reads the converted file back and judges it on the test images, ``memory``
and ``latency`` open that file. What one part leaves for the next lies in the run's artifacts.
"""

from __future__ import annotations

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult


def run(subject: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Do one part.

    Raises:
        Unavailable: data, weights or what an earlier part makes is not there, or the toolkit does
            not take the network.
        JobFailed: the training diverged, too little data, or the conversion failed.
    """
    # Imported when needed: the toolkit's part must choose its Keras before anything imports one.
    match setting.part:
        case "train":
            from cnnbench.probes.compression.source import make as do
        case "convert":
            from cnnbench.probes.compression.conversion import make as do
        case "memory":
            from cnnbench.probes.compression.measuring import memory as do
        case "latency":
            from cnnbench.probes.compression.measuring import latency as do
    return do(subject, setting, context)
