"""Annotated data sets of TFDS: mocked, prepared from drawn pictures, and missing."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from cnnbench.data import datasets, downloads, loading
from cnnbench.data.annotations import IGNORED, NO_OBJECT
from cnnbench.data.datasets import Adjustable, Request
from cnnbench.data.pictures import AnnotatedPictures
from cnnbench.errors import JobFailed, Unavailable, UserError

Examples = Mapping[str, list[dict[str, Any]]]
Box = tuple[float, float, float, float]
COCO_CLASSES = [f"thing {number}" for number in range(80)]


def jpeg(height: int, width: int, grey: int) -> bytes:
    """Return an encoded picture of one grey."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (grey,) * 3).save(file, "JPEG", quality=95)
    return file.getvalue()


def boxed(
    number: int, objects: Sequence[tuple[int, Box, bool]], flag: str = "is_difficult"
) -> dict[str, Any]:
    """Return an example of VOC or COCO, 60 x 40 px, of a grey that tells its number."""
    more = {"pose": 0, "is_truncated": False} if flag == "is_difficult" else {"id": 1, "area": 9}
    rows = [
        {"label": label, "bbox": tfds.features.BBox(*box), flag: is_flagged, **more}
        for label, box, is_flagged in objects
    ]
    example = {
        "image": jpeg(40, 60, 10 * number),
        "image/filename": f"{number}.jpg",
        "objects": rows,
    }
    if flag == "is_difficult":
        return example | {"labels": [], "labels_no_difficult": []}
    return example | {"image/id": number}


def pet(number: int, breed: int, head: Box, trimap: np.ndarray) -> dict[str, Any]:
    """Return an example of a pet, of the size of its trimap, of a grey that tells its number."""
    height, width = trimap.shape
    return {
        "image": jpeg(height, width, 10 * number),
        "label": breed,
        "species": 0,
        "file_name": f"{number}.jpg",
        "segmentation_mask": trimap[..., None],
        "head_bbox": tfds.features.BBox(*head),
    }


def animal(height: int = 40, width: int = 60) -> np.ndarray:
    """Return a trimap: 10 rows and 20 columns of an animal in a border of 2 px."""
    trimap = np.full((height, width), 2, np.uint8)
    trimap[8:22, 28:52] = 3
    trimap[10:20, 30:50] = 1
    return trimap


NO_HEAD = (0.0, 0.0, 0.0, 0.0)
HEAD = (0.1, 0.2, 0.5, 0.6)
# The largest object is the second; the third is larger, but ignored.
THREE: list[tuple[int, Box, bool]] = [
    (3, (0.0, 0.0, 0.2, 0.2), False),
    (7, (0.25, 0.5, 0.75, 1.0), False),
    (9, (0.0, 0.0, 1.0, 1.0), True),
]


def mocked(examples: Examples) -> Any:
    """Mock TFDS, so that it has ``examples``, which pass through its features and their parser."""

    def as_dataset(
        self: Any, split: str, decoders: Any = None, read_config: Any = None, **others: Any
    ) -> Any:
        features = self.info.features
        stored = [features.serialize_example(one) for one in examples[split]]
        chosen = decoders.extract_features(features)
        read = partial(chosen.deserialize_example, decoders=decoders.decoders)
        return tf.data.Dataset.from_tensor_slices(tf.constant(stored, tf.string)).map(read)

    return tfds.testing.mock_data(as_dataset_fn=as_dataset)


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be asked of a network; TFDS is mocked, or its files are there."""
    monkeypatch.setattr(downloads, "reachable", lambda url: True)


def prepare(
    folder: Path, name: str, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """Prepare a data set with TFDS in a data folder, in three files a split."""
    builder = tfds.builder(name, data_dir=folder / "tensorflow_datasets")
    if name.startswith("coco"):
        builder.info.features["objects"].feature["label"].names = COCO_CLASSES

    def generated(self: Any, manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {split: iter(list(enumerate(found))) for split, found in examples.items()}

    monkeypatch.setattr(type(builder), "_split_generators", generated)
    config = tfds.download.DownloadConfig(num_shards=min(3, *map(len, examples.values())))
    builder.download_and_prepare(download_config=config)
    return Path(builder.data_dir), sorted(file.name for file in Path(builder.data_dir).iterdir())


def greys(images: np.ndarray) -> list[int]:
    """Return the number that each picture's grey tells."""
    return [round(float(image.mean()) / 10) for image in images]


