"""Skies: where they reach, what shines through, and the light that they give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport import open_segmenter
from maskport.apps import Segmenter, sky, sky_mask
from maskport.apps.sky import SKIES, drawn_sky, relit
from maskport.errors import UsageError
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

Pixels = np.ndarray
BLUE, GRASS, WHITE = (90, 140, 230), (60, 110, 50), (250, 250, 250)
SPEC = ModelSpec("fake", ImageSpec(40, 40), MaskSpec())


def blues(image: Pixels) -> Pixels:
    """Sky where it is blue."""
    return (image[:, 2:] > image[:, :1] + 0.2).astype(np.float32)


@pytest.fixture
def skies() -> Segmenter:
    return Segmenter(SPEC, blues)


@pytest.fixture
def photo() -> Pixels:
    """Blue above grass, 80 rows by 120 columns; the horizon is below row 50."""
    pixels = np.full((80, 120, 3), GRASS, np.uint8)
    pixels[:50] = BLUE
    return pixels


def test_another_sky_is_above_the_horizon_and_the_foreground_below(
    photo: Pixels, skies: Segmenter
) -> None:
    made = sky(photo, skies, color="#ff8000", relight=0)
    assert made.shape == photo.shape
    assert tuple(made[5, 60]) == (255, 128, 0) and tuple(made[75, 60]) == GRASS
    # At the edge nothing of the old sky is left.
    assert made[44:56, :, 2].max() <= GRASS[2] + 4


def test_a_picture_reaches_down_to_the_horizon_and_its_lower_part_is_kept(
    photo: Pixels, skies: Segmenter
) -> None:
    picture = np.zeros((300, 120, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, 300)[:, None]
    made = sky(photo, skies, picture=picture, relight=0)
    # 50 rows of 300 fit, the lowest.
    assert made[0, 60, 0] == pytest.approx(255 * 5 / 6, abs=8)
    assert made[46, 60, 0] > 235
    wide = sky(photo, skies, picture=np.zeros((10, 900, 3), np.uint8), relight=0)
    assert (wide[:40] == 0).all()


def test_a_photo_without_sky_stays_as_it_is(skies: Segmenter) -> None:
    grass = np.full((30, 40, 3), GRASS, np.uint8)
    np.testing.assert_array_equal(sky(grass, skies, drawn="dusk", relight=1), grass)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "a picture, a color or a drawn one"),
        ({"color": "red", "drawn": "dusk"}, "a picture, a color or a drawn one"),
        ({"drawn": "green"}, "no sky 'green'"),
        ({"color": "himmelblau"}, "is no color"),
        ({"drawn": "dusk", "relight": 2.0}, "no part of the light"),
    ],
)
def test_what_is_no_sky_is_refused(
    photo: Pixels, skies: Segmenter, options: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        sky(photo, skies, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SKIES)
def test_a_drawn_sky_is_the_same_each_time_and_lighter_at_the_horizon(name: str) -> None:
    made = drawn_sky(name, 60, 90)
    assert made.shape == (90, 60, 3)
    np.testing.assert_array_equal(made, drawn_sky(name, 60, 90))
    assert made[-3:].mean() > made[:3].mean()
    assert drawn_sky(name, 1, 1).shape == (1, 1, 3)


def test_the_same_sky_and_no_strength_change_nothing() -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (600, 8, 3), np.uint8)  # more than a strip
    old, new = np.array([BLUE] * 9, np.uint8), np.array([(250, 160, 90)] * 5, np.uint8)
    for made in (relit(photo, old, old, 1), relit(photo, old, new, 0)):
        assert np.abs(made.astype(int) - photo).max() <= 1  # there and back in bytes


def test_light_takes_the_new_skys_color_and_half_of_its_brightness() -> None:
    gray = np.full((4, 4, 3), 128, np.uint8)
    white, red, dark = (np.array([c], np.uint8) for c in (WHITE, (250, 150, 120), (60, 60, 60)))
    warm = relit(gray, white, red, 1)[0, 0].astype(int)
    assert warm[0] > warm[1] > warm[2]
    half = relit(gray, white, red, 0.5)[0, 0].astype(int)
    assert 0 < half[0] - half[2] < warm[0] - warm[2]
    darker = relit(gray, white, dark, 1)[0, 0].astype(int)
    assert darker.max() - darker.min() <= 1
    # Light of 250 and 60 differs by 0.047, whose root is 0.22, held at a quarter: 128 gives 67.
    assert darker[0] == pytest.approx(67, abs=2)
    black = np.zeros((2, 2, 3), np.uint8)
    assert (relit(black, white, red, 1) == 0).all()


def test_gaps_between_branches_are_sky_and_a_white_wall_is_none() -> None:
    """A trunk with gaps and a wall of the sky's color, neither of which the network sees as sky."""
    photo = np.full((200, 200, 3), WHITE, np.uint8)
    photo[120:] = GRASS
    photo[60:120, 60:140] = (50, 40, 30)
    photo[70:76, 70:130:8] = WHITE  # gaps of six pixels
    photo[60:120, 150:190] = WHITE  # a wall, of 6 % of the photo
    truth = np.zeros((200, 200), np.float32)
    truth[:60] = 1
    truth[60:120, :60] = 1
    small = np.asarray(Image.fromarray(truth).resize((40, 40), Image.Resampling.BOX))
    network = Segmenter(SPEC, lambda image: small[None, None])
    plain = sky_mask(photo, network, refine=False)
    found = sky_mask(photo, network)
    gaps = np.zeros((200, 200), bool)
    gaps[71:75, 70:130:8] = True
    assert plain[gaps].mean() < 60 and found[gaps].mean() > 240
    assert found[80:110, 155:185].max() == 0
    trunk = np.zeros((200, 200), bool)
    trunk[80:118, 64:136] = True
    assert found[trunk].max() < 20


@pytest.mark.shared
def test_a_trained_network_gives_a_tree_another_sky(shared: Path) -> None:
    photo = Image.open(shared / "images" / "sky" / "images" / "test_1856.jpg").convert("RGB")
    weights = shared / "weights" / "u2netp_sky.pth"
    with open_segmenter(weights, network="u2netp") as network:
        made = np.asarray(sky(photo, network, drawn="clear"))
        above = np.asarray(sky_mask(photo, network))
    before = np.asarray(photo)
    # White before, blue now; the trunk stays a trunk.
    assert before[40:80, 40:80].std(-1).max() < 12
    assert made[40:80, 40:80, 2].mean() - made[40:80, 40:80, 0].mean() > 80
    assert 0.4 < (above > 127).mean() < 0.9
    # The sky reaches down into the lower half, and the ground has none of it.
    assert (above[1200:] > 127).mean() < 0.02
