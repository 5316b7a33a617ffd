"""Tiny networks for the latency and memory tests, and jobs of them in processes of their own.

``python -m tests.probes.tiny`` reads lines of JSON, ``[setting, folder, network]``. It answers each
with a line of what ``prepare`` and then ``run`` found, in a process each that it forks; with
``null`` if one failed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from tests.processes import HANGS_AFTER_S


@dataclass(frozen=True)
class Tiny:
    """``depth`` convolutions of 8 filters on 16 x 16 x 3, batch-normalised once, and a softmax."""

    depth: int = 2
    constant: bool = False
    trained: bool = False

    label = "Tiny"
    input_shape = (16, 16, 3)
    classes = 5
    stated: ClassVar[frozenset[str]] = frozenset()
    fixed: ClassVar[frozenset[str]] = frozenset({"input_shape", "classes"})
    output = None
    task = "classification"
    is_task_assumed = False
    class_names: ClassVar[tuple[str, ...]] = ()
    backbone = None
    is_trained = False
    converted_file = None
    # depth 2: 3*3*3*8 + 8, 3*3*8*8 + 8, 4*8, 8*5 + 5
    params = 224 + 584 + 32 + 45

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        inputs = x = tf.keras.Input(self.input_shape)
        start = tf.keras.initializers.HeNormal(seed=1) if self.trained else "glorot_uniform"
        for _ in range(self.depth):
            x = layers.Conv2D(8, 3, padding="same", activation="relu", kernel_initializer=start)(x)
        if self.depth == 2:
            x = layers.BatchNormalization()(x)
        x = layers.GlobalAveragePooling2D()(x * 0.0 if self.constant else x)
        outputs = layers.Dense(self.classes, activation="softmax", kernel_initializer=start)(x)
        return tf.keras.Model(inputs, outputs)

    def preprocess(self, images: Any) -> Any:
        return np.asarray(images) / 127.5 - 1

    def published(self) -> Mapping[str, float]:
        return {}


class Functions(Tiny):
    """Its graph calls functions: a grouped convolution, a loop, a layer's own ``tf.function``."""

    label = "Functions"

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers

        class Calling(layers.Layer):  # type: ignore[misc,name-defined]
            def call(self, maps: Any) -> Any:
                scaled = tf.function(lambda x: tf.nn.relu(x) * 1.5)
                compiled = tf.function(lambda x: tf.nn.elu(x), jit_compile=True)
                _, looped = tf.while_loop(
                    lambda step, _: step < 3, lambda step, x: (step + 1, scaled(x)), [0, maps]
                )
                return compiled(looped)

        inputs = tf.keras.Input(self.input_shape)
        x = layers.Conv2D(8, 3, activation="relu")(inputs)
        x = Calling()(layers.Conv2D(8, 3, groups=4)(x))
        x = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x))
        return tf.keras.Model(inputs, layers.Dense(self.classes, activation="softmax")(x))


class Heads(Tiny):
    """A nested dictionary of thirteen outputs, written in no alphabetical order; two are one."""

    label = "Heads"

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        inputs = tf.keras.Input(self.input_shape)
        x = layers.BatchNormalization()(layers.Conv2D(8, 3)(inputs))
        x = layers.GlobalAveragePooling2D()(x)
        heads = [layers.Dense(self.classes, activation="softmax")(x) for _ in range(12)]
        named = {f"head_{place}": head for place, head in reversed(list(enumerate(heads[2:])))}
        return tf.keras.Model(inputs, {"z": heads[0], "a": [heads[1], heads[0]], "heads": named})


class Boxes(Tiny):
    """A class and a box an image, as `+box` has: a softmax of 5, and 4 linear around a half."""

    label = "Boxes"

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        inputs = x = tf.keras.Input(self.input_shape)
        for _ in range(self.depth):
            x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.GlobalAveragePooling2D()(x)
        classes = layers.Dense(self.classes, activation="softmax")(x)
        half = tf.keras.initializers.Constant(0.5)
        boxes = layers.Dense(4, bias_initializer=half)(x)
        if self.constant:
            boxes = boxes * 0.0 + 1.0
        return tf.keras.Model(inputs, {"classes": classes, "boxes": boxes})


class Twins(Tiny):
    """Two outputs of one width, written in no alphabetical order."""

    label = "Twins"

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        inputs = tf.keras.Input(self.input_shape)
        x = layers.Conv2D(8, 3, activation="relu")(inputs)
        x = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x))
        last, first = layers.Dense(4, name="b")(x), layers.Dense(4, name="a")(x)
        return tf.keras.Model(inputs, {"z": last, "y": first})


class Listed(Tiny):
    """A list of outputs of three widths."""

    label = "Listed"

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        inputs = tf.keras.Input(self.input_shape)
        x = layers.BatchNormalization()(layers.Conv2D(8, 3)(inputs))
        x = layers.GlobalAveragePooling2D()(x)
        return tf.keras.Model(inputs, [layers.Dense(width)(x) for width in (5, 3, 4)])


def main() -> None:
    import tensorflow  # noqa: F401 - once for all jobs, as in the fork server

    for line in sys.stdin:
        setting, folder, network = json.loads(line)
        found: list[str] = []
        for what in ("prepare", "run"):
            reader, writer = os.pipe()
            child = os.fork()
            if not child:
                os.close(reader)
                _job(what, setting, Path(folder), network, writer)
            os.close(writer)
            with os.fdopen(reader) as answer:
                found.append(answer.read())
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                break
        else:
            print(json.dumps([json.loads(one) for one in found]), flush=True)
            continue
        print("null", flush=True)


def _job(what: str, setting: str, folder: Path, network: str, writer: int) -> NoReturn:
    from cnnbench.probes.interface import Context
    from cnnbench.probes.latency import run as latency
    from cnnbench.probes.latency.runtimes import RUNTIMES
    from cnnbench.probes.latency.settings import LatencySetting
    from cnnbench.probes.latency.timed_round import TimingConfig
    from tests.probes.fake_runtime import FAKES

    signal.alarm(int(HANGS_AFTER_S))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    code = 1
    try:
        kinds = (Tiny, Functions, Heads, Boxes, Twins, Listed)
        subject = {kind.__name__: kind for kind in kinds}[network]
        timing = TimingConfig(
            seconds=0.1, block_s=0.03, window_s=0.02, warm_up_s=0.5, patience_s=0.2
        )
        cell = folder / "cell"  # beside it lies what cells share
        cell.mkdir(exist_ok=True)
        context = Context(repeat=0, artifacts=cell, scratch=cell)
        act = {"prepare": latency.prepare, "run": partial(latency.run, timing=timing)}[what]
        wanted = LatencySetting.model_validate_json(setting)
        runtimes = FAKES if wanted.runtime in FAKES else RUNTIMES
        found = act(subject(), wanted, context, runtimes)
        with os.fdopen(writer, "w") as answer:
            json.dump(asdict(found), answer)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
