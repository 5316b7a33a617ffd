"""The ``memory`` probe: peak memory of the first full batch, beyond the model and TensorFlow.

Inference is ``tf.function(model)``; training is one step of gradient descent in a ``tf.function``.
The function is traced for any batch size and warmed up with one image, so that tracing, graph
optimisation and kernel start-up are over before the measured call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency.runtimes.tensorflow_device import require_gpu, show_gpu
from cnnbench.probes.memory import peak, timeline
from cnnbench.probes.memory.settings import MemorySetting


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
    result, seconds, sizes = timeline.of(lambda: _measure(model, setting, context))
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
    context.report_predicted_peak(peak.resident() + predicted)
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
