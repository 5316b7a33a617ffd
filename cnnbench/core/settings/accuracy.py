"""Settings of the ``accuracy`` probe: data set, recipe and schedule.

A suite's wording and a cell's setting share their fields (`Schedule`); the setting adds what was
filled in from the model, and says how all of it is written in a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from cnnbench.core import datasets
from cnnbench.core.errors import UserError, nearest
from cnnbench.core.model import Model
from cnnbench.core.reference import show
from cnnbench.core.settings import files, folders
from cnnbench.core.settings.base import (
    Form,
    Fraction,
    Setting,
    Spec,
    StoppingRule,
)

FOLDER = "folder:"
IMAGENET = "imagenet"
PRETRAINED = "pretrained"
OWN: Literal["own"] = "own"

Count = Annotated[int, Field(strict=True, ge=1)]
Epochs = Annotated[int, Field(strict=True, ge=1, le=10000)]
Rate = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(ge=0, le=0.9)]
ImageSize = Annotated[int, Field(strict=True, ge=4, le=4096)] | Literal["own"]


class Augment(Form):
    """Random changes of training images, each off at its default.

    Attributes:
        flip: mirror with probability one half.
        rotation: up to this fraction of a full turn either way.
        translation: up to this fraction of the side in both directions.
        zoom: up to this fraction in or out.
        contrast: factor drawn from 1 - contrast .. 1 + contrast.
        brightness: up to this fraction of the value range either way.
        crop: pad by this fraction of the side with black, then cut a random window.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    translation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crop: Annotated[float, Field(ge=0, le=0.5)] = 0.0

    def is_off(self) -> bool:
        """Whether images pass unchanged."""
        return self == Augment()


def _known(dataset: str) -> str:
    if not dataset.startswith(FOLDER) and dataset not in datasets.NAMED:
        known = ", ".join([*datasets.NAMED, f"{FOLDER}PATH"])
        hint = nearest(dataset, datasets.NAMED) or f"one of: {known}"
        raise ValueError(f"unknown data set ({hint})")
    if dataset == FOLDER:
        raise ValueError(f"needs a path behind it, as {FOLDER}photos")
    return dataset


DataSet = Annotated[str, AfterValidator(_known)]


