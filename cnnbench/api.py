"""``cnnbench.inspect``: count a network by name, or a live Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnbench.errors import CnnbenchError, UserError, explained
from cnnbench.models.model_name import show

if TYPE_CHECKING:
    from cnnbench.analysis import Inspection
    from cnnbench.models.model import Model

Shape = tuple[int, ...]


def inspect(
    model: Any,
    batch_size: int = 1,
    convention: str = "papers",
    dtype: str | None = None,
    input_shape: Sequence[int] | None = None,
    in_place: bool = False,
    trace_training: bool = False,
    name: str | None = None,
) -> Inspection:
    """Count parameters, MACs, FLOPs, activation memory and receptive field of a network.

    Nothing is run. A network that is named is built without weights.

    Args:
        model: whatever the command line takes (``"MobileNetV2[alpha=0.5]"``,
            ``"file.py:builder"``, ``"net.keras"``), or a live Keras 2 or Keras 3 model.
        batch_size: images in a batch, for the memory metrics.
        convention: of MACs and FLOPs: ``papers``, ``timm``, ``torchvision`` or ``tf-profiler``.
        dtype: the type of floating-point activations and weights (``float16``); by default
            what each tensor has.
        input_shape: one image, where the network leaves it open or another is wanted.
        in_place: whether element-wise layers may overwrite their input, for the inference peak.
        trace_training: take ``activation_train_bytes`` from the gradient graph (0.1-10 s)
            rather than from the fast estimate layer by layer.
        name: how to call the network; its own name by default.

    Raises:
        UserError: no such network, one that cannot be built, or an option that it does not take.

    Example:
        >>> import cnnbench
        >>> cnnbench.inspect("LeNet5").metrics["macs"]
        416520
    """
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "convention": convention,
        "dtype": dtype,
        "in_place": in_place,
        "trace_training": trace_training,
    }
    shape = tuple(input_shape) if input_shape is not None else None
    if not isinstance(model, str | Path):
        from cnnbench import analysis

        return analysis.inspect(model, input_shape=shape, name=name, **options)
    from cnnbench.models.registry import resolve

    # Before TensorFlow is loaded, so that a misspelt name is answered at once.
    subject = resolve(str(model), (Path.cwd(),))
    from cnnbench import analysis

    analysis.check_options(batch_size, convention, dtype)
    with analysis.weightless(), analysis.standard_keras():
        built = _build(subject, shape)
        return analysis.inspect(built, input_shape=shape, name=name or subject.label, **options)


def inspect_layer(text: str, input_shape: Shape, **options: Any) -> Inspection:
    """Count one layer, ``"Conv2D(200,5,padding=same)"``, on an input; options as in `inspect`."""
    from cnnbench import analysis

    analysis.check_options(options["batch_size"], options["convention"], options["dtype"])
    with analysis.weightless(), analysis.standard_keras():
        built = analysis.one_layer_model(text, input_shape)
        return analysis.inspect(built, input_shape=input_shape, name=text, **options)


def _build(subject: Model, shape: Shape | None) -> Any:
    """The network, in the weightless scope that is open.

    A network that cannot be built for ``shape`` is built as it is: the analysis calls it anew.
    """
    from cnnbench import analysis

    own = subject.input_shape
    if shape is not None and own and len(shape) != len(own):
        raise UserError(
            f"{subject.label} takes inputs like {show(own)}, not {show(shape)}", "--input-shape"
        )
    resizable = shape is not None and subject.factory.takes("input_shape")
    with analysis.full_tracebacks():
        try:
            return _architecture(subject, shape, resizable)
        except Exception as error:  # a builder is the user's code: it raises what it likes
            if shape is not None and resizable and not _is_clear(error):
                raise analysis.refusal(
                    subject.label,
                    shape,
                    error,
                    lambda other: subject.architecture(input_shape=other),
                ) from error
            if isinstance(error, CnnbenchError):
                raise
            raise UserError(f"{subject.label} cannot be built: {explained(error)}") from error


def _architecture(subject: Model, shape: Shape | None, resizable: bool) -> Any:
    """The network; a subclassed one, which has no input of its own, is called on ``shape``."""
    from cnnbench.models.registry import resolve

    try:
        return subject.architecture(input_shape=shape if resizable else None)
    except UserError:
        if shape is None or resizable or "[" in subject.text or subject.is_trained:
            raise
    return resolve(f"{subject.text}[input_shape={show(shape)}]", (Path.cwd(),)).architecture()


def _is_clear(error: Exception) -> bool:
    """Return whether it is an error of this package that was not caused by Keras."""
    return isinstance(error, CnnbenchError) and error.__cause__ is None
