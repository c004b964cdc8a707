"""The web example as its tests and `benchmarks/web_example.py` use it: built, served, operated."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chromium import first

__all__ = ["SOFTWARE_GPU", "Page", "RegistryUnreachable", "built", "serving"]

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# Of Chromium: WebGPU by its own software renderer, where there is no GPU.
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)
# What npm says where it reaches no registry.
_UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH")
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class RegistryUnreachable(Exception):
    """npm isn't here, or reaches no registry."""


def built(bundle: Path, folder: Path) -> Path:
    """Copy the app, fill it from a bundle, install what it needs, and build it.

    Returns:
        The folder to serve.

    Raises:
        RegistryUnreachable: What it needs can't be installed here.
    """
    app = folder / "web"
    made = shutil.ignore_patterns("node_modules", "dist", "models", "photos", "generated")
    shutil.copytree(EXAMPLES / "web", app, ignore=made)
    if shutil.which("npm") is None:
        raise RegistryUnreachable("there is no npm")
    done = _ran("npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=1", cwd=app)
    if done.returncode and any(code in done.stderr for code in _UNREACHABLE):
        raise RegistryUnreachable(f"npm reaches no registry: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    for command in (
        (sys.executable, str(EXAMPLES / "copy_bundle.py"), str(bundle), "web", "--app", str(app)),
        ("npm", "run", "build"),
    ):
        done = _ran(*command, cwd=app)
        assert done.returncode == 0, done.stdout + done.stderr
    return app / "dist"


def _ran(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


class _Files(SimpleHTTPRequestHandler):
    """As any server of static files, with the headers of examples/web/vite.config.js."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Page:
    """The app in a browser."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser = browser
        browser.get(address)

    def choose(self, photo: Path) -> None:
        """Give it a photo by the file dialog."""
        self._forget()
        first(self.browser, "#file").send_keys(str(photo))

    def drop(self, photo: Path) -> None:
        """Let go of a photo over the page."""
        self._forget()
        field = self.browser.execute_script(
            """const field = document.createElement("input");
            field.type = "file";
            document.body.append(field);
            return field;"""
        )
        field.send_keys(str(photo))
        self.browser.execute_script(
            """const [field] = arguments, dataTransfer = new DataTransfer();
            dataTransfer.items.add(field.files[0]);
            field.remove();
            for (const type of ["dragover", "drop"]) {
              document.body.dispatchEvent(
                new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
            }""",
            field,
        )

    def select(self, selector: str, value: str) -> None:
        """Choose a row of one of its lists: ``#left select`` or ``#providers``, say."""
        self.browser.execute_script(
            """const list = document.querySelector(arguments[0]);
            list.value = arguments[1];
            list.dispatchEvent(new Event("change"));""",
            selector,
            value,
        )

    def said(self, side: str, seconds: float = 60) -> str:
        """What stands under a side's list, once it has run."""
        found = first(self.browser, f"#{side} .said")
        said: str = self.until(
            lambda: (text := found.text) and text != "running …" and text, seconds
        )
        return said

    def _forget(self) -> None:
        """Take off what is said, so that what is said next is of the next photo."""
        self.browser.execute_script(
            'document.querySelectorAll(".said").forEach((said) => said.replaceChildren())'
        )

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait for something that is true, and give it."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, seconds, 0.1).until(lambda _: condition())

    def mask(self, side: str) -> NDArray[np.float32]:
        """How opaque the cut-out is that a side has drawn, (H, W) in [0, 1]."""
        shape, alpha = self.browser.execute_script(
            """const drawn = document.querySelector(arguments[0]);
            const {width, height} = drawn;
            const context = new OffscreenCanvas(width, height).getContext("2d");
            context.drawImage(drawn, 0, 0);
            const {data} = context.getImageData(0, 0, width, height);
            return [[height, width], [...data.filter((_, i) => i % 4 === 3)]];""",
            f".of-{side}",
        )
        return np.array(alpha, np.float32).reshape(shape) / 255
