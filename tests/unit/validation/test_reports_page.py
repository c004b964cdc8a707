"""The page as text: all in it, nothing asked for, everything escaped. Chromium tests the rest."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskport.errors import InputError
from maskport.metrics import AGREEMENT, SALIENCY
from maskport.validation.maps import MapStore
from maskport.validation.reports import page as page_module
from maskport.validation.reports import write_html
from maskport.validation.reports.page import render_page
from maskport.validation.reports.pictures import MOST_PHOTOS
from maskport.validation.reports.plots import latency_ranges, latency_scatter
from maskport.validation.reports.wording import METRICS, metric_label, metric_value
from maskport.validation.results import Photo, PhotoResult, Results

STYLE = (Path(page_module.__file__).parent / "page.css").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sources: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.sources.append((self.cdata_elem, data))


@pytest.fixture(scope="module")
def page(sample_run: tuple[Results, MapStore]) -> str:
    return render_page(*sample_run)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_it_goes_into_a_folder_or_a_file(
    sample_run: tuple[Results, MapStore], tmp_path: Path
) -> None:
    assert write_html(sample_run[0], None, tmp_path / "report") == tmp_path / "report/index.html"
    assert write_html(sample_run[0], None, tmp_path / "r.html") == tmp_path / "r.html"
    assert (tmp_path / "r.html").read_bytes() == (tmp_path / "report/index.html").read_bytes()


def test_it_goes_nowhere_where_a_file_has_the_folders_name(
    sample_run: tuple[Results, MapStore], tmp_path: Path
) -> None:
    (tmp_path / "report").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is a file"):
        write_html(sample_run[0], None, tmp_path / "report")


def test_it_asks_nobody_for_anything(page: str) -> None:
    for tag, attributes in Elements(page).tags:
        for name in ("src", "href", "action", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "url(http" not in page
    assert "@import" not in page


def test_only_its_own_style_and_script_are_allowed(page: str) -> None:
    elements = Elements(page)
    policy = next(
        attributes["content"] or ""
        for tag, attributes in elements.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    # The data's script isn't run, so it needs no hash.
    for kind, text in elements.sources:
        if not text.startswith("{"):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [tag for tag, attributes in elements.tags if "style" in attributes]


def test_names_and_reasons_are_text_whatever_they_hold(
    sample_run: tuple[Results, MapStore],
) -> None:
    results, maps = sample_run
    hostile = "</script><script>alert(1)</script><!--<script>'\"\u2028</style>{{ 7 * 7 }}"
    artifact = results.artifacts["tflite-int8"]
    photos = [p.model_copy(update={"photo": hostile + p.photo}) for p in artifact.photos]
    changed = artifact.model_copy(
        update={
            "target": hostile,
            "path": hostile,
            "runtime": hostile,
            "photos": photos,
            "gates": [
                g.model_copy(update={"text": hostile, "gate": hostile}) for g in artifact.gates
            ],
        }
    )
    page = render_page(
        results.model_copy(
            update={
                "bundle": hostile,
                "artifacts": {hostile: changed},
                "photos": [p.model_copy(update={"name": hostile + p.name}) for p in results.photos],
            }
        ),
        maps,
    )
    assert [kind for kind, _ in Elements(page).sources].count("script") == 2
    assert "alert(1)</script>" not in page
    assert "{{ 7 * 7 }}" in page
    assert data_of(page)["cards"][0]["target"] == hostile


def test_what_didnt_pass_is_said_in_words_at_the_top(
    page: str, sample_run: tuple[Results, MapStore]
) -> None:
    top = page.split('id="artifacts"')[0]
    assert "10 of 15 artifacts passed" in top
    for artifact in sample_run[0].failures():
        assert f">{artifact.target}</a>" in top
    assert "IMG_0412.jpg" in top
    assert "&lt;function call&gt;" in top


def test_what_differs_from_the_baselines_run_stands_above_the_artifacts(page: str) -> None:
    top = page.split('id="artifacts"')[0]
    assert "another kind of processor: &lt;b&gt;arm64" in top
    assert "AMD EPYC 7763 (x86_64, avx2)" in top


def test_photos_are_sorted_worst_first(page: str) -> None:
    ious = [float(card["shown"][0][1]) for card in data_of(page)["cards"]]
    assert ious == sorted(ious)
    # The flat mask of that photo, made so in the sample.
    assert data_of(page)["cards"][0]["flags"] == ["flat where the reference draws something"]


def test_each_picture_is_embedded_once(page: str, sample_run: tuple[Results, MapStore]) -> None:
    data = data_of(page)
    assert len(set(data["images"])) == len(data["images"])
    used = {card[key] for card in data["cards"] for key in ("mask", "heat")}
    used |= {photo[key] for photo in data["photos"] for key in ("image", "reference")}
    assert used == set(range(len(data["images"])))
    # Photos are not made anew: they are the store's bytes.
    photo = sample_run[1].photo(0)
    assert photo is not None
    assert base64.b64decode(data["images"][data["photos"][0]["image"]].split(",")[1]) == photo


def test_a_mask_is_the_opacity_of_a_picture(
    page: str, sample_run: tuple[Results, MapStore]
) -> None:
    data = data_of(page)
    content = base64.b64decode(data["images"][data["photos"][2]["reference"]].split(",")[1])
    alpha = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[..., 3]
    reference = sample_run[1].reference(2)
    assert reference is not None
    # 64 steps of opacity: half a step is 2.02 of 255. Nothing and everything are exact.
    np.testing.assert_allclose(alpha.astype(int), reference[0], atol=2)
    np.testing.assert_array_equal(alpha[reference[0] == 255], 255)
    np.testing.assert_array_equal(alpha[reference[0] == 0], 0)


def test_of_many_photos_the_worst_are_shown_and_the_rest_counted(
    sample_run: tuple[Results, MapStore],
) -> None:
    results = sample_run[0]
    photos = [Photo(name=f"{n}.jpg", width=4, height=3) for n in range(40)]
    found = [
        PhotoResult(photo=photo.name, metrics={"iou": n / 40, "mae": 0.1})
        for n, photo in enumerate(photos)
    ]
    artifact = results.artifacts["onnx-fp32"].model_copy(update={"photos": found[::-1]})
    page = render_page(
        results.model_copy(update={"photos": photos, "artifacts": {"onnx-fp32": artifact}}), None
    )
    cards = data_of(page)["cards"]
    assert [card["photo"] for card in cards] == list(range(MOST_PHOTOS))
    assert f"{40 - MOST_PHOTOS} other comparisons" in page


def test_masks_of_several_classes_are_drawn_in_colors(
    sample_run: tuple[Results, MapStore], tmp_path: Path
) -> None:
    results = sample_run[0]
    maps = MapStore(tmp_path)
    planes = np.zeros((3, 8, 8), np.float32)
    for plane, rows in enumerate((slice(0, 3), slice(3, 6), slice(6, 8))):
        planes[plane, rows] = 1
    maps.save_photo(0, np.zeros((8, 8, 3), np.uint8))
    maps.save_reference(0, planes)
    maps.save("onnx-fp32", 0, planes, np.zeros((8, 8), np.float32))
    page = render_page(results.model_copy(update={"labels": ["sky", "land", "sea"]}), maps)
    data = data_of(page)
    assert data["classes"] == 3
    content = base64.b64decode(data["images"][data["photos"][0]["reference"]].split(",")[1])
    assert len(Image.open(io.BytesIO(content)).convert("RGB").getcolors() or ()) == 3
    assert 'value="cutout"' not in page


def test_without_pictures_it_has_the_numbers(sample_run: tuple[Results, MapStore]) -> None:
    page = render_page(sample_run[0], None)
    assert "This run kept no pictures." in page
    assert not data_of(page)["images"]
    assert len(data_of(page)["cards"]) == len(data_of(render_page(*sample_run))["cards"])


def test_a_run_without_any_result_is_a_page_too(sample_run: tuple[Results, MapStore]) -> None:
    results = sample_run[0]
    dead = {"keras": results.artifacts["keras"]}
    bare = results.model_copy(
        update={
            "artifacts": dead,
            "pytorch": {},
            "reference": results.reference.model_copy(update={"truth": None, "photos": []}),
        }
    )
    page = render_page(bare, None)
    assert 'id="latency"' not in page
    assert 'id="photos"' not in page
    assert 'id="truth"' not in page


def test_emulated_results_are_labelled_and_explained(page: str) -> None:
    row = page.split('data-target="coreml-fp16"')[1].split("</tr>")[0]
    assert "emulated</abbr>" in row
    assert "not what the Neural Engine makes of it" in page


@pytest.mark.parametrize("name", [*AGREEMENT, *SALIENCY])
def test_every_metric_has_a_name_for_people(name: str) -> None:
    assert name in METRICS


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        # Cut, not rounded: only what is perfect reads so.
        ("iou", 0.99996, "0.9999"),
        ("iou", 1.0, "1.0000"),
        ("worst_iou", 0.29, "0.2900"),
        ("mae", 0.01234, "0.0123"),
        ("mae", 3.14e-6, "3.1e-6"),
        ("mae", 0.0, "0"),
        ("p5_photo_mae", None, "–"),
        ("psnr", 61.234, "61.2"),
    ],
)
def test_numbers_have_the_digits_that_count(name: str, value: float | None, text: str) -> None:
    assert metric_value(name, value) == text


def test_a_metrics_label_says_what_it_is_of() -> None:
    assert metric_label("worst_photo_iou") == "worst IoU at photo size"
    assert metric_label("something_new") == "something new"


def test_one_hiccup_doesnt_squeeze_the_latencies(sample_run: tuple[Results, MapStore]) -> None:
    ranges = latency_ranges(sample_run[0].artifacts.values())
    assert ranges is not None
    assert [row.p50 for row in ranges.rows] == sorted(row.p50 for row in ranges.rows)
    cut = [row for row in ranges.rows if row.cut]
    # The one whose 99th percentile the sample sets to six times its median of 41.3 ms.
    assert [(row.artifact.target, row.cut) for row in cut] == [("onnx-fp32", "248")]
    assert max(row.p90 for row in ranges.rows) > 60


@pytest.mark.parametrize("width", [860, 330])
def test_labels_of_the_scatter_stay_in_it_and_apart(
    sample_run: tuple[Results, MapStore], width: int
) -> None:
    plot = latency_scatter(sample_run[0].artifacts.values(), width, 400)
    assert plot is not None
    boxes = []
    for spot in plot.spots:
        length = 6.4 * len(spot.label)
        start = spot.label_x - {"start": 0, "middle": length / 2, "end": length}[spot.anchor]
        assert start >= 0
        assert start + length <= width
        boxes.append((start, spot.label_y - 8, start + length, spot.label_y))
    for index, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def palettes() -> list[tuple[str, dict[str, str]]]:
    """The colours of each theme, as the style sheet defines them."""
    blocks = re.findall(r"(:root[^{]*)\{([^{}]*--ground[^{}]*)\}", STYLE)
    light: dict[str, str] = {}
    found = []
    for selector, body in blocks:
        colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", body))
        light = light or colors
        found.append((selector.strip(), {**light, **colors}))
    return found


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_two_ways_to_a_dark_page_have_the_same_colors() -> None:
    screen = [colors for selector, colors in palettes() if "," not in selector]
    assert len(screen) == 3
    assert screen[1] == screen[2] != screen[0]


@pytest.mark.parametrize("theme", range(3), ids=["light", "dark by system", "dark by choice"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [(t, g) for t in ("ink", "muted", "good", "bad") for g in ("ground", "surface", "sunken")]
    + [("accent", "surface"), ("good", "good-soft"), ("bad", "bad-soft")],
)
def test_text_can_be_read_on_its_ground(theme: int, text: str, ground: str) -> None:
    colors = palettes()[theme][1]
    first, second = sorted((luminance(colors[text]), luminance(colors[ground])))
    # WCAG 2.2, 1.4.3, level AA for text of any size.
    assert (second + 0.05) / (first + 0.05) >= 4.5
