"""Export one variant of a trained model as a file, by the same two jobs as in a suite."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnbench import __version__, files
from cnnbench.data import datasets
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.metrics import METRICS
from cnnbench.models import registry
from cnnbench.models.model import Model
from cnnbench.named import show as show_shape
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import OWN
from cnnbench.probes.compression import paths, settings, variants
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.settings import Setting
from cnnbench.probes.trained_network import Training
from cnnbench.tasks.task import DEFAULT, TASKS
from cnnbench.text import pydantic_message
from cnnbench.units import show

_IDENTIFIER = b"TFL3"  # of a model's flatbuffer, behind its first four bytes
_KEYS = {"cnnbench", "variant", "sha256"}  # of the card of an export, among others
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
            to the weights.
        representative, fine_tune_epochs, fine_tune_rate: as in a suite.
        nms: put the postprocessing of the model's task inside the file.
    """

    model: str
    variant: str
    weights: Path | None
    out: Path
    dataset: str | None = None
    image_size: int | None = None
    recipe: str | None = None
    representative: int = 100
    fine_tune_epochs: int = 2
    fine_tune_rate: float = 0.0001
    nms: bool = False


# Runs one job per setting in sequence; arguments as of `execution.single_jobs.run`.
RunJobs = Callable[[str, Sequence[Setting], Sequence[Path], Path, Path], None]


def export(options: ExportOptions, run_jobs: RunJobs) -> dict[str, Any]:
    """Make a LiteRT file and its card; return the card.

    Args:
        options: which variant of which model, and where to.
        run_jobs: runs the jobs that make the file.

    Raises:
        UserError: an option is wrong, the weights do not fit, the file cannot be written, another
            file is there, or Keras would not run on TensorFlow.
        CnnbenchError: the variant cannot be made; the log is kept next to the file.
    """
    search_path = (Path.cwd(),)
    setting, trained = resolve(options, search_path)
    out = options.out.resolve()
    _check_free(out)
    parts = [setting.model_copy(update={"part": part}) for part in ("train", "convert")]
    with tempfile.TemporaryDirectory(prefix="cnnbench-export-") as temporary:
        artifacts, log = Path(temporary) / "export", Path(temporary) / "export.log"
        try:
            run_jobs(options.model, parts, search_path, artifacts, log)
        except UserError:
            raise
        except CnnbenchError as error:
            raise _with_log(error, log, out.with_name(f"{out.name}.log")) from error
        made = paths.converted_file(artifacts)
        card = json.loads((made.parent / paths.CARD).read_text(encoding="utf-8"))
        card = {"cnnbench": __version__} | card
        if trained:
            card["from"]["training"] |= trained
        try:
            _put(made, card, out)
        except OSError as error:
            raise UserError(f"cannot be written: {error.strerror}", str(out)) from None
    return card


def summary(card: Mapping[str, Any], out: Path) -> str:
    """Return the main facts of a card in one line."""
    found = card["metrics"]
    words = [f"{out}: {card['model']} {card['variant']}, {show(card['bytes'], 'bytes')}"]
    task = card.get("from", {}).get("training", {}).get("task", DEFAULT)
    quality = METRICS[TASKS.find(task).primary]
    titles = {
        quality.name: quality.phrase,
        "agreement": "agreement with float32",
    }
    shown = [f"{titles[n]} {show(found[n], METRICS[n].unit)}" for n in titles if n in found]
    words += [", ".join(shown)] if shown else []
    if "coverage_macs" in found:
        words.append(f"{show(found['coverage_macs'], 'fraction')} of the MACs covered")
    words += card["read_back"].get("flags", [])
    return "; ".join([*words, f"card in {_card_of(out)}"])


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
    _check_paths(options, model)
    trained = _training_facts(model, options)
    training = _training(model, trained)
    task = training.goal if training else TASKS.find(model.task)
    if options.nms and not task.finishes:
        what = f"{model.label} is for {task.name}, which has no NMS"
        raise UserError(what, "--nms", "omit it")
    if options.nms and any(step.needs_representative for step in variant.steps):
        what = f"{variant} would quantise boxes and scores too, to steps too coarse for NMS"
        raise UserError(what, "--nms", "omit it, or choose float32, ptq-float16 or ptq-dynamic")
    size = options.image_size
    if size is not None and training is not None and training.image_size != size:
        raise UserError(
            f"{model.label} keeps its own input, {show_shape(model.input_shape)}",
            "--image-size",
            "omit it",
        )
    wanted = settings.making(variant, _making_options(options))
    if wanted and training is None:
        raise UserError(
            f"{variant} needs images of the data set that {model.label} was trained on",
            "--dataset",
            f"choose one of: {', '.join(datasets.shown_names())}",
        )
    setting = CompressionSetting(
        part="convert",
        variant=str(variant),
        training=training,
        nms=options.nms,
        **_weights(options),
        **wanted,
    )
    return setting, trained


