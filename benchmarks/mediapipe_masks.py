"""Masks of MediaPipe's ImageSegmenter against PyTorch's, in Python and in a browser.

    pip install -c constraints.txt '.[tflite,mediapipe]'
    maskport export u2netp --weights ../shared/weights/u2netp_sky.pth \
        --calibration ../shared/images/sky/images --out sky \
        --targets tflite-fp32,tflite-fp16,tflite-dynamic-int8,tflite-int8
    python benchmarks/mediapipe_masks.py sky ../shared/images/sky/images
    python benchmarks/mediapipe_masks.py sky ../shared/images/sky/images --web

A photo is resized to the network's size first, as an app does it; these bytes go to MediaPipe as
they are, and divided by 255 to PyTorch. How they become what a file takes MediaPipe reads from the
file. The last column is of whole photos, which MediaPipe resizes itself; the reference is then what
maskport draws of them.

`--web` needs npm, Chromium, its driver and selenium: `@mediapipe/tasks-vision` is installed into a
temporary folder, and its wasm run in a page that is served from there.
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskport import load_bundle
from maskport.imaging.convert import mask_for_photo, resize_photo
from maskport.imaging.photos import list_photos, read_photo
from maskport.validation.reference import load_reference

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]
# Of pixels (H, W, 3): the confidence mask and the category mask, (H, W) both.
Draw = Callable[[Bytes], tuple[Float, Bytes]]

PACKAGE = "@mediapipe/tasks-vision@1.1.0"
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),  # MediaPipe wants WebGL
)
SCRIPT = """
const [model, photo, width, height, done] = arguments;
const encoded = (values) => new Promise((resolve) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.split(",")[1]);
  reader.readAsDataURL(new Blob([values]));
});
(async () => {
  const tasks = "/node_modules/@mediapipe/tasks-vision";
  const { FilesetResolver, ImageSegmenter } = await import(tasks + "/vision_bundle.mjs");
  if (window.loaded !== model) {
    if (window.segmenter) window.segmenter.close();
    window.segmenter = await ImageSegmenter.createFromOptions(
      await FilesetResolver.forVisionTasks(tasks + "/wasm"),
      { baseOptions: { modelAssetPath: model }, outputCategoryMask: true },
    );
    window.loaded = model;
  }
  const pixels = new Uint8ClampedArray(await (await fetch(photo)).arrayBuffer());
  const masks = [];  // valid only within the callback
  window.segmenter.segment(new ImageData(pixels, width, height), (result) => {
    masks.push(encoded(result.confidenceMasks[0].getAsFloat32Array().slice()));
    masks.push(encoded(result.categoryMask.getAsUint8Array().slice()));
  });
  done(await Promise.all(masks));
})().catch((error) => done(String(error)));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--web", action="store_true", help="in Chromium instead of Python")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    reference = load_reference(bundle)
    image, mask = reference.spec.image, reference.spec.mask
    photos = [read_photo(path) for path in list_photos(arguments.photos).paths]
    pixels = [resize_photo(photo, image) for photo in photos]
    inputs = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    masks = reference.draw(inputs, "cpu")
    as_drawn = replace(mask, normalization="none")
    whole = [
        mask_for_photo(drawn, as_drawn, *photo.shape[:2])[0]
        for drawn, photo in zip(masks, photos, strict=True)
    ]
    darker = sum(int(photo.max()) < 255 for photo in photos)
    print(f"{len(photos)} photos; {darker} without white, which {image.divide_by} would stretch")
    print(f"{'target':22}{'MAE':>9}{'worst':>9}{'maximum':>9}{'category 0':>12}{'whole':>9}")
    for artifact in bundle.manifest.artifacts:
        if artifact.format != "tflite":
            continue
        with (web if arguments.web else python)(bundle.file(artifact.target)) as draw:
            found = [draw(photo) for photo in pixels]
            resized = [draw(photo)[0] for photo in photos]
        errors = np.array([np.abs(m - r[0]) for (m, _), r in zip(found, masks, strict=True)])
        means = errors.mean((1, 2))
        # Of one channel the object's category is 0, all else is 255.
        as_said = all(np.array_equal(c, np.where(m > 0.5, 0, 255)) for m, c in found)
        large = np.mean([np.abs(m - r).mean() for m, r in zip(resized, whole, strict=True)])
        print(
            f"{artifact.target:22}{means.mean():9.1e}{means.max():9.1e}{errors.max():9.1e}"
            f"{'the object' if as_said else 'NOT SO':>12}{large:9.1e}"
        )


@contextmanager
def python(file: Path) -> Iterator[Draw]:
    import mediapipe
    from mediapipe import tasks

    options = tasks.vision.ImageSegmenterOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(file)), output_category_mask=True
    )
    with tasks.vision.ImageSegmenter.create_from_options(options) as segmenter:

        def draw(pixels: Bytes) -> tuple[Float, Bytes]:
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
            )
            found = segmenter.segment(image)
            mask, category = found.confidence_masks[0], found.category_mask
            size = pixels.shape[:2]
            return (
                mask.numpy_view().reshape(size).copy(),
                category.numpy_view().reshape(size).copy(),
            )

        yield draw


@contextmanager
def web(file: Path) -> Iterator[Draw]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with TemporaryDirectory() as name:
        folder = Path(name)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", PACKAGE]
        subprocess.run(command, cwd=folder, check=True)
        shutil.copy(file, folder / "model.tflite")
        (folder / "index.html").write_text("<!doctype html><title>MediaPipe</title>")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for option in OPTIONS:
            options.add_argument(option)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        driver.set_script_timeout(600)
        try:
            with served(folder) as address:
                driver.get(address)
                yield functools.partial(in_page, driver, folder)
        finally:
            driver.quit()


def in_page(driver: Any, folder: Path, pixels: Bytes) -> tuple[Float, Bytes]:
    height, width = pixels.shape[:2]
    opaque = np.full((height, width, 1), 255, np.uint8)
    (folder / "photo").write_bytes(np.concatenate([pixels, opaque], -1).tobytes())
    said = driver.execute_async_script(SCRIPT, "/model.tflite", "/photo", width, height)
    if isinstance(said, str):
        raise SystemExit(said)
    mask, category = (base64.b64decode(part) for part in said)
    return (
        np.frombuffer(mask, np.float32).reshape(height, width),
        np.frombuffer(category, np.uint8).reshape(height, width),
    )


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


if __name__ == "__main__":
    main()
