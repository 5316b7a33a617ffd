"""Rows of objects: which one is the largest of an image."""

from __future__ import annotations

from cnnbench.data.annotations import NO_OBJECT, of_lists

SMALL, LARGE = (0.0, 0.0, 0.2, 0.2), (0.0, 0.0, 0.9, 0.9)


def test_the_largest_object_is_an_ignored_one_only_where_there_is_no_other() -> None:
    objects = of_lists(
        [[1, 2], [3], [], [4, 5]],
        [[SMALL, LARGE], [SMALL], [], [LARGE, SMALL]],
        [(8, 8)] * 4,
        [[False, False], [True], [], [True, False]],
    )
    assert objects.largest().tolist() == [1, 0, NO_OBJECT, 1]


def test_images_without_any_object_have_no_largest_one() -> None:
    assert of_lists([[], []], [[], []], [(8, 8)] * 2).largest().tolist() == [NO_OBJECT] * 2


def test_crowds_are_known_only_where_there_are_some() -> None:
    boxes, sizes = [[SMALL, LARGE], [SMALL]], [(8, 8)] * 2
    ignored = [[True, True], [False]]
    found = of_lists([[1, 2], [3]], boxes, sizes, ignored, [[False, True], [False]])
    assert found.crowd is not None
    assert found.crowd.tolist() == [[False, True], [False, False]]
    assert of_lists([[1, 2], [3]], boxes, sizes, ignored, [[False] * 2, [False]]).crowd is None
