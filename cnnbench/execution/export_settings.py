"""Options of an export -> the setting of its jobs, and the known facts about the training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnbench import files
from cnnbench.data import datasets
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.model import Model
from cnnbench.models.model_name import show
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import OWN
from cnnbench.probes.compression import settings, variants
from cnnbench.probes.compression.settings import CompressionSetting, Training
from cnnbench.probes.compression.variants import Variant

# In the folder of the weights that a run of the `compression` probe keeps.
_NETWORK_CARD = "network.json"
_HASHES = ("weights_sha256", "dataset_sha256")


@dataclass(frozen=True)
class ExportOptions:
    """Options of ``cnnbench export``, under the names that it has for them.

    Attributes:
        model: as the registry resolves it.
        variant: ``ptq-int8``, ``pruned-50+qat-int8``, ...
        weights: weights file of the trained model.
        out: the LiteRT file; its card has the same name with the ending ``.json``.
        dataset, image_size, recipe: how the model was trained; None takes it from the card next
            to the weights.
        representative, fine_tune_epochs, fine_tune_rate: as in a suite.
    """

    model: str
    variant: str
    weights: Path
    out: Path
    dataset: str | None = None
    image_size: int | None = None
    recipe: str | None = None
    representative: int = 100
    fine_tune_epochs: int = 2
    fine_tune_rate: float = 0.0001


def resolve(
    options: ExportOptions, search_path: Sequence[Path] = ()
) -> tuple[CompressionSetting, dict[str, Any]]:
    """Return the setting of an export, and the facts about the training for its card.

    Raises:
        UserError: an option that is wrong by itself, or with this model.
    """
    model = registry.resolve(options.model, search_path)
    try:
        variant = variants.parse(options.variant)
    except UserError as error:
        raise UserError(error.what, "--variant", error.hint) from None
    _check_files(options.weights, options.out)
    trained = _training_facts(model, options)
    training = _training(model, trained)
    size = options.image_size
    if size is not None and training is not None and training.image_size != size:
        raise UserError(
            f"{model.label} keeps its own input, {show(model.input_shape)}",
            "--image-size",
            "omit it",
        )
    return _setting(model, variant, training, options), trained


def _check_files(weights: Path, out: Path) -> None:
    if not weights.is_file():
        raise UserError("no such file", str(weights), "--weights takes .weights.h5, .h5 or .keras")
    if out.suffix == ".json":
        raise UserError(
            "the ending .json is reserved for the card", str(out), "for example model.tflite"
        )
    if not out.resolve().parent.is_dir():
        raise UserError("no such folder", str(out.parent), "create it, or choose another --out")


def _training_facts(model: Model, options: ExportOptions) -> dict[str, Any]:
    """Return facts about the training: from the card next to the weights, then the options."""
    named = {name: getattr(options, name) for name in ("dataset", "image_size", "recipe")}
    given = {name: value for name, value in named.items() if value is not None}
    known = _training_card(options.weights, model.label)
    if given.get("dataset", known.get("dataset")) != known.get("dataset"):
        known = {}  # it describes another data set
    facts = known | given
    if facts and "dataset" not in facts:
        raise UserError("needed with --image-size and --recipe", "--dataset")
    return facts


def _training_card(weights: Path, label: str) -> dict[str, Any]:
    try:
        card = json.loads((weights.parent / _NETWORK_CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(card, dict) or card.get("model") != label:
        return {}
    training = card.get("training")
    return training if isinstance(training, dict) else {}


def _training(model: Model, facts: Mapping[str, Any]) -> AccuracySetting | None:
    """Return the training as a setting, or None if nothing is known of it."""
    if not facts:
        return None
    fields = {name: value for name, value in facts.items() if name not in _HASHES}
    if "input_shape" in model.stated | model.fixed:
        fields.setdefault("image_size", OWN)
    try:
        found: AccuracySetting = Training(**fields).setting(
            model, facts.get("dataset_sha256", ""), ""
        )
    except ValidationError as error:
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(words, "--dataset") from None
    return found


def _setting(
    model: Model, variant: Variant, training: AccuracySetting | None, options: ExportOptions
) -> CompressionSetting:
    names = ("representative", "fine_tune_epochs", "fine_tune_rate")
    given = {name: getattr(options, name) for name in names}
    _check_bounds(given)
    wanted = settings.making(variant, **given)
    if wanted and training is None:
        raise UserError(
            f"{variant} needs images of the data set that {model.label} was trained on",
            "--dataset",
            f"choose one of: {', '.join(datasets.shown_names())}",
        )
    weights = options.weights.resolve()
    return CompressionSetting(
        part="convert",
        variant=str(variant),
        training=training,
        weights=str(weights),
        weights_sha256=files.sha256(weights),
        **wanted,
    )


def _check_bounds(given: Mapping[str, float]) -> None:
    """Check the options against the bounds of a suite's keys of the same names."""
    if (count := given["representative"]) < (fewest := settings.FEWEST_REPRESENTATIVE):
        raise UserError(f"{count:g} is too few", "--representative", f"at least {fewest}")
    try:
        settings.CompressionSpec.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}".replace("_", "-")
        words = first["msg"][:1].lower() + first["msg"][1:]
        raise UserError(f"{first['input']} is not valid", option, words) from None
