"""``jax``: Keras 3 on its JAX backend, compiled by XLA, float32, on the CPU.

Keras has one backend in a process, and the other call paths need TensorFlow's. So ``prepare`` saves
the network and starts a process with ``KERAS_BACKEND=jax``, which loads it, traces
``model.stateless_call`` and exports what was traced (``jax.export``); that is ``convert_s``. Rounds
need JAX alone: ``load_s`` reads the program and the weights, ``compile_s`` compiles it. Inputs are
on the device already; outputs are copied to the host. A network with a layer that calls TensorFlow
is skipped, with the reason.

This file is also the program of that process (``python -m``); its arguments are the saved network,
the shape of the input as JSON, and the folder for the results. It prints as JSON why the network
does not run on JAX, or an empty text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed, Unavailable, brief, is_out_of_memory
from cnnbench.probes.latency.runtimes.base import RuntimeBase
from cnnbench.probes.latency.runtimes.runtime import RuntimeInfo, Steps

_PROGRAM, _WEIGHTS = "program.jax", "weights.npz"
_BEHIND = "Exception encountered: "
_LAST_LINES = 5  # of the output of a process that failed


class Jax(RuntimeBase):
    """``jax.jit(model.stateless_call)``."""

    def prepare(self, keras_model: Any) -> dict[str, float]:
        """Convert the network in a process of its own.

        Raises:
            Unavailable: a layer does not run on JAX.
            JobFailed: the process failed.
        """
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            saved = Path(scratch, "network.keras")
            keras_model.save(saved)
            process = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    __name__,
                    str(saved),
                    json.dumps(self.shape),
                    str(self.folder),
                ],
                capture_output=True,
                text=True,
                errors="replace",
                # An empty folder of Keras: its settings are the defaults, as in workers.
                env=os.environ | _environment() | {"KERAS_HOME": scratch},
            )
        if process.returncode:
            lines = process.stderr.splitlines()[-_LAST_LINES:]
            raise JobFailed("\n  ".join(["the conversion to JAX failed:", *lines]))
        if refusal := json.loads(process.stdout.splitlines()[-1]):
            raise Unavailable(f"the network does not run on Keras' JAX backend: {refusal}")
        return {"convert_s": time.perf_counter() - begin}

    def start(self) -> None:
        """Set threads and device; only possible before JAX is first used."""
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["NPROC"] = str(self.threads)  # of XLA's pool of threads
        if self.threads == 1:
            flags = os.environ.get("XLA_FLAGS", "")
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()

    def load(self) -> None:
        import jax
        from jax import export

        self._exported = export.deserialize(bytearray((self.folder / _PROGRAM).read_bytes()))
        with np.load(self.folder / _WEIGHTS) as archive:
            self._weights = jax.device_put([archive[name] for name in archive.files])

    def compile(self, images: np.ndarray) -> None:
        import jax

        given = jax.ShapeDtypeStruct(images.shape, images.dtype)
        self._function = jax.jit(self._exported.call).lower(self._weights, given).compile()

    def feed(self, images: np.ndarray) -> Any:
        """Return ``images`` on the device, after the copy has finished."""
        import jax

        return jax.block_until_ready(jax.device_put(images))

    def call(self, fed: Any) -> list[np.ndarray]:
        return self.outputs(self._function(self._weights, fed))

    def steps(self) -> Steps:
        import jax

        return Steps(
            copy_in=self.feed,
            compute=lambda fed: jax.block_until_ready(self._function(self._weights, fed)),
            copy_out=self.outputs,
        )


def _environment() -> dict[str, str]:
    """Return the variables of the process that converts; it imports what this one can import."""
    path = os.pathsep.join(filter(None, sys.path))
    return {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": path}


def _convert(saved: Path, shape: tuple[int, ...], folder: Path) -> str:
    """Export a saved network; return why it does not run on JAX, or ''."""
    import jax
    import keras
    from jax import export

    try:
        model = keras.saving.load_model(saved, compile=False)
        trainable = len(model.trainable_variables)
        weights = [*model.trainable_variables, *model.non_trainable_variables]

        def outputs(values: list[Any], images: Any) -> list[Any]:
            found, _ = model.stateless_call(
                values[:trainable], values[trainable:], images, training=False
            )
            flat: list[Any] = keras.tree.flatten(found)
            return flat

        values = [np.asarray(weight) for weight in weights]
        given = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in values]
        traced = jax.jit(outputs)
        program = export.export(traced)(given, jax.ShapeDtypeStruct(shape, "float32"))
    except Exception as error:  # a layer may raise anything
        if is_out_of_memory(error):
            raise
        # Keras puts the error of a layer behind the configuration of the whole network.
        reason = str(error).rpartition(_BEHIND)[2] or type(error).__name__
        return brief(reason)
    (folder / _PROGRAM).write_bytes(program.serialize())
    np.savez(folder / _WEIGHTS, *values)
    return ""


JAX = RuntimeInfo(
    create=Jax,
    packages=("jax", "keras"),
    install='pip install "cnnbench[jax]"',
    files=(_PROGRAM, _WEIGHTS),
    copies_apart=True,
)

if __name__ == "__main__":
    network, size, results = sys.argv[1:]
    answer = _convert(Path(network), tuple(json.loads(size)), Path(results))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
