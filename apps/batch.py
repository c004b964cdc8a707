"""One application over many photos: workers with a network each, and nothing written in half."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from PIL import Image

from ..errors import ImageError, LostError, MaskportError, UsageError
from ..imaging.photos import PHOTO_SUFFIXES, list_photos, photos_below, read_picture
from ..outputs import written_whole
from .segmenter import Segmenter

__all__ = ["Done", "Job", "Made", "encode", "find_jobs", "run_batch", "save"]


@dataclass(frozen=True, slots=True)
class Job:
    """A photo, and the file that is made of it."""

    photo: Path
    out: Path


@dataclass(frozen=True, slots=True)
class Made:
    """What an application gives for a photo.

    Attributes:
        picture: To write as the job's file; nothing is written where None.
        record: What is to be said of it.
        parts: Pictures to write beside it, by name: ``upper`` of ``me.png`` is ``me.upper.png``.
            None where the photo has none of it; an earlier run's file is then removed.
    """

    picture: Image.Image | None
    record: Any = None
    parts: Mapping[str, Image.Image | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job.

    Attributes:
        job: The job.
        record: What the application said of it.
        error: Why nothing was made; empty where it was.
    """

    job: Job
    record: Any = None
    error: str = ""


Application = Callable[[Image.Image, Segmenter], Made]
Opener = Callable[[], AbstractContextManager[Segmenter]]


def find_jobs(sources: Sequence[str | Path], out: Path, suffix: str) -> list[Job]:
    """Photos, folders with all that is below them, list files and patterns, as jobs.

    Files in ``out`` are called as the photos; those of folders lie as they do there. Where two
    would have one name (``a.jpg`` and ``a.png``), each keeps its suffix: ``a.jpg.png``.

    Args:
        sources: Patterns are of `pathlib`, for shells that don't have them: ``photos/**/*.jpg``.
        out: A folder.
        suffix: Of what is written: ``.png``.

    Raises:
        ImageError: There is no such source, or it holds no photos.
        UsageError: Two photos would still have one file.
    """
    found: dict[Path, Path] = {}  # photo to its place below `out`
    for source in sources:
        for photo, place in _photos_of(Path(source)):
            found.setdefault(photo, place)
    names = Counter(place.with_suffix("") for place in found.values())
    jobs = [
        Job(
            photo,
            out
            / (
                place.with_suffix(suffix)
                if names[place.with_suffix("")] == 1
                else place.with_name(place.name + suffix)
            ),
        )
        for photo, place in found.items()
    ]
    if twice := [str(path) for path, n in Counter(job.out for job in jobs).items() if n > 1]:
        raise UsageError(
            f"Two photos would both be {twice[0]}.", "Give them in runs of their own, or a folder."
        )
    return jobs


def run_batch(
    jobs: Iterable[Job],
    open_one: Opener,
    application: Application,
    workers: int,
    taken: Collection[Path] = (),
) -> Iterator[Done]:
    """Do jobs, several at once, and tell of each as it ends; a photo that fails costs no other.

    Each worker has a network of its own open, which runs in a process of its own where it is a
    bundle's file; reading, applying and writing are threads here. Jobs are taken as they are
    needed, so that memory doesn't grow with their number. Files appear whole or not at all.

    Args:
        jobs: See `find_jobs`.
        open_one: Opens what draws; entered once for each worker that has something to do, and again
            where its process is lost.
        application: A photo and what draws, to what is made.
        workers: How many at once.
        taken: Files of jobs, which a part of another job must not replace.
    """
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    with ExitStack() as stack:
        # One says what is wrong with the file; the others open theirs beside each other.
        idle.put(stack.enter_context(_Worker(open_one)))
        for _ in range(workers - 1):
            worker = _Worker(open_one)
            stack.push(worker)
            idle.put(worker)
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        waiting: set[Future[Done]] = set()
        try:
            for job in jobs:
                if len(waiting) >= 2 * workers:
                    ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in ended)
                waiting.add(pool.submit(_do, job, idle, application, taken))
            while waiting:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in ended)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture, with its ICC profile; it is there whole or not at all.

    Raises:
        InputError: It can't be written.
    """
    kind = Image.registered_extensions()[path.suffix.lower()]
    with written_whole(path) as partial, partial.open("wb") as file:
        encode(picture, kind, file)


def encode(picture: Image.Image, kind: str, file: IO[bytes]) -> None:
    """Write a picture as ``PNG``, ``WEBP`` or ``JPEG``, with its ICC profile.

    Raises:
        OSError: It can't be written.
    """
    profile = picture.info.get("icc_profile")
    if kind == "JPEG" and picture.mode == "RGBA":  # JPEG has no transparency
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    options: dict[str, Any] = {"PNG": {"compress_level": 3}}.get(kind, {"quality": 92})
    picture.save(file, kind, icc_profile=profile, **options)


class _Worker:
    """A network that is open, and opened again where its process was lost."""

    def __init__(self, open_one: Opener) -> None:
        self._open_one = open_one
        self._stack = ExitStack()
        self._segmenter: Segmenter | None = None

    def __enter__(self) -> _Worker:
        self._segmenter = self._stack.enter_context(self._open_one())
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def apply(self, application: Application, photo: Image.Image) -> Made:
        if self._segmenter is None:
            self.__enter__()
        assert self._segmenter is not None  # noqa: S101
        try:
            return application(photo, self._segmenter)
        except LostError:
            self._segmenter = None
            self._stack.close()
            raise


def _do(
    job: Job,
    idle: queue.SimpleQueue[_Worker],
    application: Application,
    taken: Collection[Path],
) -> Done:
    try:
        photo = read_picture(job.photo)
        worker = idle.get()
        try:
            made = worker.apply(application, photo)
        finally:
            idle.put(worker)
        if made.picture is not None:
            # A job whose own file is there is done, so its parts are written first.
            _write_parts(job.out, made.parts, taken)
            save(made.picture, job.out)
    except MaskportError as exc:
        return Done(job, error=" ".join(filter(None, (exc.what, exc.remedy))))
    except (MemoryError, OSError) as exc:
        return Done(job, error=f"{job.photo}: {exc or type(exc).__name__}")
    return Done(job, made.record)


def _write_parts(
    out: Path, parts: Mapping[str, Image.Image | None], taken: Collection[Path]
) -> None:
    for name, picture in parts.items():
        path = out.with_name(f"{out.stem}.{name}{out.suffix}")
        if path in taken:
            raise UsageError(
                f"{path} is of two photos: of one by itself, and the {name} of another.",
                "Give them in runs of their own.",
            )
        if picture is not None:
            save(picture, path)
        elif out.exists():  # and so is an earlier run's; without it, the file is somebody's
            path.unlink(missing_ok=True)


def _photos_of(source: Path) -> Iterator[tuple[Path, Path]]:
    """Photos, and where each lies below the source."""
    if source.is_dir():
        below = photos_below(source)
        if not below:
            raise ImageError(f"There are no photos in {source}.", "Give a folder with photos.")
        yield from ((path, path.relative_to(source)) for path in below)
        return
    if not source.exists() and set("*?[") & set(str(source)):
        anchor = Path(source.anchor) if source.is_absolute() else Path()
        matched = sorted(anchor.glob(str(source.relative_to(anchor))))
        photos = [path for path in matched if path.suffix.lower() in PHOTO_SUFFIXES]
        if not photos:
            raise ImageError(f"No photo fits {source}.", "Check the pattern; quote it.")
        yield from ((path, Path(path.name)) for path in photos)
        return
    yield from ((path, Path(path.name)) for path in list_photos(source).paths)
