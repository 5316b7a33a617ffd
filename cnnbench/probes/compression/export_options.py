"""Options of ``cnnbench export``: check them, and decide what is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnbench import files
from cnnbench.data import datasets
from cnnbench.errors import UserError
from cnnbench.models import registry, weights_card
from cnnbench.models.model import Model
from cnnbench.named import show as show_shape
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import CONTINUE, IMAGENET, OWN
from cnnbench.probes.compression import exported_file, settings, variants
from cnnbench.probes.compression.export import Export
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.trained_network import Training
from cnnbench.tasks.task import TASKS
from cnnbench.text import pydantic_message

_HASHES = ("weights_sha256", "dataset_sha256")


@dataclass(frozen=True)
class ExportOptions:
    """Options of ``cnnbench export``, under the names that it has for them.

    Attributes:
        model: as the registry resolves it.
        variant: ``ptq-int8``, ``pruned-50+qat-int8``, ...
        weights: weights file of the trained model; None for those that it comes with.
        out: the LiteRT file; its card has the same name with the ending ``.json``.
        dataset, image_size, recipe: how the model was trained; None takes it from the card next
            to the weights, or from the run.
        representative, fine_tune_epochs, fine_tune_rate: as in a suite; None for its default, or
            that of the run.
        nms: put the postprocessing of the model's task inside the file.
        int8_io: give the file int8 inputs and outputs; nothing in it may stay floating-point.
    """

    model: str
    variant: str
    weights: Path | None
    out: Path
    dataset: str | None = None
    image_size: int | None = None
    recipe: str | None = None
    representative: int | None = None
    fine_tune_epochs: int | None = None
    fine_tune_rate: float | None = None
    nms: bool = False
    int8_io: bool = False


def resolve(options: ExportOptions, search_path: Sequence[Path] = ()) -> Export:
    """Return the export that the options ask for.

    Raises:
        UserError: an option that is wrong by itself, or with this model.
    """
    model = registry.resolve(options.model, search_path)
    if model.converted_file is not None:
        what = f"{model.label} is converted already"
        raise UserError(what, hint="name the model or the run that it was made from")
    variant = read_variant(options.variant)
    _check_paths(options, model)
    wanted = making(variant, options)
    trained = _training_facts(model, options, needs_images=bool(wanted))
    if trained and options.weights is None:  # images are known, so the weights are a file's
        options = replace(options, weights=Path(model.entry.builder))
    training = _training(model, trained)
    size = options.image_size
    if size is not None and training is not None and training.image_size != size:
        raise UserError(
            f"{model.label} keeps its own input, {show_shape(model.input_shape)}",
            "--image-size",
            "omit it",
        )
    setting = CompressionSetting(
        part="convert",
        variant=str(variant),
        training=training,
        nms=options.nms,
        int8_io=options.int8_io,
        **_weights(options),
        **wanted,
    )
    check(setting, model)
    return Export(options.model, setting, options.out, tuple(search_path), trained)


def read_variant(text: str) -> Variant:
    """Return the variant that ``--variant`` names; raises `UserError` if there is none."""
    try:
        return variants.parse(text)
    except UserError as error:
        raise UserError(error.what, "--variant", error.hint) from None


def making(
    variant: Variant, options: ExportOptions, defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the options that the steps of ``variant`` depend on, within the bounds of a suite's.

    Args:
        variant: the steps.
        options: those that were given count.
        defaults: for all others; by default those of a suite.
    """
    count, fewest = options.representative, settings.FEWEST_REPRESENTATIVE
    if count is not None and count < fewest:
        raise UserError(f"{count:g} is too few", "--representative", f"at least {fewest}")
    given = {name: getattr(options, name) for name in settings.MAKING}
    known = dict(defaults or {}) | {name: x for name, x in given.items() if x is not None}
    try:
        spec = settings.CompressionSpec.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}".replace("_", "-")
        words = pydantic_message(first)
        hint = words[:1].lower() + words[1:]
        raise UserError(f"{first['input']} is not valid", option, hint) from None
    return settings.making(variant, {name: getattr(spec, name) for name in settings.MAKING})


