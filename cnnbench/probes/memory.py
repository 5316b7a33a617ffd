"""The ``memory`` probe: what the first full batch needs on top of the network and TensorFlow.

Inference is ``tf.function(model)``; training is one step of gradient descent in a ``tf.function``.
The function is traced for any batch size and warmed up with one image, so that tracing,
optimisation and the kernels' own start are over before the call that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnbench.core.settings.memory import MemorySetting
from cnnbench.core.subject import Context, Finding, Subject
from cnnbench.probes import peak
from cnnbench.probes.runtimes.base import require_gpu


def run(subject: Subject, setting: MemorySetting, context: Context) -> Finding:
    """Measure one peak, in this fresh process.

    Raises:
        Unavailable: no GPU where one is asked for, or a system without a high-water mark.
    """
    if setting.device == "gpu":
        require_gpu()
    peak.without_tensorflow_pool()
    peak.return_freed_memory()
    context.say("building")
    model = subject.build()
    predicted = predict(model, subject, setting)
    context.say(f"predicted-peak {peak.resident() + predicted}")
    step = steps(model, setting.mode)
    one, full = (random_batch(subject, size) for size in (1, setting.batch_size))
    step(one)
    counter = peak.of_gpu if setting.device == "gpu" else peak.of_process
    found = counter(lambda: step(full))
    return Finding(
        metrics={
            f"memory_{setting.mode}_peak_bytes": found.bytes,
            "memory_ratio": found.bytes / predicted,
        },
        details={"predicted_bytes": predicted, "before_bytes": found.before},
    )


def predict(model: Any, subject: Subject, setting: MemorySetting) -> int:
    """The predicted peak in bytes: of the activations, and in training of the gradients too."""
    from cnnbench.analysis import inspect

    found = inspect(model, batch_size=setting.batch_size, input_shape=subject.input_shape)
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


def random_batch(subject: Subject, size: int) -> Any:
    """A tensor of uniform noise in 0..255, preprocessed: ``(size, height, width, channels)``."""
    import tensorflow as tf

    images = np.random.default_rng(0).random((size, *subject.input_shape), dtype=np.float32) * 255
    return tf.constant(np.asarray(subject.preprocess(images), np.float32))
