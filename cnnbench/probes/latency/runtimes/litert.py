"""``litert``: a TFLite flatbuffer in LiteRT's interpreter, with XNNPACK, on the CPU.

``convert_s`` makes the flatbuffer; ``load_s`` opens it (XNNPACK takes its part of the graph);
``compile_s`` allocates the tensors. A call copies the input in and the output out. Compressed
variants are converted and run in the same way.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.runtime import (
    RuntimeBase,
    RuntimeInfo,
    check_order,
    thread_counter,
)

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting

FILE = "model.tflite"


class LiteRTFile:
    """A flatbuffer in LiteRT's interpreter, on the CPU with XNNPACK, LiteRT's default.

    Args:
        file: a flatbuffer with one input; its shapes are fixed.
        threads: of the interpreter.
    """

    def __init__(self, file: Path, threads: int) -> None:
        self.file, self.threads = file, threads

    def load(self) -> None:
        """Open the file; XNNPACK takes its part of the graph."""
        from ai_edge_litert.interpreter import Interpreter

        self._count_threads = thread_counter()
        self._interpreter = Interpreter(model_path=str(self.file), num_threads=self.threads)

    def compile(self, images: np.ndarray | None = None) -> None:
        """Allocate the tensors; ``images`` are not needed."""
        self._interpreter.allocate_tensors()
        self._threads_in_use = self._count_threads()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def call(self, images: np.ndarray) -> list[np.ndarray]:
        """Copy ``images``, ``(batch, ...)``, in, run the model, and copy its outputs out."""
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def threads_in_use(self) -> int | None:
        """Return the number of threads: the caller and those that the interpreter started."""
        return self._threads_in_use

    def close(self) -> None:
        """Release the interpreter."""
        del self._interpreter


class LiteRT(LiteRTFile, RuntimeBase):
    """``set_tensor``, ``invoke``, ``get_tensor``."""

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        RuntimeBase.__init__(self, model, setting, folder)
        LiteRTFile.__init__(self, folder / FILE, self.threads)

    def prepare(self, keras_model: Any) -> dict[str, float]:
        begin = time.perf_counter()
        conversion = Conversion(keras_model, self.shape)
        flatbuffer = conversion.converter.convert()
        convert_s = time.perf_counter() - begin
        conversion.check(flatbuffer)
        self.file.write_bytes(flatbuffer)
        return {
            "convert_s": convert_s,
            "file_bytes": len(flatbuffer),
            "file_gzip_bytes": len(gzip.compress(flatbuffer, compresslevel=6)),
        }


class Conversion:
    """TensorFlow's converter of a Keras model for inputs of one shape, batch axis first.

    Attributes:
        converter: a ``tf.lite.TFLiteConverter``, whose options can be set.
    """

    def __init__(self, keras_model: Any, shape: tuple[int, ...]) -> None:
        import tensorflow as tf

        concrete = saved_graph.trace(keras_model, shape)
        self._outputs = [tensor.name.partition(":")[0] for tensor in concrete.outputs]
        self.converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], keras_model)
        # By way of a SavedModel it takes four times as long, most of it in walking Keras' objects,
        # and the weights were missing from the flatbuffer (MobileNetV2: 0.19 MB instead of 14). It
        # would also sort several outputs by name.
        self.converter.experimental_lower_to_saved_model = False

    def check(self, flatbuffer: bytes) -> None:
        """Check that the file has the outputs of the model in their order.

        Raises:
            JobFailed: it has not.
        """
        if len(self._outputs) > 1:
            check_order(output_names(flatbuffer), self._outputs)


def output_names(flatbuffer: bytes) -> list[str]:
    """Return the names of the outputs of a file, in the order in which they are read."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    places = map(graph.Outputs, range(graph.OutputsLength()))
    return [bytes(graph.Tensors(place).Name()).decode(errors="replace") for place in places]


LITERT = RuntimeInfo(
    create=LiteRT,
    packages=("ai-edge-litert",),
    install="pip install cnnbench",
    files=(FILE,),
    reference="arithmetic",
)
