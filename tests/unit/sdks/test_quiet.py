"""SDKs are silenced for a while, and nothing else is."""

from __future__ import annotations

import logging
import os
import warnings

import pytest

from maskport.sdks.quiet import quiet, quiet_native


@pytest.mark.parametrize("silence", [quiet, quiet_native])
def test_warnings_and_log_records_are_silenced_and_then_heard_again(
    silence: object, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("some.sdk")
    assert callable(silence)
    with silence():
        warnings.warn("untested version", stacklevel=1)
        logger.warning("Failed to load something for macOS")
        logger.error("a real error")
    logger.warning("afterwards")
    assert [record.message for record in caplog.records] == ["a real error", "afterwards"]
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard again", stacklevel=1)


def test_native_output_is_discarded_and_then_comes_through(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet_native():
        os.write(2, b"Created delegate for CPU\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


@pytest.mark.parametrize("silence", [quiet, quiet_native])
def test_exceptions_pass_and_restore_everything(
    silence: object, capfd: pytest.CaptureFixture[str]
) -> None:
    assert callable(silence)
    before = logging.root.manager.disable
    with pytest.raises(ValueError, match="passes"), silence():
        raise ValueError("passes")
    assert logging.root.manager.disable == before
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
