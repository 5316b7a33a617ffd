"""Quantisation: ``ptq-dynamic``, ``ptq-float16``, ``ptq-int8`` (all after training), ``qat-int8``.

Post-training quantisation (``ptq``) is done by the converter alone; quantisation-aware training
(``qat``) fine-tunes the model first (`quantisation_aware`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from cnnbench.probes.compression.steps.base import Representative, Step

if TYPE_CHECKING:
    from cnnbench.probes.compression.fine_tuning import FineTuning
    from cnnbench.probes.compression.kernels import Kernel
    from cnnbench.probes.compression.variants import Variant

Kind = Literal["ptq-dynamic", "ptq-float16", "ptq-int8", "qat-int8"]
QUANTISATIONS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Quantisation(Step):
    """Store weights, and for int8 compute, in fewer bits; input and output stay float32."""

    kind: Kind

    grammar = "one of " + ", ".join(QUANTISATIONS)
    examples = QUANTISATIONS
    uncovered = "float"
    gives_float_model = False

    @property
    def fine_tunes(self) -> bool:
        return self.kind == "qat-int8"

    @property
    def needs_representative(self) -> bool:
        return self.kind == "ptq-int8"

    @property
    def computes_in_int8(self) -> bool:
        return self.kind in ("ptq-int8", "qat-int8")

    @classmethod
    def read(cls, word: str) -> Self | None:
        return next((cls(kind) for kind in QUANTISATIONS if kind == word), None)

    def __str__(self) -> str:
        return self.kind

    def covers(self, kernel: Kernel, variant: Variant) -> bool:
        match self.kind:
            case "ptq-int8" | "qat-int8":
                return kernel.dtype == kernel.data_dtype == "INT8"
            case "ptq-dynamic":
                return kernel.dtype == "INT8"
            case "ptq-float16":
                return kernel.dtype == "FLOAT16"

    def apply(self, model: Any, variant: Variant, tuning: FineTuning) -> Any:
        if not self.fine_tunes:
            return model
        from cnnbench.probes.compression.steps import quantisation_aware

        return quantisation_aware.train(model, variant, tuning)

    def configure(self, converter: Any, representative: Representative) -> None:
        import tensorflow as tf

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if self.kind == "ptq-float16":
            converter.target_spec.supported_types = [tf.float16]
        if self.needs_representative:
            converter.representative_dataset = representative
