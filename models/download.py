"""Downloading published weights into a cache: checked, resumed, one process at a time.

A file gets its final name only after its checksum held, by an atomic rename; until then it is
in `partial/`, where the next attempt takes it up again. gdown does the transfer: Google
Drive's confirmation pages, retries, resuming, progress.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..errors import DownloadError, UsageError
from ..texts import first_line
from .catalog import Entry, WeightsSource
from .checksums import checksum_of, sha256_of

__all__ = ["cache_folder", "fetch", "is_cached"]

# Seconds to connect, and between two pieces of a file.
TIMEOUT = (15.0, 60.0)
# Per source; each takes up where the last broke off.
RETRIES = 3

Say = Callable[[str], None]


def cache_folder() -> Path:
    """Where downloads are kept: $MASKPORT_CACHE, else the platform's place for caches.

    Raises:
        UsageError: That is below a home folder, and there is none.
    """
    place = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    usual = os.environ.get(place) or "~/.cache"
    if sys.platform == "darwin":
        usual = "~/Library/Caches"
    chosen = os.environ.get("MASKPORT_CACHE") or f"{usual}/maskport"
    try:
        return Path(chosen).expanduser()
    except RuntimeError as exc:
        raise UsageError(
            f"{chosen}, where caches are kept, can't be found: this user has no home folder.",
            "Set MASKPORT_CACHE to a folder.",
        ) from exc


def is_cached(entry: Entry, *, cache: Path | None = None) -> Path | None:
    """The file of ``entry`` that `fetch` would find without a download; its name only."""
    if entry.shipped_file is not None:
        return entry.shipped_file
    folder = cache or cache_folder()
    files = (folder / source.filename for source in entry.sources)
    return next((file for file in files if file.is_file()), None)


def fetch(entry: Entry, *, cache: Path | None = None, progress: bool = True) -> Path:
    """The weights of ``entry`` as a file, downloaded if they are neither here nor in the cache.

    Sources are tried in order. A file with a published checksum is held against it, cached or
    new; for the others the SHA-256 is written beside the file on the first download and held
    against that from then on. Interrupting leaves only what the next call resumes.

    Args:
        entry: From the catalog.
        cache: Folder to keep it in; `cache_folder()` where None.
        progress: Show a progress bar and the SHA-256 on stderr.

    Raises:
        DownloadError: No source gave the file, it is not the one published, or the cache can't
            be written. Names each address and its reason.
    """
    if entry.shipped_file is not None:
        return entry.shipped_file
    folder = cache or cache_folder()
    say: Say = partial(print, file=sys.stderr) if progress else lambda _line: None
    try:
        for source in entry.sources:
            if _is_sound(folder / source.filename, source, say):
                return folder / source.filename
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        reasons: list[str] = []
        for source in entry.sources:
            try:
                return _fetch_from(source, entry.name, folder, progress, say)
            except DownloadError as exc:
                say(f"{source.page}: {exc.what}")
                reasons.append(f"  {source.page}: {exc.what}")
    except OSError as exc:
        raise DownloadError(
            f"The cache {folder} can't be used: {exc}.",
            "Make room, or set MASKPORT_CACHE to a folder that can be written.",
        ) from exc
    raise DownloadError(
        f"{entry.name} could not be downloaded:\n" + "\n".join(reasons),
        f"Download it by hand from {entry.sources[0].page} and give --weights FILE.",
    )


def _fetch_from(source: WeightsSource, name: str, folder: Path, progress: bool, say: Say) -> Path:
    from filelock import FileLock  # comes with gdown

    final = folder / source.filename
    # Copies of one file from several places are never mixed.
    place = hashlib.sha256(source.page.encode()).hexdigest()[:8]
    staged = folder / "partial" / f"{place}-{source.filename}"
    # gdown would append two processes' bytes to one partial file.
    with FileLock(f"{staged}.lock"):
        if _is_sound(final, source, say):
            return final  # another process was faster
        say(f"{name}: {source.page}")
        while True:
            resumed = bool(_partials(staged))
            try:
                _transfer(source, staged, progress)
                _check(staged, source)
                break
            except _Unfit as exc:
                _discard(staged)
                # What an earlier run left may be of another version: once more from the start.
                if not resumed:
                    raise DownloadError(exc.what) from exc
        if source.checksum is None:
            digest = sha256_of(staged)
            _write_record(final, digest)
            say(f"No checksum is published. SHA-256 of what came: {digest}")
        os.replace(staged, final)
    return final


class _Unfit(Exception):
    """What lies in `partial/` is not, and won't become, the file asked for."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def _transfer(source: WeightsSource, staged: Path, progress: bool) -> None:
    import gdown
    import requests

    before = _sizes(staged)
    try:
        gdown.download(
            url=source.url or None,
            id=source.drive_id or None,
            output=str(staged),
            quiet=not progress,
            resume=True,
            retries=RETRIES,
            timeout=TIMEOUT,
            use_cookies=False,
            log_messages={"start": "", "output": ""},
        )
    except requests.RequestException as exc:
        _discard_empty(staged)
        raise DownloadError(_reason(exc)) from exc
    except gdown.exceptions.FileURLRetrievalError as exc:
        raise DownloadError(
            "Google Drive gave a web page instead of the file: it was asked for too often, or "
            "is not public any more"
        ) from exc
    except gdown.exceptions.DownloadError as exc:
        _discard_empty(staged)
        # The server won't go on where the partial file ends: it can't, or has another version.
        if before and _sizes(staged) == before and not isinstance(exc.__cause__, OSError):
            raise _Unfit(first_line(exc)[:300]) from exc
        raise DownloadError(_reason(exc)) from exc
    except OSError:
        raise
    except Exception as exc:  # gdown trusts what servers say: a missing header is a KeyError
        raise DownloadError(f"an answer that makes no sense ({exc!r})") from exc


