"""Networks of one's own, whatever they take and give, through the command line into a file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskport.artifacts.bundle import load_bundle
from maskport.cli.main import main
from maskport.errors import UsageError
from maskport.exporters.export import ExportRequest
from maskport.models.prepared import prepare
from maskport.runtimes.runners import runner_for
from maskport.scenes import scene

NETWORKS = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, end, channels=3, planes=1):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.end = nn.Conv2d(channels, planes, 3, padding=1), end

    def forward(self, x):
        return self.end(5 * self.conv(x))

class Stated(Net):
    def forward(self, x, state=None):
        y = self.conv(x) if state is None else self.conv(x) + state
        return y.sigmoid(), [y]

class Prompted(Net):
    def forward(self, x, points):
        return self.conv(x)

def nested(): return Net(lambda x: ([x, x[:, :, ::2]], {"features": x}))
def quarter(): return Net(lambda x: F.avg_pool2d(x, 4))
def two(): return Net(lambda x: x, planes=2)
def numbers(classes=4): return Net(lambda x: x.argmax(1), planes=classes)
def squeezed(): return Net(lambda x: x[:, 0])
def gray(): return Net(lambda x: x, channels=1)
def four(): return Net(lambda x: x, channels=4)
def stated(): return Stated(None)
def prompted(): return Prompted(None)
"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Exports a network by command line, in this process; the exit code, and what is said."""
    (tmp_path / "cli_networks.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def run(reference: str, *options: str) -> tuple[int, str]:
        given = ("--size", "16x24", "--targets", "torchscript-lite", "--out", "out", *options)
        with pytest.raises(SystemExit) as caught:
            main(["export", f"cli_networks:{reference}", *given])
        assert isinstance(caught.value.code, int)
        return caught.value.code, "".join(capfd.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)
    sys.modules.pop("cli_networks", None)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[ExportRequest]:
    """What exports were asked for; no file is made of it, which would take seconds."""
    kept: list[ExportRequest] = []

    def keep(order: ExportRequest, *_others: object) -> None:
        kept.append(order)
        raise UsageError("All was read.")

    monkeypatch.setattr("maskport.exporters.export.run_export", keep)
    return kept


def planes_of_the_file() -> np.ndarray:
    bundle = load_bundle("out")
    artifact = bundle.artifact("torchscript-lite")
    photo = np.random.default_rng(0).random((1, 3, 16, 24), np.float32)
    with runner_for(artifact, bundle.file("torchscript-lite")) as runner:
        return runner.run(photo)


@pytest.mark.parametrize(
    ("reference", "options", "planes"),
    [
        ("nested", "--output 0.0 --activation sigmoid", 1),
        ("nested", "--output 1.features --activation sigmoid", 1),
        ("quarter", "--upsample bilinear --activation sigmoid", 1),
        ("two", "--channel 1 --activation softmax", 1),
        ("two", "--channels 2 --activation softmax", 2),
        ("numbers", "--channels 4", 4),
        ("numbers", "--channel 2", 1),
        ("numbers(classes=3)", "--channels 3", 3),
        ("squeezed", "--activation sigmoid", 1),
        ("gray", "--color-order GRAY --mean 0.5 --std 0.25 --activation sigmoid", 1),
        ("stated", "--output 0", 1),
    ],
)
def test_a_network_is_exported_as_it_is(
    export: Run, orders: list[ExportRequest], reference: str, options: str, planes: int
) -> None:
    _, said = export(reference, *options.split())
    assert orders, said
    assert orders[0].subject.network.factory == f"cli_networks:{reference}"
    assert orders[0].subject.spec.name == reference.partition("(")[0]
    photo = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        expected = orders[0].subject.reference(photo)
        drawn = prepare(orders[0].subject.reference.network, orders[0].subject.spec)(photo)
    assert drawn.shape == (1, planes, 16, 24)
    torch.testing.assert_close(drawn, expected)


def test_a_toml_file_says_the_same(export: Run, orders: list[ExportRequest]) -> None:
    Path("two.toml").write_text(
        'size = 16\nchannels = 2\nchannel = 1\nlabels = ["sea", "sky"]\nactivation = "softmax"\n'
    )
    export("two", "--spec", "two.toml")
    assert orders[0].subject.spec.name == "two"
    assert orders[0].subject.spec.mask.labels == ("sky",)
    assert (orders[0].subject.spec.mask.channel, orders[0].subject.spec.mask.channels) == (1, 1)


@pytest.mark.parametrize(
    ("reference", "options", "message", "remedy"),
    [
        ("nested", "--output 2", "3 outputs: 0.0 (1, 1, 16, 24), 0.1", "--output 0.0"),
        ("quarter", "--activation sigmoid", "shape (1, 1, 4, 6)", "--upsample bilinear"),
        ("two", "--activation sigmoid", "shape (1, 2, 16, 24)", "--channel"),
        ("two", "--channel 2", "gives 2 planes, and channel 2", "--channel 0 to 1"),
        ("gray", "", "takes 1 channel,", "--color-order GRAY --mean 0.5 --std 0.5"),
        ("gray", "--color-order GRAY", "one mean and one std", "--mean 0.5 --std 0.5"),
        ("four", "", "takes 4 channels,", "Give a factory that wraps it"),
        ("prompted", "", "also needs points", "return self.net(x, points=…)"),
        ("numbers(torch.pi)", "", "The argument torch.pi", "literals of Python"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_way_out(
    export: Run, reference: str, options: str, message: str, remedy: str
) -> None:
    code, said = export(reference, *options.split())
    assert code == 2
    assert message in said and remedy in said
    assert not Path("out").exists()


def test_a_bundle_of_a_factory_with_arguments_is_validated_by_it(export: Run) -> None:
    from maskport import validate

    code, said = export("numbers(classes=3)", "--channel", "2", "--upsample", "bilinear")
    assert code == 0, said
    assert "channel 2 of the network's, upsampled (bilinear)" in said
    assert load_bundle("out").manifest.network.factory == "cli_networks:numbers(classes=3)"
    Image.fromarray(scene(0, 48, 64).photo).save("photo.png")
    results = validate(
        "out", images="photo.png", network="cli_networks:numbers(classes=3)", latency="none"
    )
    assert results.artifacts["torchscript-lite"].status == "passed"
    mask = planes_of_the_file()
    assert mask.shape == (1, 1, 16, 24)
    assert set(np.unique(mask)) == {0, 1}
