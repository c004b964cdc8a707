"""One place says which photos a number is taken over."""

from __future__ import annotations

import pytest

from maskport.metrics import AGREEMENT, counts
from maskport.validation.results import Photo, counted

OBJECTS = ("sure", "unsure", "small", "none")


@pytest.mark.parametrize("metric", ["iou", "sweep_iou", "soft_iou", "boundary_f", "photo_iou"])
def test_overlaps_count_photos_with_an_object_that_is_sure(metric: str) -> None:
    assert counts(OBJECTS, metric) == [True, False, False, False]


@pytest.mark.parametrize("metric", ["mae", "rmse", "psnr", "max_error", "p999_error", "photo_mae"])
def test_errors_count_all_but_photos_that_the_network_is_unsure_of(metric: str) -> None:
    assert counts(OBJECTS, metric) == [True, False, True, True]


@pytest.mark.parametrize("metric", AGREEMENT)
def test_where_the_network_is_sure_of_none_unsure_photos_count(metric: str) -> None:
    assert counts(("unsure", "unsure"), metric) == [True, True]


def test_where_it_draws_no_object_no_photo_has_an_overlap() -> None:
    assert counts(("small", "none"), "iou") == [False, False]
    assert counts(("small", "none"), "mae") == [True, True]


@pytest.mark.parametrize("metric", AGREEMENT)
def test_of_older_results_all_photos_count(metric: str) -> None:
    assert counts((None, None), metric) == [True, True]


def test_photos_are_named_in_their_order() -> None:
    photos = [
        Photo(name=name, width=1, height=1, object=kind)
        for name, kind in (("b", "sure"), ("c", "none"), ("a", "sure"))
    ]
    assert counted(photos, "iou") == ["b", "a"]
    assert counted(photos, "mae") == ["b", "c", "a"]