def _check(staged: Path, source: WeightsSource) -> None:
    with staged.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise _Unfit("a web page came instead of the file")
    if not start:
        raise _Unfit("an empty file came")
    if source.checksum is None:
        return
    algorithm, expected = source.checksum
    if (got := checksum_of(staged, algorithm)) != expected.lower():
        raise _Unfit(f"{algorithm} is {got}, expected {expected}; the file was removed")


def _is_sound(file: Path, source: WeightsSource, say: Say) -> bool:
    """Whether a cached file is what was published, or else what was downloaded."""
    if not file.is_file():
        return False
    if source.checksum is not None:
        algorithm, expected = source.checksum
        if checksum_of(file, algorithm) == expected.lower():
            return True
        say(f"{file} has changed since it was downloaded; downloading it again.")
        file.unlink()
        return False
    got = sha256_of(file)
    if not _record(file).is_file():
        # Ours have a record before they have their name: somebody put this one here.
        say(f"{file} is taken as it is. SHA-256: {got}")
        _write_record(file, got)
    expected = _record(file).read_text(encoding="ascii", errors="replace").split(" ")[0]
    if got != expected:
        raise DownloadError(
            f"{file} has changed since it was downloaded: SHA-256 is {got}, was {expected}.",
            f"Delete it to download it again, or give it as --weights {file} if you changed it.",
        )
    return True


def _record(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def _write_record(file: Path, digest: str) -> None:
    _record(file).write_text(f"{digest}  {file.name}\n", encoding="ascii")


def _partials(staged: Path) -> list[Path]:
    """What gdown has begun for ``staged``, and ``staged`` itself."""
    begun = staged.parent.glob(f"{staged.name}????????.part")
    return [path for path in (staged, *begun) if path.is_file()]


def _sizes(staged: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in _partials(staged)}


def _discard(staged: Path) -> None:
    for path in _partials(staged):
        path.unlink(missing_ok=True)


def _discard_empty(staged: Path) -> None:
    for path, size in _sizes(staged).items():
        if size == 0:
            path.unlink(missing_ok=True)


def _reason(exc: BaseException) -> str:
    import requests

    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, requests.HTTPError) and seen.response is not None:
            return f"the server answers {seen.response.status_code} {seen.response.reason}"
        if isinstance(seen, requests.Timeout):
            return f"no answer within {TIMEOUT[1]:g} seconds"
        if isinstance(seen, requests.exceptions.SSLError):
            return "the connection is not secure (certificate)"
        seen = seen.__cause__
    if "timed out" in str(exc):  # in the middle of a file, requests has no class for it
        return f"no answer within {TIMEOUT[1]:g} seconds"
    if "Connection refused" in str(exc):
        return "the connection was refused"
    if "Failed to resolve" in str(exc) or "Name or service not known" in str(exc):
        return "the address can't be found; is there a connection to the internet?"
    return first_line(exc)[:300]
