"""The command line: exit codes that scripts rely on, messages that say what to do."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from maskport.artifacts.bundle import load_bundle, verify
from maskport.artifacts.manifest import Failure
from maskport.cli.export import exit_code
from maskport.cli.main import INTERRUPTED, main
from maskport.exporters.targets import target
from maskport.formats import TARGETS
from maskport.models.catalog import CATALOG
from maskport.sdks.needs import not_installed

# Small enough that an export takes about a second; one is another network
# when it is traced, and one has an operator (CumSum) that ONNX has and Keras has no layer for.
NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Sigmoid())

class Summing(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        return torch.sigmoid(0.1 * torch.cumsum(self.conv(x), 2))

class TwoFaced(nn.Sequential):
    def forward(self, x):
        mask = super().forward(x)
        return 1 - mask if torch.jit.is_tracing() else mask

def two_faced():
    return TwoFaced(*small())

def summing():
    torch.manual_seed(0)
    return Summing()
"""
SMALL = ("export", "cli_networks:small", "--size", "24")
OK, FAILED_CHECK, WRONG_USE, BROKEN = 0, 1, 2, 3


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """`main` takes SIGTERM for itself; the tests' process wants it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with networks of their own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "cli_networks.py").write_text(NETWORKS)
    return folder


@pytest.fixture
def maskport(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """Runs a command line in this process, in an empty folder where the networks can be found."""
    shutil.copy(project / "cli_networks.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        assert isinstance(caught.value.code, int)
        return Ended(caught.value.code, *capfd.readouterr())

    yield run
    sys.modules.pop("cli_networks", None)


@pytest.fixture(scope="module")
def exported(project: Path) -> Path:
    """A bundle of one cheap target."""
    out = project / "bundle"
    command = [*launch(), *SMALL, "--targets", "torchscript-lite", "--out", str(out)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == OK, done.stderr
    return out


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


def launch() -> list[str]:
    """What starts maskport in a process; a shell that starts tests in the background has them
    ignore Ctrl-C, which children inherit."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from maskport.cli.main import main; main()"
    )
    return [sys.executable, "-c", code]


def test_help_lists_the_commands(maskport: Command) -> None:
    ended = maskport("--help")
    assert ended.code == OK
    for command in ("export", "verify", "targets", "catalog", "fetch"):
        assert f"\n  {command} " in ended.out
    assert "Exit codes" in ended.out


@pytest.mark.parametrize("command", ["export", "verify", "targets", "catalog", "fetch"])
def test_every_command_explains_itself(command: str, maskport: Command) -> None:
    ended = maskport(command, "--help")
    assert ended.code == OK
    assert f"Usage: maskport {command}" in ended.out


def test_the_version_is_that_of_the_installed_package(maskport: Command) -> None:
    from importlib.metadata import version

    assert maskport("--version") == (OK, f"maskport {version('maskport')}\n", "")


def test_nothing_at_all_shows_the_help(maskport: Command) -> None:
    ended = maskport()
    assert ended.code == WRONG_USE
    assert "Commands:" in ended.out + ended.err


