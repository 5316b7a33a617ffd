"""The trained networks that a run keeps: what `cnnbench export RUN` can make a file of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench import files
from cnnbench.errors import CnnbenchError, UserError, one_of
from cnnbench.execution.run_folder import RunFolder
from cnnbench.models import registry
from cnnbench.probes import artifacts
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import EVALUATING
from cnnbench.probes.compression import exported_file, paths
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.probe import setting_of
from cnnbench.probes.stages.settings import StagesSetting
from cnnbench.record import PREPARE, Record, Repeat, job_key
from cnnbench.text import plural

_RANDOM = "random, seeded"  # `probes.compression.training.RANDOM`, which is heavy


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network of a run.

    Attributes:
        label: the model's name.
        setting: with which the ``compression`` probe makes or made it, of the part ``train``.
        folder: what the run made of the model, to be taken as it is.
        seed: of its training.
        by: the probe that kept it.
        record: of the job that made it.
    """

    label: str
    setting: CompressionSetting
    folder: Path
    seed: int
    by: str
    record: Record

    @property
    def title(self) -> str:
        """Name and training: ``LeNet5 (fashion_mnist/scratch/2ep)``."""
        training = self.setting.training
        return f"{self.label} ({training.label()})" if training else self.label

    @property
    def is_of_this_source(self) -> bool:
        """False if the model's builder is another one now than when the run trained it."""
        return _key_now(self.record, self.record.repeat) == self.record.key

    @property
    def training(self) -> dict[str, Any]:
        """The training as JSON values, without what does not decide the weights."""
        training = self.setting.training
        kept = training.model_copy(update={"keep_weights": False}) if training else None
        return kept.model_dump(mode="json") if kept else {}


def trained_networks(run: Path, records: Sequence[Record]) -> list[TrainedNetwork]:
    """Return the trained networks whose weights a run keeps, each training once.

    Of several seeds the first one is taken, not the best: the test images have not chosen it.

    Args:
        run: the run's folder.
        records: of its journal.
    """
    found: dict[str, TrainedNetwork] = {}
    for network in (*_of_variants(run, records), *_of_accuracy(run, records)):
        found.setdefault(f"{network.label} {network.training}", network)
    return list(found.values())


def chosen(
    networks: Sequence[TrainedNetwork], records: Sequence[Record], run: Path, **wanted: Any
) -> TrainedNetwork:
    """Return the only network that has the wanted properties.

    Args:
        networks: of the run.
        records: of its journal; they explain why a network is missing.
        run: the run's folder, for messages.
        wanted: ``model``, ``dataset``, ``recipe``, ``image_size``; None leaves one open.

    Raises:
        UserError: there is none, or several: they are listed.
    """
    model = wanted.pop("model", None)
    if model is not None:
        labels = list(dict.fromkeys(record.model for record in records))
        model = one_of(_label(model, labels), labels, "MODEL", str(run))
    left = [network for network in networks if model in (None, network.label)]
    if not left:
        raise _missing(model, records, run)
    fit = [network for network in left if _has(network, wanted)]
    if len(fit) == 1:
        return fit[0]
    listed = ", ".join(network.title for network in fit or left)
    if not fit:
        options = ", ".join(f"--{n.replace('_', '-')} {x}" for n, x in wanted.items() if x)
        raise UserError(f"no trained network of the run has {options}", str(run), listed)
    of_one_model = len({network.label for network in fit}) == 1
    how = "--dataset, --recipe or --image-size" if of_one_model else f"export {run} MODEL"
    what = f"keeps {plural(len(fit), 'trained network')}: {listed}"
    raise UserError(what, str(run), f"name one of them: {how}")


def _label(text: str, labels: Sequence[str]) -> str:
    """Return the label of a model as the command line names it."""
    if text in labels:
        return text
    try:
        return registry.resolve(text, (Path.cwd(),)).label
    except UserError:
        return text


