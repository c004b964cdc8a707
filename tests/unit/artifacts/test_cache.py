"""The cache: what is whole, what is damaged, what is forgotten, and several processes at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.artifacts.cache import (
    Cache,
    Damaged,
    age_of,
    changed,
    default_limit,
    key_of,
    size_of,
)
from maskport.artifacts.manifest import FileEntry
from maskport.errors import UsageError

PARTS = {"weights": "abc", "license": "MIT"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with what is put: a file, and a folder with an empty one."""
    folder = tmp_path / "made"
    (folder / "model" / "assets").mkdir(parents=True)
    (folder / "file").write_bytes(bytes(range(256)) * 40)
    (folder / "model" / "graph").write_text("graph")
    return folder


@pytest.fixture
def cache(tmp_path: Path, made: Path) -> Cache:
    """With one entry."""
    cache = Cache(tmp_path / "cache")
    cache.put("target", PARTS, [made / "file", made / "model"], made, {"iou": 0.5})
    return cache


def place(cache: Cache) -> Path:
    return cache.folder / "target" / key_of("target", PARTS)


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_what_is_put_is_taken_byte_for_byte(cache: Cache, made: Path, tmp_path: Path) -> None:
    entry = cache.take("target", PARTS, tmp_path / "out")
    assert entry is not None and entry.facts == {"iou": 0.5}
    assert tree(tmp_path / "out") == tree(made)


def test_what_is_done_to_files_that_were_taken_does_not_reach_the_cache(
    cache: Cache, made: Path, tmp_path: Path
) -> None:
    cache.take("target", PARTS, tmp_path / "out")
    with (tmp_path / "out" / "file").open("r+b") as file:
        file.write(b"edited")
    cache.take("target", PARTS, tmp_path / "again")
    assert tree(tmp_path / "again") == tree(made)


@pytest.mark.parametrize("name", ["target", "other"])
@pytest.mark.parametrize(
    "parts", [{"weights": "abc"}, PARTS | {"license": "BSD"}, PARTS | {"a": ""}]
)
def test_nothing_is_taken_for_something_else(
    cache: Cache, name: str, parts: dict[str, str], tmp_path: Path
) -> None:
    assert cache.find(name, parts) is None
    assert cache.take(name, parts, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def as_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def as_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def leading_out(path: Path) -> None:
    outside = path.parents[4] / "outside"
    path.rename(outside)
    path.symlink_to(outside)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit of a file": lambda at: flip(at / "files" / "file"),
    "a file's end": lambda at: os.truncate(at / "files" / "file", 100),
    "a file": lambda at: (at / "files" / "model" / "graph").unlink(),
    "a link for a file": lambda at: as_a_link(at / "files" / "file"),
    "a folder for a file": lambda at: as_a_folder(at / "files" / "file"),
    "a link that leads out": lambda at: leading_out(at / "files" / "model"),
    "a bit of what is said": lambda at: flip(at / "entry"),
    "the end of what is said": lambda at: os.truncate(at / "entry", 90),
    "an empty saying": lambda at: os.truncate(at / "entry", 0),
    "another's saying": lambda at: at.rename(at.with_name("0" * 64)),
}


@pytest.mark.parametrize("damage", [d for d in DAMAGE if d != "another's saying"])
def test_damage_is_found_and_what_is_damaged_removed(
    cache: Cache, made: Path, damage: str, tmp_path: Path
) -> None:
    DAMAGE[damage](place(cache))
    with pytest.raises(Damaged):
        cache.take("target", PARTS, tmp_path / "out")
    assert tree(tmp_path / "out") == {} or not (tmp_path / "out").exists()
    assert cache.find("target", PARTS) is None
    cache.put("target", PARTS, [made / "file"], made, {})
    assert cache.take("target", PARTS, tmp_path / "out")


def test_an_entry_under_another_key_is_damaged(cache: Cache) -> None:
    DAMAGE["another's saying"](place(cache))
    assert [kept.entry for kept in cache.entries()] == [None]


