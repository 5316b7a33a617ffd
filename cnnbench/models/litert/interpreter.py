"""A LiteRT file in LiteRT's interpreter, on the CPU with XNNPACK, LiteRT's default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed, brief, is_out_of_memory
from cnnbench.models.litert import integer_io


class LiteRTFile:
    """An opened file with one input; its shapes are fixed.

    Outside, inputs and outputs are float32, also those of a file with integers.

    Args:
        file: the file.
        threads: of the interpreter.
    """

    def __init__(self, file: Path, threads: int) -> None:
        self.file, self.threads = file, threads

    def load(self) -> None:
        """Open the file; XNNPACK takes its part of the graph.

        Raises:
            JobFailed: LiteRT does not accept it.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_path=str(self.file), num_threads=self.threads)
        except (ValueError, RuntimeError) as error:
            raise _refused(error) from error

    def compile(self, images: np.ndarray | None = None) -> None:
        """Allocate the tensors; ``images`` are not needed.

        Raises:
            JobFailed: LiteRT cannot run an operator of the file.
        """
        try:
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refused(error) from error
        self._given: Any = self._interpreter.get_input_details()[0]
        self._found: list[Any] = self._interpreter.get_output_details()
        self._input = self._given["index"]
        self._outputs = [detail["index"] for detail in self._found]

    def feed(self, images: np.ndarray) -> np.ndarray:
        """Return float32 ``images`` in the type of the file's input."""
        dtype = np.dtype(self._given["dtype"])
        if dtype.kind == "f":
            return images
        scale, zero_point = self._given["quantization"]
        return integer_io.in_integers(images, dtype, scale or 1.0, zero_point)

    def call(self, images: np.ndarray) -> list[np.ndarray]:
        """Copy ``images``, ``(batch, ...)``, in, run the model, and copy its outputs out."""
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def outputs(self, result: Any) -> list[np.ndarray]:
        """Return what `call` returned as float32; integers without a scale stay what they are."""
        return [
            integer_io.dequantised(one, *detail["quantization"])
            if one.dtype.kind in "iu" and detail["quantization"][0]
            else one
            for one, detail in zip(result, self._found, strict=True)
        ]

    def close(self) -> None:
        """Release the interpreter."""
        del self._interpreter


def _refused(error: Exception) -> Exception:
    if is_out_of_memory(error):
        return error
    return JobFailed(f"LiteRT cannot run the file: {brief(error, 200)}")