def test_voc_has_boxes_classes_and_difficult_objects_as_ignored() -> None:
    examples = {
        "train": [boxed(1, THREE), boxed(2, [])],
        "validation": [boxed(3, [THREE[0]])],
        "test": [boxed(4, [THREE[1]]), boxed(5, [THREE[2]])],
    }
    with mocked(examples):
        data = loading.load(Request("voc", (20, 30), 3, fit="stretch"))
    assert len(data.classes) == 20
    assert data.classes[3] == "boat"
    assert [greys(part.images) for part in (data.train, data.validation, data.test)] == [  # type: ignore[union-attr]
        [1, 2], [3], [4, 5],
    ]  # fmt: skip
    found = data.train.objects
    assert found is not None
    assert found.labels.tolist() == [[3, 7, 9], [NO_OBJECT] * 3]
    assert np.allclose(found.boxes[0], np.array([box for _, box, _ in THREE]))
    assert found.ignored.tolist() == [[False, False, True], [False] * 3]
    assert found.crowd is None  # difficult, but one object
    assert found.sizes.tolist() == [[40, 60], [40, 60]]
    assert data.train.labels.tolist() == [7, NO_OBJECT]
    assert data.test.labels.tolist() == [7, 9]
    assert found.semantic is None
    assert data.train.images.shape == (2, 20, 30, 3)


def test_boxes_are_fitted_with_the_picture() -> None:
    with mocked({"train": [boxed(1, THREE)], "validation": [], "test": [boxed(2, THREE)]}):
        pictures = datasets.find("voc").load(Request("voc"), None, ()).train
        assert isinstance(pictures, AnnotatedPictures)
        images, found = pictures.read_annotated(np.array([0]), 20, 1, "crop")
        assert images.shape == (1, 20, 20, 1)
        assert pictures.read(np.array([0, 0]), 20, 1).shape == (2, 20, 20, 1)
    # Columns 10..50 of 60 are shown: 1/6 to 5/6. Of the first object 0.2 - 1/6 of 0.2 is left,
    # a sixth; of the second (5/6 - 1/2) / 0.5.
    assert found.labels.tolist() == [[3, 7, 9]]
    expected = [[0, 0, 0.2, (0.2 - 1 / 6) * 1.5], [0.25, 0.5, 0.75, 1], [0, 0, 1, 1]]
    assert np.allclose(found.boxes[0], np.array(expected), atol=1e-5)


def test_voc_2012_is_tested_on_its_validation_images_and_says_so() -> None:
    with mocked({"train": [boxed(1, THREE)], "validation": [boxed(2, THREE)]}):
        data = loading.load(Request("voc[year=2012]", 8, 3, fit="stretch"))
    assert greys(data.test.images) == [2]
    assert data.validation is None
    assert list(data.notes) == [
        "the official test images have no annotations; the test is on the official validation "
        "images"
    ]
    assert datasets.find("voc[year=2012]").facts.training_images == 5_717
    assert datasets.find("voc").facts.has_validation


def test_coco_counts_and_names_what_it_cannot_use() -> None:
    objects = [
        (79, (0.1, 0.1, 0.9, 0.9), False),
        (-1, (0.1, 0.1, 0.3, 0.3), False),
        (5, (0.5, 0.5, 0.5, 0.9), False),
        (2, (0.0, 0.0, 0.1, 0.1), True),
    ]
    examples = {
        "train": [boxed(1, objects, "is_crowd")],
        "validation": [boxed(2, [], "is_crowd")],
    }
    with mocked(examples):
        data = loading.load(Request("coco", 16, 3, fit="letterbox"))
    assert data.train.objects is not None
    assert data.train.objects.labels.tolist() == [[79, 2]]
    assert data.train.objects.ignored.tolist() == [[False, True]]
    assert data.train.objects.crowd is not None
    assert data.train.objects.crowd.tolist() == [[False, True]]
    assert list(data.problems) == [
        "train/1.jpg: object 2: no class",
        "train/1.jpg: object 3: a box of no area",
    ]
    assert data.test.labels.tolist() == [NO_OBJECT]
    assert data.test.objects is not None
    assert data.test.objects.boxes.shape == (1, 0, 4)