def check(setting: CompressionSetting, model: Model) -> None:
    """Make sure that the file can be made: images where they are needed, NMS where there is some,
    integers only where the variant has some.

    Raises:
        UserError: it cannot.
    """
    variant, training = variants.parse(setting.variant), setting.training
    task = training.goal if training else TASKS.find(model.task)
    if setting.nms and not task.finishes:
        what = f"{model.label} is for {task.name}, which has no NMS"
        raise UserError(what, "--nms", "omit it")
    if setting.nms and any(step.needs_representative for step in variant.steps):
        what = f"{variant} would quantise boxes and scores too, to steps too coarse for NMS"
        raise UserError(what, "--nms", "omit it, or choose float32, ptq-float16 or ptq-dynamic")
    if setting.int8_io and not any(step.computes_in_int8 for step in variant.steps):
        what = f"{variant} computes in floating point"
        raise UserError(what, "--int8-io", "choose --variant ptq-int8 or qat-int8")
    if (setting.representative or setting.fine_tune_epochs) and training is None:
        raise UserError(
            f"{variant} needs images of the data set that {model.label} was trained on",
            "--dataset",
            f"choose one of: {', '.join(datasets.shown_names())}",
        )


def _weights(options: ExportOptions) -> dict[str, Any]:
    """Return the fields of a setting that name the weights file, if there is one."""
    if options.weights is None:
        return {}
    file = options.weights.resolve()
    return {"weights": str(file), "weights_sha256": files.sha256(file)}


def _check_paths(options: ExportOptions, model: Model) -> None:
    weights = options.weights
    accepted = "--weights takes .weights.h5, .h5 or .keras"
    if weights is None and not model.is_trained:
        what = f"{model.label} comes without trained weights"
        raise UserError(what, "--weights", "name a file with them, or export from a run's folder")
    if weights is not None and not weights.is_file():
        raise UserError("no such file", str(weights), accepted)
    exported_file.check_free(options.out)


def _training_facts(model: Model, options: ExportOptions, needs_images: bool) -> dict[str, Any]:
    """Return facts about the training: from the card next to the weights, then the options.

    Those in the model's own file count only where images are needed, which may be elsewhere.
    """
    named = {name: getattr(options, name) for name in ("dataset", "image_size", "recipe")}
    given = {name: value for name, value in named.items() if value is not None}
    known = dict(model.entry.training) if needs_images or given else {}
    if options.weights:
        known = _training_card(options.weights, model.label)
    if given.get("dataset", known.get("dataset")) != known.get("dataset"):
        known = {}  # it describes another data set
    facts = known | given
    if facts and "dataset" not in facts:
        raise UserError("needed with --image-size and --recipe", "--dataset")
    return facts


def _training_card(weights: Path, label: str) -> dict[str, Any]:
    """Return the training of ``label`` as the card of the weights has it, or nothing."""
    card = weights_card.read(weights)
    training = card.get("training") if card.get("model") == label else None
    return training if isinstance(training, dict) else {}


def _training(model: Model, facts: Mapping[str, Any]) -> AccuracySetting | None:
    """Return the training as a setting, or None if nothing is known of it."""
    if not facts:
        return None
    fields = {name: value for name, value in facts.items() if name not in _HASHES}
    if fields.get("recipe") == CONTINUE:  # the same architecture, with weights of its own
        fields = {**fields, "recipe": "scratch", "weights": IMAGENET}
    if "input_shape" in model.stated | model.fixed:
        fields.setdefault("image_size", OWN)
    try:
        return Training(**fields).setting(model, facts.get("dataset_sha256", ""), "")
    except ValidationError as error:
        raise UserError(pydantic_message(error.errors()[0]), "--dataset") from None