def test_files_that_changed_since_they_were_described_are_not_kept(
    cache: Cache, made: Path
) -> None:
    told = [FileEntry(path="file", bytes=3, sha256="0" * 64)]
    cache.put("target", {"weights": "new"}, [made / "file"], made, {}, told)
    assert cache.find("target", {"weights": "new"}) is None


def test_the_nearest_entry_says_what_has_changed(cache: Cache, made: Path) -> None:
    cache.put("target", PARTS | {"weights": "x", "size": "9"}, [made / "file"], made, {})
    now = PARTS | {"license": "BSD-3-Clause"}
    near = cache.alike("target", now, ())
    assert near is not None
    assert changed(near.parts, now) == ["license (MIT → BSD-3-Clause)"]
    assert cache.alike("target", {"weights": "y"}, ("weights",)) is None


def test_what_was_unused_for_longest_is_forgotten_first(cache: Cache, made: Path) -> None:
    for number in range(4):
        parts = {"number": str(number)}
        cache.put("other", parts, [made / "file"], made, {})
        os.utime(cache.folder / "other" / key_of("other", parts) / "entry", (number, number))
    cache.take("other", {"number": "0"}, made / "taken")
    size = (made / "file").stat().st_size
    removed = cache.prune(most=3 * size + 100, oldest=1e12)
    assert [kept.entry.parts for kept in removed if kept.entry] == [
        {"number": "1"},
        {"number": "2"},
    ]
    assert len(cache.prune(most=10**9, oldest=3600)) == 1  # number 3, of 1970
    assert [kept.folder.parent.name for kept in cache.entries()] == ["other", "target"]
    cache.prune(most=0, oldest=1e12)
    assert cache.entries() == []


def test_pruning_removes_damage_and_what_killed_processes_have_left(cache: Cache) -> None:
    flip(place(cache) / "entry")
    left = cache.folder / "partial" / ("0" * 32)
    left.mkdir()
    fresh = cache.folder / "partial" / ("1" * 32)
    fresh.mkdir()
    lock = cache.folder / "locks" / ".0.lock"
    lock.parent.mkdir()
    lock.touch()
    for path in (left, lock):
        os.utime(path, (1, 1))
    cache.prune(most=10**9, oldest=1e12)
    assert not left.exists() and not lock.exists() and fresh.exists() and not place(cache).exists()


PUTTING = """
import sys
from pathlib import Path
from maskport.artifacts.cache import Cache
made = Path(sys.argv[2])
cache = Cache(Path(sys.argv[1]))
with cache.alone([("target", {"a": "b"})], lambda: print("waiting", flush=True)):
    print("begun", flush=True)
    if "linger" in sys.argv:
        import maskport.artifacts.cache.store as store
        copied = store._copied
        def lingering(*arguments):
            entry = copied(*arguments)
            print("copied", flush=True)
            sys.stdin.read()
            return entry
        store._copied = lingering
    cache.put("target", {"a": "b"}, [made / "file", made / "model"], made, {})
print("put", flush=True)
"""


