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

from cnnbench.models.litert.interpreter import LiteRTFile
from cnnbench.probes.latency.runtimes import prefixes, saved_graph
from cnnbench.probes.latency.runtimes.base import RuntimeBase, check_order, thread_counter
from cnnbench.probes.latency.runtimes.executed import Executed, Profile, RanOperation
from cnnbench.probes.latency.runtimes.litert_graph import LiteRTGraph, dtype, macs, taken
from cnnbench.probes.latency.runtimes.runtime import RuntimeInfo, Steps

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting

FILE = "model.tflite"


class ObservedFile(LiteRTFile):
    """An opened file that says what XNNPACK takes of it, and how long its operators take."""

    def load(self) -> None:
        self._count_threads = thread_counter()
        super().load()

    def compile(self, images: np.ndarray | None = None) -> None:
        super().compile(images)
        self._threads_in_use = self._count_threads()

    def threads_in_use(self) -> int | None:
        """Return the number of threads: the caller and those that the interpreter started."""
        return self._threads_in_use

    def delegated(self) -> Executed:
        """Return which operators of the opened file XNNPACK takes; after `compile`."""
        operations = LiteRTGraph(self.file.read_bytes()).operations
        found, partitions = taken(operations, self._interpreter._get_ops_details())
        return Executed(
            "XNNPACK",
            tuple(
                RanOperation(one.kind, place in found, macs(one), dtype(one))
                for place, one in enumerate(operations)
            ),
            partitions,
        )

    def executed(self) -> Executed:
        """Open the file and return which of its operators XNNPACK takes."""
        self.load()
        self.compile()
        found = self.delegated()
        self.close()
        return found

    def profile(self, images: np.ndarray, seconds: float) -> Profile:
        """Time every operator as the difference between files that end after and before it."""
        from ai_edge_litert.interpreter import Interpreter

        def opened(content: bytes) -> Any:
            interpreter = Interpreter(model_content=content, num_threads=self.threads)
            interpreter.allocate_tensors()
            given = interpreter.get_input_details()[0]
            interpreter.set_tensor(given["index"], self.feed(images))
            return interpreter

        self.load()
        self.compile()
        content = self.file.read_bytes()
        nodes = self._interpreter._get_ops_details()
        return prefixes.profiled(content, lambda part: opened(part).invoke, nodes, seconds)


class LiteRT(ObservedFile, RuntimeBase):
    """``set_tensor``, ``invoke``, ``get_tensor``."""

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        RuntimeBase.__init__(self, model, setting, folder)
        ObservedFile.__init__(self, self.file_to_read(FILE), self.threads)

    def prepare(self, keras_model: Any) -> dict[str, float]:
        if self.model.converted_file is not None:
            return self._take(self.model.converted_file)
        begin = time.perf_counter()
        conversion = Conversion(keras_model, self.shape)
        flatbuffer = conversion.converter.convert()
        convert_s = time.perf_counter() - begin
        conversion.check(flatbuffer)
        self.file = self.file_to_write(FILE)
        self.file.write_bytes(flatbuffer)
        return {
            "convert_s": convert_s,
            "file_bytes": len(flatbuffer),
            "file_gzip_bytes": len(gzip.compress(flatbuffer, compresslevel=6)),
        }

    def steps(self) -> Steps:
        return Steps(
            copy_in=lambda images: self._interpreter.set_tensor(self._input, self.feed(images)),
            compute=lambda _: self._interpreter.invoke(),
            copy_out=lambda _: self.outputs(
                [self._interpreter.get_tensor(index) for index in self._outputs]
            ),
        )

    def _take(self, file: Path) -> dict[str, float]:
        """Take a file that was converted elsewhere."""
        content = file.read_bytes()
        self.file.write_bytes(content)
        return {
            "file_bytes": len(content),
            "file_gzip_bytes": len(gzip.compress(content, compresslevel=6)),
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
    there={"ai-edge-litert": "ai_edge_litert.interpreter"},
    files=(FILE,),
    ships_file=True,
    opens=(".tflite",),
    reference="arithmetic",
    profiles=True,
    copies_apart=True,
)
