"""``scenes``: what a scene is made of, its annotations, and the parameters of the data set."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from cnnbench.data import datasets, fashion_mnist, loading
from cnnbench.data.annotations import NO_OBJECT, semantic_of
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import AnnotatedPictures, Fit
from cnnbench.data.scenes import SCENES, Recipe, Scenes, generate
from cnnbench.data.scenes.generate import SEEDS, Drawn, Draws, Scene, Split, garments_of
from cnnbench.data.scenes.pictures import ScenePictures
from cnnbench.errors import JobFailed, UserError

ONE = Recipe(objects=(1, 1), px=64, sides=(10, 44))
SMALL = "scenes[objects=1-3,px=48,sides=8-30]"


def made(index: int, recipe: Recipe = SCENES.recipe, split: Split = "train") -> Scene:
    return generate.scene(recipe, garments_of(split), SEEDS[split], index)


def digest(scene: Scene) -> str:
    numbers = np.array([*scene.labels, *np.ravel(scene.boxes)], "<i4")
    data = scene.image.tobytes() + scene.instances.tobytes() + numbers.tobytes()
    return hashlib.sha256(data).hexdigest()[:16]


@pytest.mark.parametrize(
    ("recipe", "split", "index", "expected"),
    [
        (SCENES.recipe, "train", 0, "5001ab2992ac3315"),
        (SCENES.recipe, "train", 19_999, "383d3bbf600ac508"),
        (SCENES.recipe, "test", 0, "370d6387360af659"),
        (SCENES.recipe, "test", 1_234, "65217860bfd2a989"),
        (ONE, "train", 5, "7cae353d8bc146a4"),
        (Recipe((4, 9), 200, (30, 31)), "test", 7, "352ea14c383394b3"),
    ],
)
def test_a_scene_is_the_same_on_every_machine(
    recipe: Recipe, split: Split, index: int, expected: str
) -> None:
    assert digest(made(index, recipe, split)) == expected


def test_a_scene_needs_none_of_those_before_it() -> None:
    several = generate.records(SCENES.recipe, "train", range(30, 40))
    alone = made(37)
    assert np.array_equal(several[7]["image"], alone.image)
    assert np.array_equal(several[7]["instances"], alone.instances)
    assert several[7]["labels"][: len(alone.labels)].tolist() == alone.labels


def test_scenes_of_other_seeds_and_indices_differ() -> None:
    assert len({digest(made(index, split=split)) for index in range(5) for split in SEEDS}) == 10


def test_a_box_is_the_smallest_around_the_visible_part() -> None:
    hidden = 0
    for index in range(100):
        scene = made(index)
        assert scene.instances.max() == len(scene.labels) == len(scene.boxes)
        for number, box in enumerate(scene.boxes, 1):
            rows, columns = np.nonzero(scene.instances == number)
            assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert all(0.4 <= share <= 1 for share in scene.visible)
        hidden += sum(share < 1 for share in scene.visible)
    assert hidden > 20


def test_pixels_are_those_of_the_garment_within_its_mask_and_dark_ground_elsewhere() -> None:
    for index in range(20):
        scene = made(index, Recipe((1, 1), 28, (28, 28)))  # the picture of the garment fills it
        mask = scene.instances == 1
        garments = garments_of("train")
        matches = [
            n
            for n in range(len(garments))
            if garments.labels[n] == scene.labels[0] and np.array_equal(garments.masks[n], mask)
        ]
        pictures = fashion_mnist.packaged("train")[0][matches, ..., 0]
        assert any(np.array_equal(picture[mask], scene.image[mask]) for picture in pictures)
        assert scene.image[~mask].max(initial=0) < 140


def test_the_ground_is_a_smooth_grid_with_noise() -> None:
    ground = generate.ground(112, Draws((9, 9), 25)).astype(float)
    assert ground.max() < 140
    # Means of 8 x 8 px, in which the noise of standard deviation 6.9 is 0.9.
    smooth = ground.reshape(14, 8, 14, 8).mean(axis=(1, 3))
    assert np.ptp(smooth) > 20
    assert np.abs(np.diff(smooth, axis=0)).max() < 35
    noise = generate.Draws((9, 9), 25).noise((1000, 100), 24)
    assert np.bincount(noise.ravel(), minlength=24).min() > 0.9 * 100_000 / 24
    assert noise.max() == 23


def test_a_garment_that_leaves_less_than_two_fifths_of_another_is_not_drawn() -> None:
    one = Drawn(0, slice(0, 5), slice(0, 5), pixels=10, visible=8)
    assert not generate.hides_too_much(one, 4)
    assert generate.hides_too_much(one, 5)
    # Garments that fill the scene hide one another, so that few of six are drawn.
    crowded = [len(made(index, Recipe((6, 6), 56, (54, 56))).labels) for index in range(20)]
    assert max(crowded) < 6


def test_numbers_and_sides_are_distributed_as_documented() -> None:
    fitting = [len(made(index, Recipe((1, 6), 224, (6, 10))).labels) for index in range(900)]
    assert set(fitting) == {1, 2, 3, 4, 5, 6}
    assert np.bincount(fitting, minlength=7)[1:].min() > 110  # 150 expected; hardly any overlap
    draws = Draws((4, 4), 1000)
    sides = np.array([generate.drawn_side((20, 56), draws) for _ in range(20_000)])
    assert (sides.min(), sides.max()) == (20, 56)
    # Log-uniform: half of them are below the geometric mean, 33.5.
    assert abs((sides <= 33).mean() - 0.5) < 0.02
    whole = math.log(56 / 20)
    assert abs((sides == 20).mean() - math.log(20.5 / 20) / whole) < 0.005
    assert abs((sides == 40).mean() - math.log(40.5 / 39.5) / whole) < 0.005


def test_a_single_side_is_always_drawn() -> None:
    draws = Draws((4, 4), 10)
    assert {generate.drawn_side((25, 25), draws) for _ in range(100)} == {25}


def test_draws_are_within_their_limit_and_go_on_beyond_the_first_block() -> None:
    draws, at_once = Draws((1, 2), 3), Draws((1, 2), 300)
    found = [draws.below(7) for _ in range(300)]
    assert set(found) == set(range(7))
    assert found == [at_once.below(7) for _ in range(300)]


def test_holes_are_filled_in_each_mask_alone() -> None:
    ring = np.ones((5, 5), bool)
    ring[0] = ring[4] = False
    ring[2, 2] = False
    open_ring = ring.copy()
    open_ring[1, 2] = False
    found = generate.filled(np.stack([ring, open_ring, ring]))
    assert found[0, 2, 2] and found[2, 2, 2]
    assert np.array_equal(found[1], open_ring)


def test_training_and_test_scenes_are_made_of_the_packaged_images_of_their_split() -> None:
    for split, count in (("train", 2500), ("test", 2000)):
        garments = garments_of(split)  # type: ignore[arg-type]
        assert len(garments) == count
        assert np.bincount(garments.labels).tolist() == [count // 10] * 10
        assert all(mask.any() for mask in garments.masks)


def test_the_smallest_garments_have_pixels() -> None:
    for split in SEEDS:
        garments = garments_of(split)
        assert all(garments.at(number, 6)[1].any() for number in range(len(garments)))


def test_one_object_is_always_drawn_and_makes_the_class_of_the_scene() -> None:
    data_set = datasets.find("scenes[objects=1,px=64,sides=10-44]")
    assert data_set == Scenes(ONE)
    assert data_set.facts.annotations == {"class", "boxes", "instances", "semantic"}
    pictures = ScenePictures(generate.records(ONE, "test", range(50)))
    objects = pictures.objects()
    assert objects.counts.tolist() == [1] * 50
    assert pictures.labels.tolist() == objects.labels[:, 0].tolist()
    assert isinstance(pictures, AnnotatedPictures)


def test_the_label_of_a_scene_is_that_of_its_largest_box() -> None:
    pictures = ScenePictures(generate.records(SCENES.recipe, "train", range(30)))
    for index, label in enumerate(pictures.labels):
        scene = made(index)
        areas = [(bottom - top) * (right - left) for top, left, bottom, right in scene.boxes]
        assert label == scene.labels[int(np.argmax(areas))]


def test_facts_follow_the_parameters() -> None:
    assert SCENES.facts.annotations == {"boxes", "instances", "semantic"}
    assert (SCENES.facts.px, SCENES.facts.classes, SCENES.facts.training_images) == (
        112,
        10,
        20_000,
    )
    found = datasets.find("scenes[px=224,objects=2-4]")
    assert found == Scenes(Recipe((2, 4), 224, (40, 112)))
    assert found.facts.px == 224
    assert datasets.find("scenes[sides=30]") == Scenes(Recipe(sides=(30, 30)))
    assert datasets.find("scenes") == datasets.find("scenes[objects=1-6,px=112,sides=20-56]")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scenes[object=1]", "scenes has no parameter 'object' (did you mean 'objects'?)"),
        ("scenes[colour=3]", "scenes has no parameter 'colour' (one of: objects, px, sides)"),
        ("scenes[objects=0]", "objects=0 of scenes is out of range (between 1 and 50)"),
        ("scenes[objects=6-1]", "objects=6-1 of scenes ends before it begins"),
        ("scenes[objects=many]", "objects=many of scenes is no number and no range (write"),
        ("scenes[objects=true]", "objects=true of scenes is no number"),
        ("scenes[objects=1.5]", "objects=1.5 of scenes is no number"),
        ("scenes[objects=none]", "objects=none of scenes is no number"),
        ("scenes[px=20]", "px=20 of scenes is out of range (between 32 and 1024)"),
        ("scenes[px=64x64]", "px=64x64 of scenes is no number"),
        ("scenes[px=64-128]", "px of scenes is one number (write px=64)"),
        ("scenes[px=64,sides=10-65]", "between 6 and 64, the side of the scene"),
        ("scenes[sides=2-20]", "sides=2-20 of scenes is out of range"),
        ("scenes[sides=99999999999-2]", "is no number and no range"),
        ("scenes[objects]", "'objects' in 'scenes[objects]' is not parameter=value"),
        ("scenes:x", "scenes takes no path"),
        ("scene", "unknown data set (did you mean 'scenes'?)"),
        ("digits[px=3]", "digits takes no parameters"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_allowed(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        datasets.find(name)
    assert message in caught.value.one_line()


def test_a_subset_is_the_first_scenes() -> None:
    data = loading.load(Request(SMALL, 48, 1, train_examples=12, test_examples=7))
    assert (len(data.train), len(data.test), data.validation) == (12, 7, None)
    recipe = Recipe((1, 3), 48, (8, 30))
    for index in (0, 11):
        assert np.array_equal(data.train.images[index, ..., 0], made(index, recipe).image)
    assert np.array_equal(data.test.images[6, ..., 0], made(6, recipe, "test").image)
    assert data.classes == fashion_mnist.CLASSES


def test_held_out_scenes_are_the_last_of_the_training_scenes() -> None:
    data = loading.load(Request(SMALL, 48, 1, train_examples=3, test_examples=1, validation=0.001))
    assert data.validation is not None
    assert (len(data.train), len(data.validation)) == (3, 20)
    recipe = Recipe((1, 3), 48, (8, 30))
    assert np.array_equal(data.validation.images[0, ..., 0], made(19_980, recipe).image)


def test_more_test_scenes_than_there_are_fail() -> None:
    with pytest.raises(JobFailed, match="2001 examples asked for, but there are only 2000"):
        loading.load(Request("scenes[px=32]", 32, 1, train_examples=1, test_examples=2001))


def test_no_training_scenes_are_made_where_nothing_is_trained() -> None:
    request = Request("scenes[px=32]", trains=False, test_examples=5)
    splits = SCENES.adjusted({"px": 32}).load(request, None, ())
    assert (len(splits.train.labels), len(splits.test.labels)) == (0, 5)


@pytest.mark.parametrize("channels", [1, 3])
def test_scenes_are_read_at_their_own_size_as_they_are(channels: int) -> None:
    pictures = ScenePictures(generate.records(SCENES.recipe, "train", range(4)))
    images, objects = pictures.read_annotated(np.array([3, 1]), 112, channels, "crop")
    assert images.shape == (2, 112, 112, channels)
    for row, index in enumerate((3, 1)):
        scene = made(index)
        assert (images[row] == scene.image[..., None]).all()
        assert np.array_equal(objects.instances[row], scene.instances)  # type: ignore[index]
        boxes = np.array(scene.boxes) / 112
        assert np.allclose(objects.boxes[row, : len(boxes)], boxes, atol=1e-6)
        assert (objects.boxes[row, len(boxes) :] == 0).all()
    assert objects.sizes.tolist() == [[112, 112]] * 2
    assert np.array_equal(pictures.read(np.array([3, 1]), 112, channels), images)


@pytest.mark.parametrize("fit", ["crop", "stretch", "letterbox"])
def test_boxes_and_masks_fit_the_image_at_every_size(fit: Fit) -> None:
    pictures = ScenePictures(generate.records(SCENES.recipe, "train", range(40)))
    height, width = 96, 160
    images, objects = pictures.read_annotated(np.arange(40), (height, width), 3, fit)
    assert images.shape == (40, height, width, 3)
    assert objects.instances is not None and objects.instances.shape == (40, height, width)
    scale = (height, width, height, width)
    for row in range(40):
        count = objects.counts[row]
        assert objects.instances[row].max() <= count
        assert (objects.labels[row, :count] >= 0).all()
        assert (objects.labels[row, count:] == NO_OBJECT).all()
        for number in range(1, count + 1):
            mask = objects.instances[row] == number
            beyond = objects.boxes[row, number - 1] * scale - generate.extent(mask)
            beyond *= (-1, -1, 1, 1)  # a cropped box is not shrunk to what is left of the mask
            assert beyond.min() >= -1.5
            assert fit == "crop" or beyond.max() <= 3  # a thin end may fall between two pixels
    before = pictures.objects().counts.sum()
    assert (objects.counts.sum() < before) == (fit == "crop")  # which cuts off 2 x 22 rows


def test_a_garment_cut_off_by_cropping_leaves_the_others_with_their_labels() -> None:
    pictures = ScenePictures(generate.records(SCENES.recipe, "train", range(40)))
    whole = pictures.objects()
    _, objects = pictures.read_annotated(np.arange(40), (56, 112), 1, "crop")
    fewer = np.flatnonzero(objects.counts < whole.counts)
    assert len(fewer) > 3
    for row in fewer:
        # Rows 28 to 83 are left.
        heights = np.clip(whole.boxes[row, :, [0, 2]].T * 112, 28, 84)
        left = (heights[:, 1] - heights[:, 0]) / np.maximum(
            (whole.boxes[row, :, 2] - whole.boxes[row, :, 0]) * 112, 1e-9
        )
        kept = (left >= 0.1) & (whole.labels[row] != NO_OBJECT)
        assert whole.labels[row][kept].tolist() == (
            objects.labels[row, : objects.counts[row]].tolist()
        )


def test_the_class_of_every_pixel_follows_from_objects() -> None:
    pictures = ScenePictures(generate.records(SCENES.recipe, "train", range(5)))
    objects = pictures.objects()
    semantic = semantic_of(objects.labels, objects.instances)  # type: ignore[arg-type]
    for row in range(5):
        scene = made(row)
        expected = np.array([0, *(label + 1 for label in scene.labels)])[scene.instances]
        assert np.array_equal(semantic[row], expected)