def putting(cache: Cache, made: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PUTTING, str(cache.folder), str(made), *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_process_that_is_killed_leaves_no_entry_and_no_lock(
    cache: Cache, made: Path, tmp_path: Path
) -> None:
    with putting(cache, made, "linger") as killed:
        assert killed.stdout is not None
        assert [killed.stdout.readline().strip() for _ in range(2)] == ["begun", "copied"]
        with putting(cache, made) as waiting:
            assert waiting.stdout is not None
            assert waiting.stdout.readline().strip() == "waiting"
            assert cache.find("target", {"a": "b"}) is None
            killed.send_signal(signal.SIGKILL)
            said = waiting.communicate(timeout=60)[0]
    assert said.split() == ["begun", "put"]
    assert cache.take("target", {"a": "b"}, tmp_path / "out")


def test_many_that_put_take_and_prune_at_once_harm_nobody(
    cache: Cache, made: Path, tmp_path: Path
) -> None:
    """Whoever takes has all, or nothing, and never damage."""
    began, found = time.monotonic(), []

    def goes_on() -> bool:
        lasted = time.monotonic() - began
        return lasted < 0.5 or (not found and lasted < 60)

    def work(number: int) -> None:
        turn = 0
        while goes_on():
            turn += 1
            if number == 0:
                cache.prune(most=0, oldest=1e12)
            elif number % 2:
                cache.put("target", PARTS, [made / "file", made / "model"], made, {})
            else:
                out = tmp_path / f"out-{number}-{turn}"
                try:
                    if cache.take("target", PARTS, out):
                        found.append(tree(out) == tree(made))
                except Exception:
                    found.append(False)
                    raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found and all(found)


def test_an_entry_that_is_no_file_is_damage_and_ends_nothing(
    cache: Cache, made: Path, tmp_path: Path
) -> None:
    cache.put("target", PARTS, [made / "file"], made, {})
    (kept,) = cache.entries()
    (kept.folder / "entry").unlink()
    (kept.folder / "entry").mkdir()
    assert [one.entry for one in cache.entries()] == [None]
    assert [one.folder for one in cache.prune(most=1e12, oldest=1e12)] == [kept.folder]
    assert cache.entries() == []


def test_what_is_not_ours_is_not_removed(cache: Cache, made: Path) -> None:
    cache.put("target", PARTS, [made / "file"], made, {})
    own = cache.folder / "demo-256" / "b.mlpackage"
    own.mkdir(parents=True)
    (own / "entry").write_text("a user's")
    partial = cache.folder / "partial" / "a-users"
    partial.mkdir(parents=True)
    os.utime(partial, (1, 1))
    cache.prune(most=0, oldest=0)
    assert cache.entries() == [] and own.is_dir() and partial.is_dir()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root reads all")
def test_what_another_user_keeps_is_not_there_and_stays(
    cache: Cache, made: Path, tmp_path: Path
) -> None:
    cache.put("target", PARTS, [made / "file"], made, {})
    (kept,) = cache.entries()
    (kept.folder / "entry").chmod(0)
    assert cache.find("target", PARTS) is None
    assert cache.take("target", PARTS, tmp_path / "out") is None
    (kept.folder / "entry").chmod(0o600)
    assert cache.take("target", PARTS, tmp_path / "out")


def test_a_file_that_cannot_be_read_is_not_there_and_stays(
    cache: Cache, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("target", PARTS, [made / "file"], made, {})

    def fails(path: Path, kind: object, **_: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("maskport.artifacts.cache.store.opened", fails)
        assert cache.take("target", PARTS, tmp_path / "out") is None
    assert cache.take("target", PARTS, tmp_path / "out")


def test_sizes_and_ages_are_read_as_people_write_them() -> None:
    assert [size_of(t) for t in ("0", "10GB", "1.5 mb", "12")] == [0, 10**10, 1_500_000, 12]
    assert [age_of(t) for t in ("30d", "12h", "1.5m")] == [2_592_000, 43_200, 90]
    for wrong in ("", "many", "-1GB", "10 parsecs", "1e9", "GB"):
        with pytest.raises(UsageError, match="is no size"):
            size_of(wrong)
    for wrong in ("", "30", "d", "-1d"):
        with pytest.raises(UsageError, match="is no age"):
            age_of(wrong)


def test_a_cache_never_takes_more_than_half_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 6 * 10**9})())
    assert default_limit(tmp_path, 2 * 10**9) == 4 * 10**9
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**12})())
    assert default_limit(tmp_path, 0) == 20 * 10**9
    monkeypatch.setenv("MASKPORT_CACHE_SIZE", "3GB")
    assert default_limit(tmp_path, 0) == 3 * 10**9
    monkeypatch.setenv("MASKPORT_CACHE_SIZE", "little")
    with pytest.raises(UsageError, match="MASKPORT_CACHE_SIZE: 'little' is no size"):
        default_limit(tmp_path, 0)
