"""Settings of the ``sliding`` probe: the classifier's training, and the pictures it slides over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cnnbench import files
from cnnbench.data.datasets import facts_of, short_name
from cnnbench.errors import UserError
from cnnbench.models import model_name
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import Count, DataSetName
from cnnbench.probes.settings import Setting, Spec, StoppingRule
from cnnbench.probes.trained_network import Training

HEAD = "slide"
MOSAIC: Literal["mosaic"] = "mosaic"
NOISE: Literal["noise"] = "noise"


class SlidingSetting(Setting):
    """One comparison; a repeat is a seed.

    Attributes:
        training: the training of the classifier, or the data set of a weights file; None for seeded
            random weights.
        weights: a file with the classifier's weights, or ''.
        weights_sha256: its hash.
        pictures: ``mosaic``: test images of the training side by side; ``noise``: random images;
            or a data set.
        count: number of pictures.
    """

    probe: ClassVar[str] = "sliding"
    training: AccuracySetting | None = None
    weights: str = ""
    weights_sha256: str = ""
    pictures: str = MOSAIC
    count: int = 20

    @property
    def depends_on_machine(self) -> bool:
        return False

    def kind(self) -> str:
        return f"{self.probe}, trained" if self.is_trained else self.probe

    @property
    def is_trained(self) -> bool:
        """True if the classifier is trained here."""
        return self.training is not None and not self.weights

    def training_pixels(self, input_shape: Sequence[int]) -> float:
        # The input of the whole is larger, but its classifier is trained at a size of its own.
        return self.training.training_pixels(()) if self.training and self.is_trained else 0.0

    def input_and_classes(self, model: ModelInfo) -> tuple[tuple[int, ...], int]:
        shape, classes = super().input_and_classes(model)
        count = facts_of(self.training.dataset).classes if self.training else 0
        if self.training and count:
            classes = self.training.objective([""] * count).outputs_for(classes)
        return shape, classes

    def label(self) -> str:
        trained = self.training.label() if self.training else "random weights"
        from_file = [f"weights={PurePath(self.weights).name}"] if self.weights else []
        return "/".join([trained, *from_file, short_name(self.pictures), f"n{self.count}"])

    def primary_metrics(self) -> tuple[str, ...]:
        return ("native_max_abs_diff", "place_max_abs_diff", "place_agreement")


class SlidingSpec(Spec):
    """``sliding: {training: {dataset: fashion_mnist, epochs: 2}, pictures: mosaic, count: 20}``

    It applies to models with the head ``slide``.

    Attributes:
        training: of the classifier; by default its weights are random.
        weights: a file with the classifier's weights; ``training`` then only gives the data set.
        pictures: what it slides over: ``mosaic`` (test images side by side), ``noise``, or a data
            set; by default a mosaic where there is a data set.
        count: number of pictures.
        seeds: number of trainings.
        weights_sha256, dataset_sha256: required hashes; by default those of the present files.
    """

    training: Training | None = None
    weights: Annotated[str, Field(min_length=1)] | None = None
    pictures: Literal["mosaic", "noise"] | DataSetName | None = None
    count: Count = 20
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    weights_sha256: str = ""
    dataset_sha256: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.training is None:
            for name in ("weights", "pictures"):
                if getattr(self, name) not in (None, NOISE):
                    raise ValueError(f"{name} needs training: {{dataset: ...}}, the data of it")
        elif self.training.recipe != "scratch":
            raise ValueError("training: only recipe: scratch trains the classifier that slides")
        return self

    def settings(self, model: ModelInfo) -> Iterator[SlidingSetting]:
        if not slides(model):
            return
        training = None
        if self.training is not None:
            classifier = model.backbone
            if classifier is None:
                raise UserError(f"the classifier of {model.label} is not known")
            training = self.training.setting(classifier, self.dataset_sha256, "")
        yield SlidingSetting(
            training=training,
            weights=self.weights or "",
            weights_sha256=self.weights_sha256,
            pictures=self.pictures or (NOISE if training is None else MOSAIC),
            count=self.count,
        )

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        if not any(map(slides, models)):
            yield f"none of the models has the head +{HEAD}, so nothing is compared"

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """Return a copy with the hashes of the weights file and the data folder."""
        update: dict[str, Any] = {}
        if self.weights and not self.weights_sha256:
            where = files.weights_folders(search_path, data_dir)
            update["weights_sha256"] = files.hash_of(self.weights, where)
        if self.training is not None and not self.dataset_sha256:
            located = self.training.spec().located(search_path, data_dir)
            update["dataset_sha256"] = located.dataset_sha256
        return self.model_copy(update=update)

    def stopping_rule(self) -> StoppingRule:
        return StoppingRule(at_least=self.seeds, at_most=self.seeds)


def slides(model: ModelInfo) -> bool:
    """Return whether a model has the head ``slide``."""
    head = model_name.parse(model.label).head
    return head is not None and head.name == HEAD
