"""Signals wait for the end of a block, and nothing about them is different after it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from maskport.signals import SIGNALS, heard, held_back


@pytest.fixture(autouse=True)
def the_usual_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_comes_at_the_end_of_the_block() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        reached.append(True)
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_each_signal_reaches_its_own_handler() -> None:
    came: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: came.append(number))
    with held_back():
        for number in SIGNALS:
            signal.raise_signal(number)
        assert came == []
    assert came == list(SIGNALS)


def test_a_signal_while_handlers_are_restored_is_not_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restore, late = signal.signal, SIGNALS[-1]
    came: list[int] = []
    restore(late, lambda number, frame: came.append(number))
    with held_back():
        monkeypatch.setattr(signal, "signal", lambda number, handler: signal.raise_signal(late))
    assert set(came) == {late}


def test_without_a_signal_nothing_comes() -> None:
    with held_back():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_block_is_the_interruptions_context() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, held_back():
        signal.raise_signal(signal.SIGINT)
        raise OSError("no such program")
    assert isinstance(caught.value.__context__, OSError)


def test_what_a_process_inherits_is_left_alone() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with held_back():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler


def test_other_threads_may_use_it() -> None:
    ended = []

    def work() -> None:
        with held_back():
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended


def test_what_is_ignored_is_not_heard() -> None:
    """As the end of a terminal is by what ``nohup`` starts."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert heard() == tuple(number for number in SIGNALS if number != signal.SIGHUP)
