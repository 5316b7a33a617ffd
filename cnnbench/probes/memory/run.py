"""The ``memory`` probe: peak memory of the first full batch, beyond the model and TensorFlow.

Inference is ``tf.function(model)``; training is one step of gradient descent in a ``tf.function``.
The function is traced for any batch size and warmed up with one image, so that tracing, graph
optimisation and kernel start-up are over before the measured call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency.runtimes.tensorflow_device import require_gpu, show_gpu
from cnnbench.probes.memory import peak
from cnnbench.probes.memory.settings import MemorySetting

_INTERVAL_S = 0.02
# To keep records small; of the samples that are merged, the highest is kept.
_MOST_SAMPLES = 200

T = TypeVar("T")


def run(model: ModelHandle, setting: MemorySetting, context: Context) -> ProbeResult:
    """Measure one peak in this fresh process, or find the largest batch under a limit.

    ``samples`` hold the resident set over the whole job, from before the model was built:
    ``timeline_s`` and ``timeline_bytes``; ``details["phases"]`` lists each phase and when it began.

    Raises:
        Unavailable: the setting needs a GPU and there is none, or the system keeps no peak.
    """
    if setting.device == "gpu":
        require_gpu()
    show_gpu(setting.device == "gpu")
    if setting.limit is not None:
        from cnnbench.probes.memory import max_batch

        return max_batch.find(model, setting, setting.limit, context)
    peak.without_tensorflow_pool()
    peak.return_freed_memory()
    result, seconds, sizes = sampled(lambda: _measure(model, setting, context))
    result.samples = {"timeline_s": seconds, "timeline_bytes": sizes}
    return result


def _measure(model: ModelHandle, setting: MemorySetting, context: Context) -> ProbeResult:
    began = time.perf_counter()
    phases: list[tuple[str, float]] = []

    def begin(phase: str) -> None:
        phases.append((phase, round(time.perf_counter() - began, 3)))
        context.report_progress(phase)

    begin("building")
    network = model.build()
    predicted = predicted_peak_bytes(network, model, setting)
    context.report_predicted_peak(peak.status_bytes("VmRSS") + predicted)
    step = step_function(network, setting.mode)
    one, full = (random_batch(model, size) for size in (1, setting.batch_size))
    begin("first image")
    step(one)
    begin(f"batch of {setting.batch_size}")
    peak_of = peak.of_gpu if setting.device == "gpu" else peak.of_process
    measured = peak_of(lambda: step(full))
    begin("done")
    return ProbeResult(
        metrics={
            f"memory_{setting.mode}_peak_bytes": measured.bytes,
            "memory_predicted_bytes": predicted,
            "memory_ratio": measured.bytes / predicted,
        },
        details={"before_bytes": measured.before, "phases": phases},
    )


def sampled(work: Callable[[], T]) -> tuple[T, list[float], list[float]]:
    """Call ``work``; return its result, and the resident set over time.

    memory_profiler samples it from another process, which misses short peaks. The sampler is forked
    first, so TensorFlow must not have made a tensor yet.

    Returns:
        The result; seconds since the beginning; bytes at each of them (equally many).
    """
    from memory_profiler import memory_usage

    began = time.time()
    # Without max_iterations, short work would be repeated to get more samples.
    samples, result = memory_usage(
        (work, (), {}), interval=_INTERVAL_S, timestamps=True, retval=True, max_iterations=1
    )
    seconds = [when - began for _, when in samples]
    sizes = [mib * 2**20 for mib, _ in samples]
    return result, *_thinned(seconds, sizes)


def _thinned(
    seconds: Sequence[float], sizes: Sequence[float], most: int = _MOST_SAMPLES
) -> tuple[list[float], list[float]]:
    count = min(most, len(sizes))
    edges = [place * len(sizes) // count for place in range(count + 1)]
    kept = [max(range(low, high), key=lambda place: sizes[place]) for low, high in pairwise(edges)]
    return [round(max(0.0, seconds[p]), 3) for p in kept], [float(round(sizes[p])) for p in kept]


def predicted_peak_bytes(network: Any, model: ModelHandle, setting: MemorySetting) -> int:
    """Predict the peak in bytes: activations, and in training gradients too.

    TensorFlow's element-wise kernels overwrite an input that is not needed again, so this may be
    less than the model's ``activation_infer_peak_bytes``, which makes no such assumption.

    Args:
        network: the built Keras model of ``model``.
    """
    from cnnbench.analysis import inspect

    found = inspect(
        network, batch_size=setting.batch_size, input_shape=model.input_shape, in_place=True
    )
    if setting.mode == "infer":
        return int(found.metrics["activation_infer_peak_bytes"])
    gradients = 4 * found.metrics["trainable_params"]
    return int(found.metrics["activation_train_bytes"] + gradients)


def step_function(network: Any, mode: str) -> Callable[[Any], None]:
    """Return a function that computes a batch of any size: inference, or one training step."""
    import tensorflow as tf

    if mode == "infer":

        def step(images: Any) -> Any:
            return tf.nest.flatten(network(images, training=False))
    else:
        optimizer = tf.keras.optimizers.SGD(1e-6)
        optimizer.build(network.trainable_variables)

        def step(images: Any) -> Any:
            with tf.GradientTape() as tape:
                outputs = tf.nest.flatten(network(images, training=True))
                loss = tf.add_n([tf.reduce_mean(tf.square(output)) for output in outputs])
            weights = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return [loss]

    shape = (None, *network.inputs[0].shape[1:])
    function = tf.function(step, autograph=False, input_signature=[tf.TensorSpec(shape)])

    def step_to_the_end(images: Any) -> None:
        for output in function(images):
            output.numpy()

    return step_to_the_end


def random_batch(model: ModelHandle, size: int) -> Any:
    """Return uniform noise in 0..255, preprocessed: ``(size, height, width, channels)``."""
    import tensorflow as tf

    images = np.random.default_rng(0).random((size, *model.input_shape), dtype=np.float32) * 255
    return tf.constant(np.asarray(model.preprocess(images), np.float32))