def test_pets_have_their_breed_their_box_and_a_mask_with_an_ignored_border() -> None:
    examples = {
        "train": [pet(1, 0, HEAD, animal()), pet(2, 36, NO_HEAD, animal())],
        "test": [pet(3, 5, NO_HEAD, animal()), pet(4, 5, NO_HEAD, np.full((40, 60), 2, np.uint8))],
    }
    with mocked(examples):
        data = loading.load(Request("oxford_iiit_pet", (40, 60), 3, fit="stretch"))
    assert (len(data.classes), data.classes[0], data.classes[36]) == (
        37, "Abyssinian", "yorkshire_terrier",
    )  # fmt: skip
    assert data.train.labels.tolist() == [0, 36]
    found = data.train.objects
    assert found is not None
    assert found.semantic is not None
    assert found.labels.tolist() == [[0], [36]]
    assert np.allclose(found.boxes, [[[10 / 40, 30 / 60, 20 / 40, 50 / 60]]] * 2)
    for semantic, label in zip(found.semantic, (0, 36), strict=True):
        assert (semantic == np.array([0, 1 + label, 0, IGNORED])[animal()]).all()
    assert data.test.labels.tolist() == [5, 5]
    assert data.test.objects is not None
    assert data.test.objects.labels.tolist() == [[5], [NO_OBJECT]]


def test_a_letterboxed_mask_is_ignored_beside_the_picture() -> None:
    examples = {split: [pet(1, 2, HEAD, animal(40, 80))] for split in ("train", "test")}
    with mocked(examples):
        data = loading.load(Request("oxford_iiit_pet", 40, 3, fit="letterbox"))
    found = data.test.objects
    assert found is not None
    assert found.semantic is not None
    assert (found.semantic[0, :10] == IGNORED).all()
    assert (found.semantic[0, 30:] == IGNORED).all()
    assert (found.semantic[0, 15:20, 15:25] == 3).all()


def test_heads_of_pets_come_from_the_training_images_that_have_one() -> None:
    heads = [pet(number, number % 2, HEAD, animal()) for number in range(1, 11)]
    train = [*heads, pet(11, 0, NO_HEAD, animal())]
    name = "oxford_iiit_pet[box=head]"
    with mocked({"train": train, "test": []}):
        splits = datasets.find(name).load(Request(name), None, ())
        data = loading.load(Request(name, (40, 60), 3, fit="stretch"))
    assert not splits.has_own_test
    assert (len(data.train), len(data.test)) == (8, 2)
    assert sorted(greys(data.train.images) + greys(data.test.images)) == list(range(1, 11))
    for part in (data.train, data.test):
        assert part.objects is not None
        assert np.allclose(part.objects.boxes, HEAD)
        assert (part.objects.labels[:, 0] == part.labels).all()
    assert list(data.problems) == ["train/11.jpg: no box of the head"]
    assert "a fifth of those 10 is for the test" in data.notes[0]


def test_random_pictures_of_tfds_own_mock_are_read() -> None:
    with tfds.testing.mock_data(num_examples=5):
        data = loading.load(Request("oxford_iiit_pet", 24, 1, train_examples=4))
    assert data.train.images.shape == (4, 24, 24, 1)
    assert data.test.objects is not None
    assert data.test.objects.semantic is not None
    assert data.test.objects.semantic.shape == (5, 24, 24)


