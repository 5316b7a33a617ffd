"""The float32 network that some probes start from: trained here, from a file, or random.

Settings only; `probes.compression.training` makes the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cnnbench import files
from cnnbench.data.annotations import Kind
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.task_options import targets_in
from cnnbench.probes.accuracy.training_config import ImageSize, TrainingConfig
from cnnbench.probes.latency.settings import TimedSpec
from cnnbench.probes.settings import Misfit, Spec
from cnnbench.tasks.task import Objective


class Training(TrainingConfig):
    """Training of the float32 model: the options of the ``accuracy`` probe, with one seed.

    Attributes:
        recipe: one that trains; a weights file is given in `TrainedNetworkSpec`.
        image_size: as there.
    """

    recipe: Literal["scratch", "transfer"] = "scratch"
    image_size: ImageSize | None = None

    @model_validator(mode="after")
    def _has_no_accuracy_options(self) -> Self:
        kept = ["keep_weights"] if self.keep_weights else []
        for name in targets_in(self.options) + kept:
            words = "is an option of the accuracy probe; here weights are always kept"
            raise ValueError(f"{name} {words}")
        return self

    def setting(
        self, model: ModelInfo, dataset_sha256: str, weights_sha256: str
    ) -> AccuracySetting:
        """Return the setting of this training for ``model``, with every default filled in.

        Raises:
            UserError: the model does not support the image size.
        """
        hashes = {"dataset_sha256": dataset_sha256, "weights_sha256": weights_sha256}
        return next(self.spec().model_copy(update=hashes).settings(model))

    def spec(self) -> AccuracySpec:
        """Return the same training as a spec of the ``accuracy`` probe."""
        return AccuracySpec(**{name: getattr(self, name) for name in self.model_fields_set})


class NetworkSpec(Spec):
    """Entry of a probe that measures a trained network.

    Attributes:
        training: training of the float32 model; by default its weights are random.
        weights: file with the weights of the whole trained model; ``training`` then only gives the
            data set, and by its recipe the architecture of the head.
        weights_sha256, dataset_sha256, backbone_sha256: required hashes; by default those of the
            present files.
        folder_classes, folder_notes, folder_annotations: as in the ``accuracy`` probe.
    """

    names_unserved: ClassVar[bool] = True

    training: Training | None = None
    weights: Annotated[str, Field(min_length=1)] | None = None
    weights_sha256: str = ""
    dataset_sha256: str = ""
    backbone_sha256: str = ""
    folder_classes: int = 0
    folder_notes: tuple[str, ...] = ()
    folder_annotations: frozenset[Kind] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.weights and self.training is None:
            raise ValueError(
                "weights needs training: {dataset: ...}, the data they were trained on"
            )
        return self

    def serves(self, model: ModelInfo) -> bool:
        if model.converted_file is not None:
            return False
        spec = self._training_spec()
        return spec is None or spec.serves(model)

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        spec = self._training_spec()
        for misfit in spec.misfits(models) if spec else ():
            in_training = misfit.key[:1] not in ((), ("models",))
            yield replace(misfit, key=("training", *misfit.key)) if in_training else misfit

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """Return a copy with the hashes of the weights file and the data folder."""
        update: dict[str, Any] = {}
        if self.weights and not self.weights_sha256:
            where = files.weights_folders(search_path, data_dir)
            update["weights_sha256"] = files.hash_of(self.weights, where)
        if self.training is not None:
            located = self.training.spec().located(search_path, data_dir)
            update["backbone_sha256"] = self.backbone_sha256 or located.weights_sha256
            update["dataset_sha256"] = self.dataset_sha256 or located.dataset_sha256
            update["folder_classes"] = located.folder_classes
            update["folder_notes"] = located.folder_notes
            update["folder_annotations"] = located.folder_annotations
        return self.model_copy(update=update)

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        spec = self._training_spec()
        return spec.notes(models) if spec else super().notes(models)

    def network(self, model: ModelInfo) -> dict[str, Any]:
        """Return the fields of a setting that decide the float32 model."""
        if self.training is None:
            return {}
        return {
            "training": self.training.setting(model, self.dataset_sha256, self.backbone_sha256),
            "weights": self.weights or "",
            "weights_sha256": self.weights_sha256,
            "classes": self.training.data_set.facts.classes or self.folder_classes,
        }

    def _training_spec(self) -> AccuracySpec | None:
        """Return the training as a spec of the ``accuracy`` probe, for the models of this one."""
        if self.training is None:
            return None
        shared = ("models", "folder_notes", "folder_classes", "folder_annotations")
        return self.training.spec().model_copy(update={x: getattr(self, x) for x in shared})


class TrainedNetworkSpec(NetworkSpec, TimedSpec):
    """Entry of a probe that measures one trained network per model, in timed rounds."""


def trained_interface(
    model: ModelInfo, training: AccuracySetting, objective: Objective
) -> tuple[tuple[int, ...], int]:
    """Return the input shape and outputs of ``model`` as trained; a new head has new outputs."""
    own = model.classes if training.recipe != "transfer" or model.backbone else 0
    return training.images_for(model.input_shape), objective.outputs_for(own)
