"""Settings of a training or evaluation that suites and cells share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from cnnbench.data import datasets
from cnnbench.data.augmentation import Augment
from cnnbench.data.datasets import LocalDataSet
from cnnbench.data.pictures import Fit
from cnnbench.errors import UserError
from cnnbench.metrics import QUALITY
from cnnbench.probes.accuracy import task_options
from cnnbench.probes.accuracy.task_options import FIELD, Pairs
from cnnbench.schema import StrictModel
from cnnbench.statistics.measurement import JudgedImages
from cnnbench.tasks import task as tasks

IMAGENET = "imagenet"
PRETRAINED, NONE, CONTINUE = "pretrained", "none", "continue"
EVALUATING = frozenset({PRETRAINED, NONE})
"""The recipes that train nothing."""
OWN: Literal["own"] = "own"

Count = Annotated[int, Field(strict=True, ge=1)]
Epochs = Annotated[int, Field(strict=True, ge=1, le=10000)]
Rate = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(ge=0, le=0.9)]
ImageSize = Annotated[int, Field(strict=True, ge=4, le=4096)] | Literal["own"]


def _known_dataset(name: str, info: ValidationInfo) -> str:
    """Check the name; the validation context of a suite has its ``search_path``."""
    search_path = info.context.get("search_path", ()) if isinstance(info.context, dict) else ()
    try:
        datasets.find(name, search_path)
    except UserError as error:
        raise ValueError(error.one_line()) from None
    return datasets.canonical(name)


def _known_task(name: str) -> str:
    try:
        tasks.TASKS.find(name)
    except UserError as error:
        raise ValueError(error.one_line()) from None
    return name


DataSetName = Annotated[str, AfterValidator(_known_dataset)]
TaskName = Annotated[str, AfterValidator(_known_task)]


class TrainingConfig(StrictModel):
    """Training of a network: everything except the image size and the hash of the weights.

    Attributes:
        dataset: a data set by name, or ``folder:PATH`` with data of one's own.
        task: trains only models for this task; by default each model is trained for its own.
        recipe: ``scratch``, ``transfer`` from pretrained ``weights``, ``continue``: train all of a
            network further from the weights of its file, or from a file of ``weights``;
            ``pretrained``: evaluate the network on all images of a folder without training, or
            ``none``: evaluate a network that a file holds, on the test images.
        epochs: passes over the training images; of phase one of a ``transfer``.
        train_examples: a stratified subset of the training images, or all.
        test_examples: a stratified subset of the test images, or all.
        validation: the share of the training images held out if the data set has no validation
            split.
        batch_size: images a step.
        optimizer: the algorithm, as Keras has it.
        learning_rate: the highest learning rate.
        schedule: decay of the learning rate from ``learning_rate`` to ``final_rate`` of it.
        final_rate: the last learning rate, as a share of the highest.
        warmup: share of all steps in which the rate rises from 0.
        weight_decay: decoupled from the gradient (AdamW, where the optimiser is Adam).
        clip_norm: largest global norm of a gradient, or None.
        label_smoothing: share of the target that is spread over all classes.
        augment: random changes of the training images; see below.
        early_stop: epochs without a better quality of the validation images before training ends,
            or None.
        options: settings that only some tasks have, in suites written like all others; with
            ``target_top1: 0.9`` (the metric is the task's) the time is measured until the
            validation images first reach it.
        batchnorm_momentum: of every BatchNormalization; with Keras' defaults (0.99, 0.999) the
            moving statistics do not converge in a short schedule.
        keep_weights: save the trained weights in the run's artifacts, and with recipe ``scratch``
            the network as a ``.keras`` file, which suites can use as a model.
        weights: of a ``transfer`` or a ``pretrained`` network: ``imagenet`` or a file; of
            ``continue`` a file, by default the model's own.
        dropout: before the new head of a ``transfer``.
        augment_head: ``augment`` applies to phase one of a ``transfer`` too; otherwise the
            backbone's features are computed once, and phase one takes seconds.
        fine_tune_epochs: length of phase two of a ``transfer``; 0 leaves the backbone frozen.
        fine_tune_rate: the highest learning rate of phase two.
        unfreeze_from: the first layer that phase two trains: an index, a name, or a fraction of
            the backbone's layers.
        preprocessing: that of the ``model``, or ``none``: it gets images in 0..255.
        class_names: of a ``pretrained`` network: a file with its class names, one per line, in the
            order of its outputs; by default the folder's names, in their order.
        fit: how pictures of another shape are brought to the image size; by default as the
            task does.
    """

    dataset: DataSetName
    task: TaskName | None = None
    recipe: Literal["scratch", "transfer", "continue", "pretrained", "none"] = "scratch"
    epochs: Epochs = 5
    train_examples: Count | None = None
    test_examples: Count | None = None
    validation: Share = 0.0
    batch_size: Annotated[int, Field(strict=True, ge=1, le=65536)] = 64
    optimizer: Literal["adam", "nadam", "sgd", "rmsprop"] = "adam"
    learning_rate: Rate = 0.001
    schedule: Literal["constant", "linear", "cosine", "exponential"] = "cosine"
    final_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    warmup: Share = 0.1
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: Augment = Augment()
    early_stop: Epochs | None = None
    options: Pairs = ()
    batchnorm_momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    keep_weights: bool = False
    weights: Annotated[str, Field(min_length=1)] = IMAGENET
    dropout: Share = 0.2
    augment_head: bool = True
    fine_tune_epochs: Annotated[int, Field(strict=True, ge=0, le=10000)] = 0
    fine_tune_rate: Rate = 0.0001
    unfreeze_from: (
        Annotated[int, Field(strict=True, ge=0)]
        | Annotated[float, Field(strict=True, gt=0, lt=1)]
        | Annotated[str, Field(strict=True, min_length=1)]
    ) = 0.5
    preprocessing: Literal["model", "none"] = "model"
    class_names: Annotated[str, Field(min_length=1)] | None = None
    fit: Fit | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _with_options(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Collect the options; report their mistakes together with those of the fields."""
        if not isinstance(given, dict):
            return handler(given)
        task = given.get("task", cls.model_fields["task"].default)
        is_known = isinstance(task, str) and task in tasks.TASKS
        fields, errors = task_options.collected(given, task if is_known else None)
        try:
            found = handler(fields)
        except ValidationError as error:
            errors = [*task_options.line_errors(error), *errors]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return found

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write options like all other fields.

        Fields added later are omitted if they have their default, so that existing keys stay valid.
        """
        found: dict[str, Any] = {}
        for name, value in plain(self).items():
            if name == FIELD:
                found |= self._written_options()
            elif name not in _LATER or self.is_changed(name):
                found[name] = value
        return found

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if not self.validation and not self.data_set.facts.has_validation:
            early_stop = ["early_stop"] if self.early_stop else []
            for name in early_stop + task_options.targets_in(self.options):
                raise ValueError(f"{name} needs validation images: set validation: 0.1")
        if self.recipe in EVALUATING:
            self._check_evaluation()
        if self.class_names and self.recipe != PRETRAINED:
            raise ValueError(f"class_names: only with recipe: {PRETRAINED}")
        foreign = {"scratch": _TRANSFER_ONLY, CONTINUE: _TRANSFER_ONLY - {"weights"}}
        if extra := foreign.get(self.recipe, frozenset()) & self.model_fields_set:
            changed = [name for name in sorted(extra) if self.is_changed(name)]
            if changed:
                raise ValueError(f"{', '.join(changed)}: only with recipe: transfer")
        return self

    def _check_evaluation(self) -> None:
        if self.recipe == PRETRAINED and not isinstance(self.data_set, LocalDataSet):
            raise ValueError(
                f"recipe: {PRETRAINED} needs a folder of images: folder:PATH (for a .keras or "
                f".tflite file, recipe: {NONE} takes the test images)"
            )
        possible = _EVALUATION - {"weights"} if self.recipe == NONE else _EVALUATION
        fields = set(TrainingConfig.model_fields) & self.model_fields_set - possible
        changed = [name for name in sorted(fields) if self.is_changed(name)]
        options = self.options
        changed += [*task_options.of_training(options), *task_options.targets_in(options)]
        if changed:
            raise ValueError(f"{', '.join(changed)}: recipe: {self.recipe} trains nothing")

    @classmethod
    def key_names(cls) -> list[str]:
        return [*(name for name in super().key_names() if name != FIELD), *task_options.names()]

    @property
    def data_set(self) -> datasets.DataSet:
        """The data set called `dataset`."""
        return datasets.find(self.dataset)

    @property
    def evaluated_at_once(self) -> int:
        """Number of images in a batch of the evaluation; fewer if they are large.

        It follows the batch of the training, which fits into the memory with its gradients: a small
        image may need tens of MB, as the regions of a head with masks do.
        """
        return min(256, 4 * self.batch_size)

    def is_changed(self, name: str) -> bool:
        """Return whether a field differs from its default."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    def _written_options(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        return dict(self.options)


_TRANSFER_ONLY = frozenset(
    ["weights", "dropout", "augment_head", "unfreeze_from", "fine_tune_epochs", "fine_tune_rate"]
)
_EVALUATION = frozenset(
    ["dataset", "task", "recipe", "weights", "test_examples", "preprocessing", "class_names"]
) | {FIELD, "fit"}
# Fields added after the first release, which keys omit at their defaults.
_LATER = frozenset({"task", "preprocessing", "class_names", "class_names_sha256", "fit"})


def label_parts(name: str, value: Any) -> Iterator[str]:
    """Yield the parts of a label for one field: ``batch_size=32``.

    A nested setting is written field by field, a path as its file name, a hash as its beginning.
    """
    if isinstance(value, Augment):
        for field, item in value:
            if item != type(value).model_fields[field].default:
                yield f"{field}={item}"
    elif name.endswith("_sha256"):
        yield f"{name.removesuffix('_sha256')}-{value[:8]}"
    elif isinstance(value, str):
        yield f"{name}={PurePath(value).name}"
    elif isinstance(value, tuple):
        yield f"{name}={':'.join(map(str, value))}"
    else:
        yield f"{name}={'none' if value is None else value}"


def is_quality(metric: str) -> bool:
    """Return whether a metric is measured on images of a data set."""
    return metric in QUALITY or metric == "agreement"


def images_in_label(metric: str, label: str) -> JudgedImages | None:
    """Return `AccuracySetting.judged_images` for a column of a CSV, which has only the label."""
    if not is_quality(metric) or "/" not in label:
        return None
    dataset, recipe, *rest = label.split("/")
    known = datasets.facts_of(dataset)
    if recipe == PRETRAINED or rest[:1] == [OWN]:
        return JudgedImages(0, known.classes)
    side = rest[0].removesuffix("px") if rest and rest[0].endswith("px") else ""
    return JudgedImages(int(side) if side.isdecimal() else known.px, known.classes)
