"""Masks that the web example draws in Chromium against PyTorch's, and its picture in the docs.

    python -m benchmarks.web_example exports/sky --photos ../shared/images/sky/images
    python -m benchmarks.web_example exports/demo --screenshot docs/web-example.png

Each photo is given to the page twice: brought to the network's size by maskport, so that no other
filter plays a part, and as it is, when the page shrinks the photo and enlarges the mask. Masks are
bytes, as a canvas holds them. The picture is of a generated photo.

Needs npm, Chromium, its driver and selenium. The app is copied, filled and built elsewhere.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskport import load_bundle
from maskport.artifacts.bundle import Bundle
from maskport.imaging.convert import mask_for_photo, photo_to_input, resize_photo
from maskport.imaging.photos import list_photos, read_photo
from maskport.models.prepared import Reference
from maskport.validation.reference import load_reference
from tests.chromium import chromium, first, sized
from tests.web_example import Page, built, serving

WINDOW = (1080, 905)
COLORS = 200  # of the picture in the docs: a smaller file that looks the same


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--photos", type=Path, help="a folder: compare their masks")
    parser.add_argument("--screenshot", type=Path, help="a PNG to write")
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with (
            serving(built(bundle.path.resolve(), folder)) as address,
            chromium(folder / "profile") as browser,
        ):
            sized(browser, WINDOW)
            if given.photos:
                compare(Page(browser, address), bundle, given.photos, folder)
            if given.screenshot:
                picture(Page(browser, address), given.screenshot)


def compare(page: Page, bundle: Bundle, photos: Path, folder: Path) -> None:
    """Print the mean difference of each target's masks, over the photos and of the worst."""
    reference = load_reference(bundle)
    page.select("#right select", "photo")
    targets = [a.target for a in bundle.manifest.artifacts if a.format == "onnx"]
    rows: dict[str, list[tuple[float, float]]] = {target: [] for target in targets}
    for path in list_photos(photos).paths:
        photo = read_photo(path)
        small = resize_photo(photo, reference.spec.image)
        for target in targets:
            found = [shown(page, target, pixels, folder) for pixels in (small, photo)]
            wanted = [drawn(reference, pixels) for pixels in (small, photo)]
            pair = [float(np.abs(a - b).mean()) for a, b in zip(found, wanted, strict=True)]
            rows[target].append((pair[0], pair[1]))
            print(f"{path.name}  {target}  {pair[0]:.1e}  {pair[1]:.1e}", flush=True)
    print("\ntarget  of the network's size: mean, worst; as they are: mean, worst")
    for target, pairs in rows.items():
        means, worst = np.mean(pairs, axis=0), np.max(pairs, axis=0)
        figures = (means[0], worst[0], means[1], worst[1])
        print(target, *(f"{figure:.1e}" for figure in figures), sep="  ")


def shown(page: Page, target: str, pixels: NDArray[np.uint8], folder: Path) -> NDArray[np.float32]:
    """The mask that the page draws of a photo."""
    file = folder / "photo.png"
    Image.fromarray(pixels).save(file)
    page.select("#left select", "photo")
    page.choose(file)
    page.said("left")  # it has it
    page.select("#left select", target)
    said = page.said("left")
    if " on " not in said:
        raise SystemExit(said)
    return page.mask("left")


def drawn(reference: Reference, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """PyTorch's mask of a photo, as bytes hold it."""
    planes = reference.draw(photo_to_input(pixels, reference.spec.image), "cpu")[0]
    mask = mask_for_photo(planes, reference.spec.mask, *pixels.shape[:2])[0]
    return np.round(255 * mask).astype(np.float32) / 255


def picture(page: Page, file: Path) -> None:
    """Write what the page shows of its first sample photo."""
    page.until(lambda: first(page.browser, "#samples img").get_property("complete"))
    first(page.browser, "#samples button").click()
    page.said("left")
    page.said("right")
    shot = Image.open(io.BytesIO(page.browser.get_screenshot_as_png())).convert("RGB")
    shot.quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
