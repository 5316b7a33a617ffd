"""``litert``: a TFLite flatbuffer in LiteRT's interpreter, with XNNPACK, on the CPU.

``convert_s`` makes the flatbuffer; ``load_s`` opens it (XNNPACK takes its part of the graph);
``compile_s`` allocates the tensors. A call copies the input in and the output out.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnbench.probes.latency.runtimes.litert_file import LiteRTFile, converter
from cnnbench.probes.latency.runtimes.runtime import RuntimeBase, RuntimeInfo

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting

FILE = "model.tflite"


class LiteRT(LiteRTFile, RuntimeBase):
    """``set_tensor``, ``invoke``, ``get_tensor``."""

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        RuntimeBase.__init__(self, model, setting, folder)
        LiteRTFile.__init__(self, folder / FILE, self.threads)

    def prepare(self, keras_model: Any) -> dict[str, float]:
        begin = time.perf_counter()
        flatbuffer = converter(keras_model, self.shape).convert()
        convert_s = time.perf_counter() - begin
        self.file.write_bytes(flatbuffer)
        return {
            "convert_s": convert_s,
            "file_bytes": len(flatbuffer),
            "file_gzip_bytes": len(gzip.compress(flatbuffer, compresslevel=6)),
        }


LITERT = RuntimeInfo(
    create=LiteRT,
    packages=("ai-edge-litert",),
    install="pip install cnnbench",
    files=(FILE,),
)