class Schedule(Form):
    """Training of a network: everything except the image size and the hash of the weights.

    Attributes:
        dataset: a name in `datasets.NAMED`, or ``folder:PATH`` (a class a subfolder).
        recipe: ``scratch``, ``transfer`` from pretrained ``weights``, or ``pretrained``: nothing is
            trained, and the network is judged on all images of a folder as it comes.
        train_examples: a stratified subset of the training images, or all.
        test_examples: a stratified subset of the test images, or all.
        validation: the share of the training images held out where the data set brings no
            validation split of its own.
        schedule: how the learning rate goes from ``learning_rate`` to ``final_rate`` of it.
        warmup: share of all steps in which the rate rises from 0.
        weight_decay: decoupled from the gradient (AdamW, where the optimiser is Adam).
        clip_norm: largest global norm of a gradient, or None.
        early_stop: epochs without a better validation loss before training ends, or None.
        target_top1: the time until the validation images reach this share is measured, or None.
        batchnorm_momentum: of every BatchNormalization; Keras' defaults (0.99, 0.999) never let
            the moving statistics arrive in a short schedule.
        keep_weights: save the trained weights among the run's artifacts, and from scratch the
            network as a ``.keras`` file, which any suite can name as a model.
        weights: of a ``transfer`` or a ``pretrained`` network: ``imagenet`` or a file.
        dropout: before the new head of a ``transfer``.
        augment_head: whether ``augment`` changes the images of a ``transfer``'s phase one too;
            without it the backbone's features are computed once, and phase one takes seconds.
        fine_tune_epochs: length of phase two of a ``transfer``; 0 leaves the backbone frozen.
        fine_tune_rate: the learning rate that phase two begins with.
        unfreeze_from: the first layer that phase two trains: an index, a name, or a fraction of
            the backbone's layers.
        preprocessing: the ``model``'s own, or ``none``: it sees images in 0..255.
        class_names: of a ``pretrained`` network: a file with the names of its classes, one a line,
            in the order of its outputs; by default the folder's names, in their order.
    """

    dataset: DataSet
    recipe: Literal["scratch", "transfer", "pretrained"] = "scratch"
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
    target_top1: Fraction | None = None
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

    @model_serializer(mode="wrap")
    def _as_ever_where_not_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit later fields at their default, so that existing keys stay valid."""
        return {
            name: value
            for name, value in plain(self).items()
            if name not in _LATER or self._is_changed(name)
        }

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if not self.validation and self.dataset != "tf_flowers":
            for name in ("early_stop", "target_top1"):
                if getattr(self, name):
                    raise ValueError(f"{name} needs validation images: say validation: 0.1")
        if self.recipe == PRETRAINED:
            self._trains_nothing()
        elif self.class_names:
            raise ValueError(f"class_names: only with recipe: {PRETRAINED}")
        if self.recipe == "scratch" and (extra := _TRANSFER_ONLY & self.model_fields_set):
            changed = [name for name in sorted(extra) if self._is_changed(name)]
            if changed:
                raise ValueError(f"{', '.join(changed)}: only with recipe: transfer")
        return self

    def _trains_nothing(self) -> None:
        if not self.dataset.startswith(FOLDER):
            raise ValueError(f"recipe: {PRETRAINED} is judged on a folder of images: {FOLDER}PATH")
        fields = set(Schedule.model_fields) & self.model_fields_set - _JUDGED_BY
        if changed := [name for name in sorted(fields) if self._is_changed(name)]:
            raise ValueError(f"{', '.join(changed)}: recipe: {PRETRAINED} trains nothing")

    def _is_changed(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


_TRANSFER_ONLY = frozenset({"weights", "dropout", "augment_head", "unfreeze_from"}) | {
    "fine_tune_epochs",
    "fine_tune_rate",
}
# All that a network that is not trained can be asked.
_JUDGED_BY = frozenset({"dataset", "recipe", "weights", "test_examples"}) | {
    "preprocessing",
    "class_names",
}
_LATER = frozenset({"preprocessing", "class_names", "class_names_sha256"})
# These stand in a column's name in a form of their own, or (keep_weights) decide no number.
_WORDED = frozenset({"dataset", "recipe", "image_size", "epochs", "train_examples", "keep_weights"})


class AccuracySetting(Schedule, Setting):
    """One training schedule at one image size; a repeat is a seed.

    Attributes:
        image_size: side of the square images, in px, or ``own``: the network's input.
        weights_sha256: of the weights file; empty for ``imagenet``.
        dataset_sha256: of a folder's images; empty for the named data sets.
        class_names_sha256: of the file of names, where there is one.
    """

    probe: ClassVar[str] = "accuracy"
    image_size: ImageSize
    weights_sha256: str = ""
    dataset_sha256: str = ""
    class_names_sha256: str = ""

    def kind(self) -> str:
        return f"{self.probe} {self.recipe}"

    def images_for(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """``(height, width, channels)`` of the images for a network of this input; () as there."""
        if self.image_size == OWN:
            return tuple(input_shape)
        return self.image_size, self.image_size, 3 if tuple(input_shape[-1:]) == (3,) else 1

    def training_pixels(self, input_shape: Sequence[int]) -> float:
        if self.recipe == PRETRAINED:
            return 0.0
        px = datasets.facts(self.dataset).px
        height, width = self.images_for(input_shape)[:2] or (px, px)
        images = self.train_examples or datasets.facts(self.dataset).training_images
        passes = self.epochs
        if self.recipe == "transfer":
            through_backbone = self.augment_head and not self.augment.is_off()
            passes = (passes if through_backbone else 1) + self.fine_tune_epochs
        return float(passes * images * height * width)

    def label(self) -> str:
        parts = [_short_name(self.dataset), self.recipe]
        if self.image_size != datasets.facts(self.dataset).px and self.recipe != PRETRAINED:
            parts.append(OWN if self.image_size == OWN else f"{self.image_size}px")
        if self._is_changed("epochs"):
            parts.append(f"{self.epochs}ep")
        if self.train_examples is not None:
            parts.append(f"n{self.train_examples}")
        for name in type(self).model_fields:
            if name not in _WORDED and self._is_changed(name):
                parts.extend(_in_words(name, getattr(self, name)))
        return "/".join(parts)

    def primary_metrics(self) -> tuple[str, ...]:
        return ("top1",)


class AccuracySpec(Schedule, Spec):
    """``accuracy: [{dataset: digits, recipe: scratch, epochs: 2, seeds: 3}]``

    Attributes:
        image_size: side in px, for the models that state no input of their own, or ``own`` for
            all; by default the data set's, or the model's smallest.
        seeds: how many times the network is trained.
        weights_sha256: what the weights file must be; by default what it is (`cnnbench run`
            fills it in).
        dataset_sha256, class_names_sha256: likewise for a folder and for a file of names.
        folder_notes: what a folder's names say, filled in when it is found.
    """

    image_size: ImageSize | None = None
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3
    weights_sha256: str = ""
    dataset_sha256: str = ""
    class_names_sha256: str = ""
    folder_notes: tuple[str, ...] = ()

    def settings(self, model: Model) -> Iterator[AccuracySetting]:
        fields = {name: getattr(self, name) for name in Schedule.model_fields}
        yield AccuracySetting(
            **fields,
            image_size=self._image_size(model),
            weights_sha256=self.weights_sha256,
            dataset_sha256=self.dataset_sha256,
            class_names_sha256=self.class_names_sha256,
        )

    def notes(self, models: Sequence[Model]) -> Iterator[str]:
        """Yield remarks for the plan: on the folder's layout, and on models that differ.

        A model differs if it keeps its own image size, or is trained for other classes than its
        name states.
        """
        name, classes = _short_name(self.dataset), datasets.facts(self.dataset).classes
        yield from (f"{name}: {note}" for note in self.folder_notes)
        kept = [model for model in models if self._keeps_its_own(model)]
        if kept and self.image_size not in (None, OWN):
            rest = ", ".join(model.label for model in models if model not in kept)
            owners = (f"{m.label} keeps its own input, {show(m.input_shape)}" for m in kept)
            size = f"image_size: {self.image_size} applies to {rest or 'none of its models'}"
            yield f"{name}: {'; '.join([size, *owners])}"
        for model in models:
            if "classes" in model.stated and classes not in (0, model.classes):
                yield f"{name}: {model.label} is trained for the data set's {classes} classes"

    def _keeps_its_own(self, model: Model) -> bool:
        """Return whether the model is trained at its own input instead of the suite's size.

        A fixed input that is unknown before building is assumed to be the suite's size.
        """
        asked, sides = self.image_size, tuple(model.input_shape[:2])
        if "input_shape" in model.stated:
            return sides != (asked, asked)
        usual = asked or datasets.facts(self.dataset).px
        return "input_shape" in model.fixed and sides not in ((), (usual, usual))

    def _image_size(self, model: Model) -> int | Literal["own"]:
        asked, smallest = self.image_size, model.min_size or 1
        if self.recipe == PRETRAINED:
            if asked is not None:
                words = "a pretrained network is evaluated at its own input"
                raise UserError(words, hint="omit image_size")
            sides = set(model.input_shape[:2])
            return sides.pop() if len(sides) == 1 else OWN
        if asked == OWN or self._keeps_its_own(model):
            return OWN
        if asked is not None and asked < smallest:
            raise UserError(
                f"image_size is {asked}, but it takes at least {smallest} px",
                hint=f"omit image_size, or set it to {smallest}",
            )
        return asked or max(datasets.facts(self.dataset).px, smallest)

    def stopping_rule(self) -> StoppingRule:
        times = 1 if self.recipe == PRETRAINED else self.seeds  # nothing in it is random
        return StoppingRule(at_least=times, at_most=times)

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """The same with the hashes of the weights file and the folder that are found now.

        What is not there keeps an empty hash: its jobs will be skipped. A hash that the suite
        states stays.
        """
        hashes: dict[str, Any] = {}
        if self.recipe != "scratch" and self.weights != IMAGENET and not self.weights_sha256:
            where = files.weights_folders(search_path, data_dir)
            hashes["weights_sha256"] = files.hash_of(self.weights, where)
        if self.dataset.startswith(FOLDER) and not self.dataset_sha256:
            name = self.dataset.removeprefix(FOLDER)
            hashes["dataset_sha256"] = files.hash_of(name, search_path)
        if self.dataset.startswith(FOLDER):
            hashes["folder_notes"] = folders.notes(self.dataset.removeprefix(FOLDER), search_path)
        if self.class_names and not self.class_names_sha256:
            hashes["class_names_sha256"] = files.hash_of(self.class_names, search_path)
        return self.model_copy(update=hashes)


def _short_name(dataset: str) -> str:
    """The data set as a column names it: a folder by its own name, without the way there."""
    return PurePath(dataset.removeprefix(FOLDER)).name


def _in_words(name: str, value: Any) -> Iterator[str]:
    """``batch_size=32``; a form field by field; a path by its file name, a hash by its start."""
    if isinstance(value, Augment):
        for field, item in value:
            if item != type(value).model_fields[field].default:
                yield f"{field}={item}"
    elif name.endswith("_sha256"):
        yield f"{name.removesuffix('_sha256')}-{value[:8]}"
    elif isinstance(value, str):
        yield f"{name}={PurePath(value).name}"
    else:
        yield f"{name}={'none' if value is None else value}"