def _weights(options: ExportOptions) -> dict[str, Any]:
    """Return the fields of a setting that name the weights file, if there is one."""
    if options.weights is None:
        return {}
    file = options.weights.resolve()
    return {"weights": str(file), "weights_sha256": files.sha256(file)}


def _check_paths(options: ExportOptions, model: Model) -> None:
    weights, out = options.weights, options.out
    accepted = "--weights takes .weights.h5, .h5 or .keras"
    if weights is None and not model.is_trained:
        what = f"{model.label} comes without trained weights"
        raise UserError(what, "--weights", "name a file with them")
    if weights is None and options.dataset:
        raise UserError("needed with --dataset", "--weights", "name the file of MODEL itself")
    if weights is not None and not weights.is_file():
        raise UserError("no such file", str(weights), accepted)
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
    known = _training_card(options.weights, model.label) if options.weights else {}
    if given.get("dataset", known.get("dataset")) != known.get("dataset"):
        known = {}  # it describes another data set
    facts = known | given
    if facts and "dataset" not in facts:
        raise UserError("needed with --image-size and --recipe", "--dataset")
    return facts


def _training_card(weights: Path, label: str) -> dict[str, Any]:
    """Return the training of ``label`` as the card of a run's ``train`` job has it, or nothing."""
    card = _read_json(weights.parent / paths.FLOAT32_CARD)
    training = card.get("training") if card.get("model") == label else None
    return training if isinstance(training, dict) else {}


def _training(model: Model, facts: Mapping[str, Any]) -> AccuracySetting | None:
    """Return the training as a setting, or None if nothing is known of it."""
    if not facts:
        return None
    fields = {name: value for name, value in facts.items() if name not in _HASHES}
    if "input_shape" in model.stated | model.fixed:
        fields.setdefault("image_size", OWN)
    try:
        return Training(**fields).setting(model, facts.get("dataset_sha256", ""), "")
    except ValidationError as error:
        raise UserError(pydantic_message(error.errors()[0]), "--dataset") from None


def _making_options(options: ExportOptions) -> dict[str, Any]:
    """Return the options of compression steps, within the bounds of a suite's keys."""
    given = {name: getattr(options, name) for name in settings.MAKING}
    if (count := options.representative) < (fewest := settings.FEWEST_REPRESENTATIVE):
        raise UserError(f"{count:g} is too few", "--representative", f"at least {fewest}")
    try:
        settings.CompressionSpec.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}".replace("_", "-")
        words = pydantic_message(first)
        hint = words[:1].lower() + words[1:]
        raise UserError(f"{first['input']} is not valid", option, hint) from None
    return given


def _with_log(error: CnnbenchError, log: Path, kept: Path) -> CnnbenchError:
    """Return ``error`` with the place where the log is kept, if it can be."""
    try:
        shutil.copyfile(log, kept)
    except OSError:
        return error
    return CnnbenchError(f"{error} (its output is in {kept})")


def _check_free(out: Path) -> None:
    """Make sure that only files of an earlier export are replaced.

    Raises:
        UserError: another file is there, such as the weights or a run's own card.
    """
    card = _card_of(out)
    for file, is_ours, kind in (
        (out, _is_flatbuffer(out), "LiteRT file"),
        (card, _read_json(card).keys() >= _KEYS, "card of an export"),
    ):
        if file.exists() and not is_ours:
            raise UserError(f"exists and is not a {kind}", str(file), "choose another --out")


def _is_flatbuffer(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as stream:
        return stream.read(8)[4:] == _IDENTIFIER
    return False


def _read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one if there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _card_of(out: Path) -> Path:
    return out.with_suffix(".json")


def _put(made: Path, card: dict[str, Any], out: Path) -> None:
    """Write ``out`` and its card completely before either is put into its place."""
    text = json.dumps(card, indent=1, allow_nan=False)
    with files.replacing(_card_of(out)) as beside, files.replacing(out) as file:
        file.write(made.read_bytes())
        beside.write(f"{text}\n".encode())