def _has(network: TrainedNetwork, wanted: dict[str, Any]) -> bool:
    training = network.setting.training
    return all(
        value is None or (training is not None and getattr(training, name) == value)
        for name, value in wanted.items()
    )


def _missing(model: str | None, records: Sequence[Record], run: Path) -> UserError:
    """Return the error for weights that the run does not keep."""
    trained = [
        record
        for record in records
        if record.probe == AccuracySetting.probe and record.status == "ok"
    ]
    trained = [record for record in trained if model in (None, record.model)]
    whose = f" of {model}" if model else ""
    if any(record.setting.get("keep_weights") for record in trained):
        what = f"the weights{whose} that the run kept are gone from its artifacts"
        return UserError(what, str(run), "run its suite again with --fresh")
    hint = "set `keep_weights: true` in its suite's accuracy entry and run it again"
    if not trained:
        hint = "add to its suite an accuracy entry with `keep_weights: true`, or a compression"
        hint += " entry with a training, and run it again"
    return UserError(f"the run keeps no trained weights{whose}", str(run), hint)


def _of_variants(run: Path, records: Sequence[Record]) -> Iterator[TrainedNetwork]:
    """Yield the float32 networks that variants were made from."""
    for record in _successful(records):
        setting = setting_of(record)
        if isinstance(setting, StagesSetting) and setting.part == "weights":
            setting = CompressionSetting(
                part="train",
                training=setting.training,
                weights=setting.weights,
                weights_sha256=setting.weights_sha256,
                classes=setting.classes,
            )
        if not isinstance(setting, CompressionSetting) or setting.part != "train":
            continue
        of_model = RunFolder(run).model_folder(record.model)
        folder = of_model and artifacts.find(of_model, paths.float32_key(record.model, setting))
        card = exported_file.read_json(folder / paths.FLOAT32_CARD) if folder else {}
        if of_model and card and card.get("weights") != _RANDOM:
            yield TrainedNetwork(record.model, setting, of_model, 0, record.probe, record)


def _of_accuracy(run: Path, records: Sequence[Record]) -> Iterator[TrainedNetwork]:
    """Yield the networks whose weights the accuracy probe kept, the first seeds first."""
    numbered = [record for record in _successful(records) if isinstance(record.repeat, int)]
    for record in sorted(numbered, key=lambda record: int(record.repeat)):
        setting = setting_of(record)
        if not isinstance(setting, AccuracySetting) or setting.recipe in EVALUATING:
            continue
        of_model = RunFolder(run).model_folder(record.model)
        file = of_model and _kept_weights(record, run, of_model)
        if of_model is None or not file:
            continue
        made = CompressionSetting(
            part="train",
            training=setting.model_copy(update={"keep_weights": False}),
            weights=str(file.resolve()),
            weights_sha256=files.sha256(file),
            classes=setting.data_set.facts.classes or record.classes,
        )
        yield TrainedNetwork(record.model, made, of_model, int(record.repeat), record.probe, record)


def _kept_weights(record: Record, run: Path, of_model: Path) -> Path | None:
    """Return the weights file that a job of the accuracy probe kept, or None.

    The record names it; in runs of earlier versions it is found by the key of its cell.
    """
    if not record.setting.get("keep_weights"):
        return None
    if isinstance(named := record.details.get("kept_weights"), str):
        file = run / named
        is_inside = file.resolve().is_relative_to(run.resolve())
        return file if is_inside and file.is_file() else None
    folder = artifacts.find(of_model, key[:16]) if (key := _key_now(record, PREPARE)) else None
    kept = None if folder is None else folder / f"seed-{record.repeat}.weights.h5"
    return kept if kept is not None and kept.is_file() else None


def _key_now(record: Record, repeat: Repeat) -> str:
    """Return the key that a job like that of ``record`` would have now; empty without its model."""
    try:
        identity = registry.resolve(record.model, (Path.cwd(),)).identity()
    except CnnbenchError:
        return ""
    return job_key(identity, record.variant, record.probe, record.setting, repeat)


def _successful(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.status == "ok"]
