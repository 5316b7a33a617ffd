"""The ``memory`` probe: what the first full batch needs on top of the network and TensorFlow.

Inference is ``tf.function(model)``; training is one step of gradient descent in a ``tf.function``.
The function is traced for any batch size and warmed up with one image, so that tracing,
optimisation and the kernels' own start are over before the call that counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency.runtimes.base import require_gpu
from cnnbench.probes.latency.runtimes.tensorflow_device import show_gpu
from cnnbench.probes.memory import peak, timeline
from cnnbench.probes.memory.settings import MemorySetting


def run(subject: ModelHandle, setting: MemorySetting, context: Context) -> ProbeResult:
    """Measure one peak in this fresh process, or find the largest batch under a limit.

    ``samples`` hold the resident set over the time of the whole job, from before the network was
    built: ``timeline_s`` and ``timeline_bytes``; ``details["phases"]`` says when what began.

    Raises:
        Unavailable: no GPU where one is asked for, or a system without a high-water mark.
    """
    if setting.device == "gpu":
        require_gpu()
    show_gpu(setting.device == "gpu")
    if setting.limit is not None:
        from cnnbench.probes.memory import max_batch

        return max_batch.find(subject, setting, context)
    peak.without_tensorflow_pool()
    peak.return_freed_memory()
    phases: list[list[Any]] = []
    finding, seconds, sizes = timeline.of(lambda: _measure(subject, setting, context, phases))
    finding.samples = {"timeline_s": seconds, "timeline_bytes": sizes}
    return finding


def _measure(
    subject: ModelHandle, setting: MemorySetting, context: Context, phases: list[list[Any]]
) -> ProbeResult:
    began = time.perf_counter()

    def begin(phase: str) -> None:
        phases.append([phase, round(time.perf_counter() - began, 3)])
        context.report_progress(phase)

    begin("building")
    model = subject.build()
    predicted = predict(model, subject, setting)
    context.report_predicted_peak(peak.resident() + predicted)
    step = steps(model, setting.mode)
    one, full = (random_batch(subject, size) for size in (1, setting.batch_size))
    begin("first image")
    step(one)
    begin(f"batch of {setting.batch_size}")
    counter = peak.of_gpu if setting.device == "gpu" else peak.of_process
    found = counter(lambda: step(full))
    begin("done")
    return ProbeResult(
        metrics={
            f"memory_{setting.mode}_peak_bytes": found.bytes,
            "memory_predicted_bytes": predicted,
            "memory_ratio": found.bytes / predicted,
        },
        details={"before_bytes": found.before, "phases": phases},
    )


def predict(model: Any, subject: ModelHandle, setting: MemorySetting) -> int:
    """The predicted peak in bytes: of the activations, and in training of the gradients too.

    TensorFlow's element-wise kernels overwrite an input that nobody needs again, so that this may
    lie below the network's ``activation_infer_peak_bytes``, which makes no such assumption.
    """
    from cnnbench.analysis import inspect

    found = inspect(
        model, batch_size=setting.batch_size, input_shape=subject.input_shape, in_place=True
    )
    if setting.mode == "infer":
        return int(found.metrics["activation_infer_peak_bytes"])
    gradients = 4 * found.metrics["trainable_params"]
    return int(found.metrics["activation_train_bytes"] + gradients)


def steps(model: Any, mode: str) -> Callable[[Any], None]:
    """One inference or one training step of ``model`` on a batch of any size, on the device."""
    import tensorflow as tf

    if mode == "infer":

        def step(images: Any) -> Any:
            return tf.nest.flatten(model(images, training=False))
    else:
        optimizer = tf.keras.optimizers.SGD(1e-6)
        optimizer.build(model.trainable_variables)

        def step(images: Any) -> Any:
            with tf.GradientTape() as tape:
                outputs = tf.nest.flatten(model(images, training=True))
                loss = tf.add_n([tf.reduce_mean(tf.square(output)) for output in outputs])
            weights = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return [loss]

    shape = (None, *model.inputs[0].shape[1:])
    function = tf.function(step, autograph=False, input_signature=[tf.TensorSpec(shape)])

    def to_the_end(images: Any) -> None:
        for output in function(images):
            output.numpy()

    return to_the_end


def random_batch(subject: ModelHandle, size: int) -> Any:
    """A tensor of uniform noise in 0..255, preprocessed: ``(size, height, width, channels)``."""
    import tensorflow as tf

    images = np.random.default_rng(0).random((size, *subject.input_shape), dtype=np.float32) * 255
    return tf.constant(np.asarray(subject.preprocess(images), np.float32))
