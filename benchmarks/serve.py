"""`maskport serve` under load: many clients that upload without pause, for so many seconds.

    python benchmarks/serve.py BUNDLE --target onnx-int8 --clients 32 --seconds 60

Counts answers by status, and says how long those took that came with a picture, and the memory of
the server and of its children on the way. Exit code 1 where an answer is neither 200 nor 429.
"""

from __future__ import annotations

import argparse
import io
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import psutil
import requests
from PIL import Image

from maskport.scenes import scene


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--target", default="onnx-int8")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queue", type=int, default=16)
    arguments = parser.parse_args()
    photos = [jpeg(seed) for seed in range(8)]
    command = [
        *(sys.executable, "-u", "-m", "maskport", "serve", arguments.bundle, "--port", "0"),
        *("--targets", arguments.target),
        *("--workers", str(arguments.workers), "--queue", str(arguments.queue)),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(
            match[1]
            for line in iter(server.stdout.readline, "")
            if (match := re.search(r"on (http://\S+)", line))
        )
        with ThreadPoolExecutor(arguments.workers) as warming:
            list(warming.map(lambda photo: posted(requests, address, photo), 2 * photos))
        memory = [resident(server.pid)]
        statuses: Counter[int | str] = Counter()
        seconds: list[float] = []
        numbers = count()
        until = time.monotonic() + arguments.seconds

        def ask() -> None:
            with requests.Session() as session:
                while time.monotonic() < until:
                    photo = photos[next(numbers) % len(photos)]
                    began = time.perf_counter()
                    try:
                        response = posted(session, address, photo)
                        status: int | str = response.status_code
                    except requests.RequestException as exc:
                        status = type(exc).__name__
                    statuses[status] += 1
                    if status == 200:
                        seconds.append(time.perf_counter() - began)
                        assert response.content[:4] == b"\x89PNG"
                    elif status == 429:
                        time.sleep(float(response.headers["Retry-After"]))

        clients = [threading.Thread(target=ask) for _ in range(arguments.clients)]
        began = time.monotonic()
        for client in clients:
            client.start()
        for part in (1, 2):
            time.sleep(arguments.seconds / 2 - 0.2)
            memory.append(resident(server.pid))
            print(f"half {part} is over", file=sys.stderr)
        for client in clients:
            client.join()
        passed = time.monotonic() - began
        memory.append(resident(server.pid))
    finally:
        server.send_signal(signal.SIGINT)
        ended = server.wait(30)
    print(
        f"{arguments.clients} clients, {passed:.0f} s, {arguments.workers} workers,"
        f" {arguments.queue} may wait; ended with {ended}"
    )
    print("answers:", ", ".join(f"{n} x {status}" for status, n in statuses.most_common()))
    cuts = statistics.quantiles(seconds, n=100)
    print(
        f"with a picture: {len(seconds) / passed:.1f} a second,"
        f" p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s"
    )
    for name, (own, children) in zip(("start", "middle", "end", "after"), memory, strict=True):
        print(f"memory at the {name}: server {own / 1e6:.0f} MB, children {children / 1e6:.0f} MB")
    return 0 if statuses.keys() <= {200, 429} and ended == 0 else 1


def posted(by: Any, address: str, photo: bytes) -> requests.Response:
    """The answer to a photo."""
    response: requests.Response = by.post(address + "cutout", files={"file": photo}, timeout=120)
    return response


def jpeg(seed: int) -> bytes:
    """A photo of a megapixel or so."""
    written = io.BytesIO()
    Image.fromarray(scene(seed, 960, 1280).photo).save(written, "JPEG", quality=92)
    return written.getvalue()


def resident(pid: int) -> tuple[int, int]:
    """Bytes of a process, and of its children together."""
    process = psutil.Process(pid)
    children = process.children(recursive=True)
    return process.memory_info().rss, sum(child.memory_info().rss for child in children)


if __name__ == "__main__":
    sys.exit(main())