@pytest.mark.parametrize("name", ["voc/2007", "coco/2017"])
def test_prepared_files_give_the_same_pictures_in_every_order(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = "is_difficult" if name.startswith("voc") else "is_crowd"
    many = [boxed(n, [(n, (0.0, 0.0, n / 20, 0.5), n % 2 == 0)], flag) for n in range(1, 9)]
    examples = dict.fromkeys(("train", "validation", "test"), many)
    _, files = prepare(tmp_path, name, examples, monkeypatch)
    assert sum("-train.tfrecord" in file for file in files) == 3
    found = datasets.find(name.partition("/")[0]).load(Request(name), tmp_path, ())
    pictures = found.train
    assert isinstance(pictures, AnnotatedPictures)
    assert sorted(pictures.labels.tolist()) == list(range(1, 9))
    whole, objects = pictures.read_annotated(np.arange(8), 16, 3, "stretch")
    assert greys(whole) == pictures.labels.tolist() == objects.labels[:, 0].tolist()
    assert np.allclose(objects.boxes[:, 0, 2], objects.labels[:, 0] / 20)
    assert (objects.ignored[:, 0] == (objects.labels[:, 0] % 2 == 0)).all()
    for order in ([7], [0], [5, 2, 3], [4, 4, 1], []):
        images, some = pictures.read_annotated(np.array(order, np.int64), 16, 3, "stretch")
        assert (images == whole[order]).all()
        assert some.labels[:, 0].tolist() == objects.labels[order, 0].tolist() if order else True
    if name.startswith("coco"):
        assert found.classes == tuple(COCO_CLASSES)
    location = datasets.find(name.partition("/")[0]).facts.location
    assert location is not None
    assert list((tmp_path / location.below).glob(location.evidence))


def test_a_damaged_picture_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = boxed(1, THREE) | {"image": jpeg(40, 60, 10)[:200]}
    examples = {"train": [damaged], "validation": [damaged], "test": [damaged]}
    folder, _ = prepare(tmp_path, "voc/2007", examples, monkeypatch)
    with pytest.raises(JobFailed) as caught:
        loading.load(Request("voc", 16, 3), tmp_path)
    assert str(caught.value).startswith("validation/1.jpg cannot be decoded (")
    assert f"delete {folder} and prepare it again" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("oxford_iiit_pet", "oxford_iiit_pet"),
        ("voc", "voc/2007"),
        ("voc[year=2012]", "voc/2012"),
        ("coco[year=2014]", "coco/2014"),
    ],
)
def test_one_that_cannot_be_had_says_how_to_provide_it(
    name: str, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "reachable", lambda url: False)
    with pytest.raises(Unavailable) as caught:
        loading.load(Request(name, 16, 3), tmp_path)
    folder = tmp_path / "tensorflow_datasets" / missing
    assert str(caught.value).startswith(
        f"{missing} is missing and cannot be downloaded; prepare it with TFDS elsewhere and copy "
        f"its folder to {folder}"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("voc[year=2011]", "voc has no year 2011 (one of: 2007, 2012)"),
        ("coco[yeer=2014]", "coco has no parameter 'yeer' (did you mean 'year'?)"),
        ("oxford_iiit_pet[box=tail]", "oxford_iiit_pet has no box tail (one of: animal, head)"),
        ("oxford_iiit_pet[task=3]", "oxford_iiit_pet has no parameter 'task' (one of: box)"),
    ],
)
def test_wrong_parameters_are_refused(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        datasets.find(name)
    assert caught.value.one_line() == message


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("oxford_iiit_pet", {"class", "boxes", "semantic"}),
        ("oxford_iiit_pet[box=head]", {"class", "boxes", "semantic"}),
        ("voc", {"boxes"}),
        ("coco[year=2014]", {"boxes"}),
    ],
)
def test_what_is_known_of_the_images_is_known_when_planning(name: str, kinds: set[str]) -> None:
    assert datasets.find(name).facts.annotations == kinds
    assert isinstance(datasets.find(name), Adjustable)


@pytest.mark.slow
def test_a_job_whose_data_are_missing_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\nmodels: [LeNet5]\nprobes:\n"
        "  accuracy: [{dataset: oxford_iiit_pet, image_size: 32, epochs: 1, seeds: 1}]\n"
    )
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "s.yaml", "--data-dir", "empty"],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "https_proxy": nobody, "http_proxy": nobody},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "oxford_iiit_pet is missing and cannot be downloaded" in done.stdout
    assert str(Path("tensorflow_datasets", "oxford_iiit_pet", "4.0.0")) in done.stdout
    assert not (tmp_path / "empty" / "tensorflow_datasets").exists()
