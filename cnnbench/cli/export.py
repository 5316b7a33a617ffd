"""``cnnbench export``: a compressed network as a file, with a card that says what it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnbench.cli import options
from cnnbench.errors import UserError
from cnnbench.models.model_name import show

if TYPE_CHECKING:
    from cnnbench.models.model import Model
    from cnnbench.probes.compression.settings import CompressionSetting
    from cnnbench.probes.compression.variants import Variant

# Beside the weights that a run of the `compression` probe keeps.
_NETWORK_CARD = "network.json"
_HASHES = ("weights_sha256", "dataset_sha256")


@click.command()
@click.argument("model")
@click.option("--variant", required=True, metavar="V", help="ptq-int8, pruned-50+qat-int8, ...")
@click.option(
    "--weights",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Of the trained network: .weights.h5, .h5 or .keras.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The flatbuffer; the card is FILE with .json.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="What it was trained on: calibrates, fine-tunes and tests (fashion_mnist, folder:PATH).",
)
@click.option(
    "--image-size",
    type=click.IntRange(4, 4096),
    help="Side of its images, px; only if MODEL states no input.",
)
@click.option(
    "--recipe",
    type=click.Choice(["scratch", "transfer"]),
    help="How it was trained; transfer adds a new head.",
)
@click.option("--representative", type=int, default=100, show_default=True)
@click.option("--fine-tune-epochs", type=int, default=2, show_default=True)
@click.option("--fine-tune-rate", type=float, default=0.0001, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The card on stdout.")
@options.data_dir("keras/ and tensorflow_datasets/")
def command(
    model: str,
    variant: str,
    weights: Path,
    out: Path,
    dataset: str | None,
    image_size: int | None,
    recipe: str | None,
    representative: int,
    fine_tune_epochs: int,
    fine_tune_rate: float,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Make variant V of the trained MODEL, and write it as a LiteRT file.

    Steps that need images (int8 ranges, fine-tuning) need the data set; for weights kept by a run
    (trained.weights.h5) it is known. With a data set, the card includes the accuracy of the file.
    """
    from cnnbench.models import registry
    from cnnbench.probes.compression import variants

    subject = registry.resolve(model, [Path.cwd()])
    try:
        parsed = variants.parse(variant)
    except UserError as error:
        raise UserError(error.what, "--variant", error.hint) from None
    _check_files(weights, out)
    given = {"dataset": dataset, "image_size": image_size, "recipe": recipe}
    stated = _stated(subject, weights, {k: v for k, v in given.items() if v is not None})
    training = _training(subject, stated)
    if image_size is not None and training.image_size != image_size:
        raise UserError(
            f"{subject.label} keeps its own input, {show(subject.input_shape)}",
            "--image-size",
            "omit it",
        )
    setting = _setting(
        subject,
        parsed,
        weights,
        training,
        representative=representative,
        fine_tune_epochs=fine_tune_epochs,
        fine_tune_rate=fine_tune_rate,
    )

    from cnnbench.execution import export as exporting

    data_dir = data_dir.resolve() if data_dir else None
    places = [Path.cwd()]
    card = exporting.export(
        subject.text, setting, out.resolve(), places, data_dir, _say, trained=stated
    )
    click.echo(json.dumps(card, indent=1) if as_json else _summary(card, out))


def _check_files(weights: Path, out: Path) -> None:
    if not weights.is_file():
        raise UserError("no such file", str(weights), "--weights takes .weights.h5, .h5 or .keras")
    if out.suffix == ".json":
        raise UserError("the card gets the ending .json", str(out), "name it model.tflite, say")
    if not out.resolve().parent.is_dir():
        raise UserError("no such folder", str(out.parent), "make it, or name another --out")


def _stated(subject: Model, weights: Path, given: dict[str, Any]) -> dict[str, Any]:
    """What the card beside the weights, and the options, say of how they were trained."""
    known = _beside(weights, subject.label)
    if given.get("dataset", known.get("dataset")) != known.get("dataset"):
        known = {}  # of another data set: the options say all of it
    stated = known | given
    if stated and "dataset" not in stated:
        raise UserError("is missing", "--dataset", "--image-size and --recipe are of its images")
    return stated


def _training(subject: Model, stated: dict[str, Any]) -> Any:
    """That as a setting: on which images, of which network; None where nothing is said."""
    from pydantic import ValidationError

    from cnnbench.probes.accuracy.training_config import OWN
    from cnnbench.probes.compression.settings import Training

    if not stated:
        return None
    fields = {name: value for name, value in stated.items() if name not in _HASHES}
    if "input_shape" in subject.stated | subject.fixed:
        fields.setdefault("image_size", OWN)
    try:
        training = Training(**fields)
        return training.setting(subject, stated.get("dataset_sha256", ""), "")
    except ValidationError as error:
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(words, "--dataset") from None


def _beside(weights: Path, label: str) -> dict[str, Any]:
    """What the card of a run's own weights says of their training."""
    try:
        card = json.loads((weights.parent / _NETWORK_CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(card, dict) or card.get("model") != label:
        return {}
    training = card.get("training")
    return training if isinstance(training, dict) else {}


def _setting(
    subject: Model, variant: Variant, weights: Path, training: Any, **making: float
) -> CompressionSetting:
    from cnnbench import files
    from cnnbench.probes.compression import settings

    _check_bounds(making)
    wanted = settings.making(variant, **making)
    if wanted and training is None:
        raise UserError(
            f"{variant} must see images of what {subject.label} was trained on",
            "--dataset",
            "name it: fashion_mnist, tf_flowers, digits, or folder:PATH",
        )
    return settings.CompressionSetting(
        part="convert",
        variant=str(variant),
        training=training,
        weights=str(weights.resolve()),
        weights_sha256=files.sha256(weights.resolve()),
        **wanted,
    )


def _check_bounds(making: dict[str, float]) -> None:
    """An option takes what a suite's key of that name takes."""
    from pydantic import ValidationError

    from cnnbench.probes.compression.settings import FEWEST_REPRESENTATIVE, CompressionSpec

    if making["representative"] < FEWEST_REPRESENTATIVE:
        fewest = f"{FEWEST_REPRESENTATIVE} at least"
        raise UserError(f"it is {making['representative']:g}", "--representative", fewest)
    try:
        CompressionSpec.model_validate(making)
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}".replace("_", "-")
        raise UserError(f"it is {first['input']}", option, first["msg"]) from None


def _summary(card: dict[str, Any], out: Path) -> str:
    from cnnbench.units import show

    found = card["metrics"]
    words = [f"{out}: {card['model']} {card['variant']}, {show(card['bytes'], 'bytes')}"]
    if "top1" in found:
        words.append(
            f"top-1 {show(found['top1'], 'fraction')}, "
            f"agreement with float32 {show(found['agreement'], 'fraction')}"
        )
    if "coverage_macs" in found:
        words.append(f"{show(found['coverage_macs'], 'fraction')} of the MACs covered")
    words += card["read_back"].get("flags", [])
    return "; ".join([*words, f"card in {out.with_suffix('.json')}"])


def _say(message: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{message}", nl=False, err=True)