WRONG = {
    "a command": (["exprot"], "exprot"),
    "an option": (["targets", "--colour"], "--colour"),
    "an option of the program": (["--colour", "targets"], "--colour"),
    "an argument that is missing": (["verify"], "BUNDLE"),
    "an argument too many": (["catalog", "more"], "more"),
    "a choice": ([*SMALL, "--coreml-output", "jpeg"], "jpeg"),
    "no processes": ([*SMALL, "--jobs", "0"], "0"),
    "a target": ([*SMALL, "--targets", "tflite-int9"], "Did you mean tflite-int8?"),
    "no target": ([*SMALL, "--targets", ","], "--targets all"),
    "a size": (["export", "cli_networks:small", "--size", "nonsense"], "nonsense"),
    "an empty size": (["export", "cli_networks:small", "--size", "0"], "320"),
    "no size": (["export", "cli_networks:small"], "size"),
    "a mean of two numbers": ([*SMALL, "--mean", "0,1"], "mean"),
    "a threshold": ([*SMALL, "--threshold", "2"], "threshold"),
    "a network": (["export", "u2net_portrat"], "Did you mean u2net_portrait?"),
    "a network that is left out": (["export", "silueta"], "can't be derived"),
    "weights of a name that is left out": (["fetch", "silueta"], "can't be derived"),
    "a module": (["export", "no_such_module:net", "--size", "24"], "no_such_module"),
    "a factory": (["export", "cli_networks:smal", "--size", "24"], "smal"),
    "a file of weights": (
        [*SMALL, "--targets", "onnx", "--weights", "missing.pth"],
        "missing.pth",
    ),
    "weights without a seed": ([*SMALL, "--targets", "onnx", "--weights", "random:"], "random:0"),
    "photos to calibrate on": ([*SMALL, "--calibration", "no_photos"], "no_photos"),
    "photos to check on": ([*SMALL, "--targets", "onnx", "--photos", "no_photos"], "no_photos"),
    "a specification": (["export", "cli_networks:small", "--spec", "missing.toml"], "missing.toml"),
    "planes of the mask": ([*SMALL, "--targets", "onnx", "--channels", "2"], "channels"),
    "no bundle": (["verify", "."], "is not a bundle"),
    "no folder": (["verify", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_says_what_is_wrong_and_exits_with_2(case: str, maskport: Command) -> None:
    arguments, words = WRONG[case]
    ended = maskport(*arguments)
    assert ended.code == WRONG_USE
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not Path("exports").exists()


def test_an_integer_target_without_photos_says_what_to_give(maskport: Command) -> None:
    ended = maskport(*SMALL, "--targets", "tflite-int8")
    assert ended.code == WRONG_USE
    assert "tflite-int8 needs photos" in ended.err
    assert "--calibration DIR" in ended.err


def test_a_folder_that_is_no_bundle_is_not_replaced(maskport: Command, tmp_path: Path) -> None:
    precious = tmp_path / "thesis" / "chapter1.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    ended = maskport(*SMALL, "--targets", "torchscript-lite", "--out", "thesis")
    assert ended.code == WRONG_USE
    assert "thesis" in ended.err
    assert precious.read_text() == "years of work"


def test_every_target_is_listed(maskport: Command) -> None:
    ended = maskport("targets")
    assert ended.code == OK
    # Not a terminal, so a line each of cells between tabs, for scripts.
    header, *rows = [line.split("\t") for line in ended.out.splitlines() if "\t" in line]
    assert header[0] == "target"
    assert [row[0] for row in rows] == [row.name for row in TARGETS]
    assert {len(row) for row in rows} == {len(header)}


def test_a_target_that_is_not_installed_says_what_to_install(
    maskport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "coremltools" else found(name)
    )
    ended = maskport("targets")
    assert ended.code == OK
    assert ended.out.count("needs maskport[coreml]") == 6  # its precisions
    assert "pip install 'maskport[coreml" in ended.out


def test_every_network_is_listed_and_who_is_missing_with_the_reason(maskport: Command) -> None:
    ended = maskport("catalog")
    assert ended.code == OK
    _, *rows = [line.split("\t") for line in ended.out.splitlines() if "\t" in line]
    assert [row[0] for row in rows] == list(CATALOG)
    assert "Not included: silueta" in ended.out


def test_a_bundle_that_holds_exits_with_0(maskport: Command, bundle: Path) -> None:
    ended = maskport("verify", str(bundle))
    assert ended.code == OK
    assert "1 artifacts, all as the manifest says" in ended.out


def test_a_changed_file_is_named_and_exits_with_1(maskport: Command, bundle: Path) -> None:
    file = next(bundle.glob("*.ptl"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    ended = maskport("verify", str(bundle))
    assert ended.code == FAILED_CHECK
    assert f"{file.name}: its content changed" in ended.out
    assert "Traceback" not in ended.err


def test_a_missing_file_is_named_and_exits_with_1(maskport: Command, bundle: Path) -> None:
    file = next(bundle.glob("*.ptl"))
    file.unlink()
    ended = maskport("verify", str(bundle))
    assert ended.code == FAILED_CHECK
    assert f"{file.name}: missing" in ended.out


def test_a_manifest_that_is_cut_off_is_no_bundle(maskport: Command, bundle: Path) -> None:
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text()[:100])
    ended = maskport("verify", str(bundle))
    assert ended.code == WRONG_USE
    assert "manifest.json" in ended.err
    assert "Traceback" not in ended.err


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(_path: Path) -> list[str]:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("maskport.artifacts.bundle.verify", verify)


@pytest.mark.usefixtures("broken")
def test_a_bug_of_ours_exits_with_3_and_asks_for_a_report(maskport: Command) -> None:
    ended = maskport("verify", ".")
    assert ended.code == BROKEN
    assert "RuntimeError: the sky fell" in ended.err
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("arguments", [("--debug", "verify", "."), ("verify", ".", "--debug")])
def test_debug_shows_where_it_broke(arguments: tuple[str, ...], maskport: Command) -> None:
    ended = maskport(*arguments)
    assert ended.code == BROKEN  # 1 would say that a check had failed
    assert "Traceback" in ended.err
    assert "the sky fell" in ended.err


def test_debug_shows_where_a_users_error_was_found(maskport: Command) -> None:
    ended = maskport("--debug", "verify", ".")
    assert ended.code == WRONG_USE
    assert "Traceback" in ended.err


@pytest.mark.sdk
def test_one_targets_failure_leaves_the_others_and_exits_with_3(
    maskport: Command, tmp_path: Path
) -> None:
    if lacking := not_installed(target("keras").needs):  # onnx-fp32's are among them
        pytest.skip(f"{', '.join(lacking)} not installed")
    ended = maskport(
        *("export", "cli_networks:summing", "--size", "24", "--targets", "onnx-fp32,keras"),
        *("--out", "bundle"),
    )
    assert ended.code == BROKEN
    assert "ok      onnx-fp32" in ended.err
    assert "failed  keras: " in ended.err
    assert "Traceback" not in ended.err
    manifest = load_bundle(tmp_path / "bundle").manifest
    assert [artifact.target for artifact in manifest.artifacts] == ["onnx-fp32"]
    (failure,) = manifest.failures
    assert failure.target == "keras"
    assert "CumSum" in failure.reason
    assert verify(tmp_path / "bundle") == []


@pytest.mark.sdk
def test_a_missed_budget_leaves_the_other_targets_and_exits_with_1(maskport: Command) -> None:
    if lacking := not_installed(target("tflite-mixed").needs):
        pytest.skip(f"{', '.join(lacking)} not installed")
    photos = ("--calibration", "scenes:3", "--budget", "mae<=0", "--out", "out")
    ended = maskport(*SMALL, "--targets", "torchscript-lite,tflite-mixed", *photos)
    assert ended.code == FAILED_CHECK, ended.err
    assert "No mix of integers and float was found that holds mae<=0" in ended.err + ended.out
    (failure,) = load_bundle(Path("out")).manifest.failures
    assert failure.target == "tflite-mixed" and failure.missed
    ended = maskport(*SMALL, "--targets", "tflite-mixed", *photos[:-1], "other")
    assert ended.code == FAILED_CHECK, ended.err
    assert not Path("other").exists()


def test_a_missed_budget_beside_a_broken_tool_exits_with_3() -> None:
    missed = Failure(target="tflite-mixed", reason="a budget", missed=True)
    broken = Failure(target="keras", reason="a tool")
    assert exit_code([]) == OK
    assert exit_code([missed]) == FAILED_CHECK
    assert exit_code([missed, broken]) == BROKEN


def test_networks_of_ones_own_can_be_searched_and_analysed(maskport: Command) -> None:
    network = ("cli_networks:small", "--size", "24", "--calibration", "scenes:3")
    ended = maskport("sensitivity", *network)
    assert ended.code == OK and "all of them" in ended.out
    ended = maskport("quantize", *network, "--budget", "mae<=0.1")
    assert ended.code == OK and Path("recipe.toml").is_file()
    for command in (("sensitivity",), ("quantize", "--budget", "mae<=0.1")):
        ended = maskport(*command, *network, "--channels", "2")
        assert ended.code == WRONG_USE and "channels" in ended.err


def test_an_export_says_what_it_made_and_where(maskport: Command, tmp_path: Path) -> None:
    ended = maskport(*SMALL, "--targets", "torchscript-lite")
    assert ended.code == OK
    assert "ok      torchscript-lite" in ended.err
    assert "1 of 1 targets" in ended.err
    assert ended.err.rstrip().endswith("exports/small-24")
    assert ended.out == ""  # nothing that a script would have to skip
    assert verify(tmp_path / "exports" / "small-24") == []


def test_no_target_at_all_leaves_no_bundle_and_a_log(maskport: Command, tmp_path: Path) -> None:
    ended = maskport(
        *("export", "cli_networks:two_faced", "--size", "24", "--targets", "torchscript-lite"),
        *("--out", "bundle"),
    )
    assert ended.code == BROKEN
    assert "No target could be made" in ended.err
    assert "Traceback" not in ended.err
    assert {path.name for path in tmp_path.iterdir() if "bundle" in path.name} == set()
    (log,) = tmp_path.glob("maskport-export-*.log")
    assert log.name in ended.err
    assert "draws another mask" in log.read_text()


# --- Being ended in the middle ---

linux = pytest.mark.skipif(sys.platform != "linux", reason="ends processes; written for Linux")


def is_running(process: psutil.Process) -> bool:
    """One that is dead, and that nobody has waited for yet, isn't."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.02)


class Exporting:
    """An export over a bundle, in a process of its own, caught in the middle.

    With one job, lanes follow each other: at the first target's "ok" the second's process only
    starts, and needs a second to import torch.
    """

    def __init__(self, bundle: Path, project: Path) -> None:
        self.bundle = bundle
        self.error = bundle.parent / "stderr.txt"
        self.before = contents(bundle)
        command = [*launch(), *SMALL, "--targets", "onnx-fp32,torchscript-lite", "--jobs", "1"]
        with self.error.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, "--out", str(bundle)], cwd=project, stderr=stderr
            )

        self.seen: set[psutil.Process] = set()

    def lanes(self) -> list[psutil.Process]:
        """The processes that it has started and that run, also when it is gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        return [lane for lane in self.seen if is_running(lane)]

    def partial(self) -> list[Path]:
        return list(self.bundle.parent.glob(".bundle.partial"))

    def until(self, moment: str) -> None:
        reached = {
            "the first target is done": lambda: "ok " in self.error.read_text(),
            "the first lane runs": lambda: len(self.lanes()) > 1,  # one is the keeper
        }
        wait_until(reached[moment], 60, moment)
        assert self.process.poll() is None, "it ended before it could be interrupted"

    def leftovers(self) -> set[str]:
        names = {path.name for path in self.bundle.parent.iterdir()}
        return names - {self.bundle.name, self.error.name}


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture
def exporting(bundle: Path, project: Path) -> Iterator[Exporting]:
    if lacking := not_installed(target("onnx-fp32").needs):
        pytest.skip(f"{', '.join(lacking)} not installed")
    started = Exporting(bundle, project)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.wait()


@linux
@pytest.mark.sdk
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "the first lane runs"),
        (signal.SIGINT, "the first target is done"),
        (signal.SIGTERM, "the first target is done"),
    ],
)
def test_an_interrupted_export_leaves_the_old_bundle_and_nothing_else(
    number: signal.Signals, moment: str, exporting: Exporting
) -> None:
    exporting.until(moment)
    assert exporting.lanes()  # or it shows nothing that they are gone
    exporting.process.send_signal(number)
    assert exporting.process.wait(60) == INTERRUPTED
    assert contents(exporting.bundle) == exporting.before
    assert verify(exporting.bundle) == []
    assert exporting.leftovers() == set()
    assert exporting.lanes() == []
    error = exporting.error.read_text()
    assert "Interrupted" in error
    assert "Traceback" not in error


@linux
@pytest.mark.sdk
def test_a_killed_export_leaves_the_old_bundle_and_the_next_one_clears_up(
    exporting: Exporting, maskport: Command
) -> None:
    exporting.until("the first target is done")
    exporting.process.send_signal(signal.SIGSTOP)  # or it might start another meanwhile
    assert exporting.lanes()
    exporting.process.kill()
    exporting.process.wait()
    assert contents(exporting.bundle) == exporting.before
    assert exporting.partial()  # nobody was left who could have removed it
    # The keeper ends them, and itself.
    wait_until(lambda: not exporting.lanes(), 10, "lanes end")

    out = ("--out", str(exporting.bundle))
    ended = maskport(*SMALL, "--targets", "torchscript-lite", *out)
    assert ended.code == OK
    assert exporting.partial() == []
    assert verify(exporting.bundle) == []
