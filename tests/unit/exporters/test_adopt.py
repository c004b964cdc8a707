"""How a file of another tool is fed and read is found by trying, and the bundle then validates."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from maskport import ImageSpec, MaskSpec, ModelSpec, adopt, validate
from maskport.artifacts.manifest import Normalization, Reading
from maskport.artifacts.snippets import snippets
from maskport.cli.main import cli
from maskport.errors import InputError, UsageError
from maskport.exporters.adopt import precision_of
from maskport.exporters.ways import found_way
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.precisions import PRECISIONS
from maskport.runtimes.base import normalized, read
from maskport.runtimes.inspect.findings import End, Inspected
from maskport.scenes import scene
from maskport.specs import IMAGENET_MEAN, IMAGENET_STD

pytestmark = pytest.mark.sdk

SIZE = (48, 40)
SPEC = ModelSpec("nano", ImageSpec(*SIZE, mean=(0, 0, 0), std=(1, 1, 1)), MaskSpec(), output=0)

IMAGENET = Normalization(mean=IMAGENET_MEAN, std=IMAGENET_STD)
SIGNED = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
BYTES_BGR = Normalization(std=(1 / 255,) * 3, color_order="BGR")


class Theirs(nn.Module):
    """The network as another tool might have exported it."""

    def __init__(
        self, network: nn.Module, wants: Normalization, gives: Reading, nhwc: bool = False
    ) -> None:
        super().__init__()
        self.network, self.wants, self.gives, self.nhwc = network, wants, gives, nhwc

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.nhwc:
            values = values.permute(0, 3, 1, 2)
        mean, std = (
            torch.tensor(three).view(1, 3, 1, 1) for three in (self.wants.mean, self.wants.std)
        )
        photo = values * std + mean
        if self.wants.color_order == "BGR":
            photo = photo.flip(1)
        mask = self.network(photo)[0]
        coarse = mask * 0.5
        if self.gives.inverted:
            mask = 1 - mask
        if self.gives.activation == "sigmoid":
            mask = torch.logit(mask, 1e-6)
        if self.gives.channel is not None:
            mask = torch.cat([coarse, mask], 1)
        return mask, coarse


@pytest.fixture(scope="module")
def network(nano: Callable[..., U2Net]) -> U2Net:
    made = nano()
    seeded(made, 0, SIZE)
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(3):
        Image.fromarray(scene(seed, *SIZE).photo).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))


def exported(module: nn.Module, path: Path, shape: tuple[int, ...] = (1, 3, *SIZE)) -> Path:
    names = {"input_names": ["x.1"], "output_names": ["y.2011", "y.2012"]}
    torch.onnx.export(
        module.eval(), (torch.rand(shape),), str(path), dynamo=False, opset_version=17, **names
    )
    return path


@pytest.mark.parametrize(
    ("wants", "gives", "nhwc"),
    [
        (Normalization(), Reading(), False),
        (IMAGENET, Reading(activation="sigmoid"), False),
        (SIGNED, Reading(inverted=True), True),
        (BYTES_BGR, Reading(channel=1), False),
    ],
    ids=["as ours", "imagenet, logits", "nhwc, inverted", "bytes, bgr, plane"],
)
def test_the_way_is_found_and_the_bundle_validates(
    wants: Normalization,
    gives: Reading,
    nhwc: bool,
    network: U2Net,
    photos: Path,
    tmp_path: Path,
) -> None:
    shape = (1, *SIZE, 3) if nhwc else (1, 3, *SIZE)
    file = exported(Theirs(network, wants, gives, nhwc), tmp_path / "theirs.onnx", shape)
    bundle, (way,) = adopt([file], network=network, spec=SPEC, photos=photos, out=tmp_path / "b")
    (artifact,) = bundle.manifest.artifacts
    (takes,), (mask,) = artifact.inputs, artifact.outputs
    assert (takes.name, takes.layout, mask.name) == ("x.1", "NHWC" if nhwc else "NCHW", "y.2011")
    assert takes.normalization == (None if wants == Normalization() else wants)
    assert mask.reading == (None if gives == Reading() else gives)
    assert way.mae < 1e-4 and artifact.target == "onnx-fp32"
    assert artifact.properties["adopted_from"] == "theirs.onnx"
    assert bool(snippets(bundle.manifest, artifact)) == (wants == Normalization())
    results = validate(bundle.path, images=photos, network=network, latency="none")
    assert results.artifacts["onnx-fp32"].fidelity is not None
    assert results.artifacts["onnx-fp32"].fidelity["mae"] < 1e-4


OWN = Normalization(mean=(0.3, 0.4, 0.6), std=(0.2, 0.3, 0.1))


def test_what_the_network_was_trained_with_is_among_the_ways(
    network: U2Net, photos: Path, tmp_path: Path
) -> None:
    """In units of its own range of values, and in the order of its colours."""
    mean, std = (tuple(255 * v for v in three) for three in (OWN.mean, OWN.std))
    image = ImageSpec(*SIZE, mean=mean, std=std, value_range=(0, 255))
    spec = ModelSpec("nano", image, MaskSpec(), output=0)
    # The network itself wants such values, so that the file is the network as it is.
    names = {"input_names": ["x.1"], "output_names": ["m"]}
    file = tmp_path / "theirs.onnx"

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, values: Tensor) -> Tensor:
            return self.network(values)[0]

    torch.onnx.export(
        First(), (torch.rand(1, 3, *SIZE),), str(file), dynamo=False, opset_version=17, **names
    )
    _, (way,) = adopt([file], network=network, spec=spec, photos=photos, out=tmp_path / "b")
    found = way.takes.normalization
    assert found is not None and found.color_order == "RGB"
    np.testing.assert_allclose([found.mean, found.std], [OWN.mean, OWN.std], rtol=1e-6)


def test_means_are_turned_with_the_colours(network: U2Net, photos: Path, tmp_path: Path) -> None:
    turned = Normalization(mean=IMAGENET_MEAN[::-1], std=IMAGENET_STD[::-1], color_order="BGR")
    file = exported(Theirs(network, turned, Reading()), tmp_path / "theirs.onnx")
    _, (way,) = adopt([file], network=network, spec=SPEC, photos=photos, out=tmp_path / "b")
    assert way.takes.normalization == turned
    assert way.text.startswith("NCHW, BGR in ImageNet's mean and std -> ")


def test_photos_without_an_object_decide_nothing(
    network: U2Net, photos: Path, tmp_path: Path
) -> None:
    dull = tmp_path / "dull"
    shutil.copytree(photos, dull)
    Image.new("RGB", SIZE[::-1], (120, 120, 120)).save(dull / "-first.png")
    file = exported(Theirs(network, IMAGENET, Reading()), tmp_path / "theirs.onnx")
    _, (way,) = adopt([file], network=network, spec=SPEC, photos=dull, out=tmp_path / "b")
    assert way.takes.normalization == IMAGENET


def test_a_file_of_other_weights_is_refused_with_what_came_nearest(
    network: U2Net, nano: Callable[..., U2Net], photos: Path, tmp_path: Path
) -> None:
    other = nano()
    seeded(other, 1, SIZE)
    file = exported(Theirs(other, IMAGENET, Reading()), tmp_path / "theirs.onnx")
    with pytest.raises(InputError, match="draws another mask than the network, however") as raised:
        adopt([file], network=network, spec=SPEC, photos=photos, out=tmp_path / "b")
    assert "MAE" in raised.value.what and "--weights" in raised.value.remedy
    assert not (tmp_path / "b").exists()
    assert not list(tmp_path.glob(".b*"))


def test_files_that_draw_no_masks_are_refused_before_they_run(
    network: U2Net, photos: Path, tmp_path: Path
) -> None:
    class Scores(nn.Module):
        def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
            return photo.mean((2, 3)), photo.mean((1, 2, 3))

    file = exported(Scores(), tmp_path / "scores.onnx")
    with pytest.raises(InputError, match="gives float32 1x3, float32 1; what draws masks has"):
        adopt([file], network=network, spec=SPEC, photos=photos, out=tmp_path / "b")
    small = exported(Theirs(network, IMAGENET, Reading()), tmp_path / "s.onnx", (1, 3, 32, 32))
    large = exported(Theirs(network, IMAGENET, Reading()), tmp_path / "l.onnx")
    with pytest.raises(InputError, match="takes 32x32 pixels, and"):
        adopt([small, large], network=network, spec=SPEC, photos=photos, out=tmp_path / "b")
    (tmp_path / "words.onnx").write_text("no file of theirs")
    with pytest.raises(InputError):
        adopt([tmp_path / "words.onnx"], network=network, spec=SPEC, out=tmp_path / "b")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"dtype": "uint8", "scale": -1.0}, "scale -1.0"),
        ({"dtype": "int8", "scale": 1.0, "zero_point": 1 << 40}, f"zero point {1 << 40}"),
        ({"shape": [1, 1 << 40, *SIZE]}, "what draws masks has a mask of"),
    ],
)
def test_what_a_file_says_of_its_tensors_is_believed_within_bounds(
    tmp_path: Path, end: dict[str, Any], words: str
) -> None:
    known = {"name": "x", "dtype": "float32", "layout": "NCHW", "scale": None, "zero_point": None}
    good, odd = ({**known, "shape": [1, 3, *SIZE], **given} for given in ({}, end))
    nothing = dict.fromkeys((field.name for field in fields(Inspected)), None)
    inspected = Inspected(**nothing | {"inputs": [End(**good)], "outputs": [End(**odd)]})
    drawn = np.linspace(0, 1, math.prod(SIZE), dtype=np.float32).reshape(1, 1, *SIZE)
    with pytest.raises(InputError, match=words):
        found_way(
            None,  # type: ignore[arg-type]
            tmp_path / "theirs.onnx",
            inspected,
            replace(SPEC, mask=MaskSpec(channels=3, labels=tuple("abc"))),
            np.zeros((1, 3, *SIZE), np.float32),
            lambda _: drawn,
            lambda *_: pytest.fail("it was run"),
        )


def test_weights_in_other_files_are_refused_with_their_names(
    network: U2Net, photos: Path, tmp_path: Path
) -> None:
    import onnx

    file = exported(Theirs(network, IMAGENET, Reading()), tmp_path / "theirs.onnx")
    apart = tmp_path / "apart.onnx"
    onnx.save_model(
        onnx.load(file), apart, save_as_external_data=True, location="w.bin", size_threshold=64
    )
    with pytest.raises(InputError, match=r"keeps its weights in other files: w\.bin"):
        adopt([apart], network=network, spec=SPEC, photos=photos, out=tmp_path / "b")


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [
        ("int4", "w4"),
        ("uint4", "w4"),
        ("int2", "w4"),
        ("palette3", "w4"),
        ("palette4", "palette4"),
        ("palette8", "dynamic-int8"),
        ("int8", "dynamic-int8"),
        ("float8e5m2", "dynamic-int8"),
        ("float8e4m3fn", "dynamic-int8"),
        ("float16", "fp16"),
        ("float32", "fp32"),
    ],
)
def test_a_file_is_gated_as_most_of_its_weights_are_stored(dtype: str, precision: str) -> None:
    share = SimpleNamespace(dtype=dtype)
    found = SimpleNamespace(weights=[share], operations={}, activations=[], format="onnx")
    assert precision_of(found) == precision  # type: ignore[arg-type]
    assert precision in PRECISIONS


def test_two_files_of_one_kind_keep_their_own_names(
    network: U2Net, photos: Path, tmp_path: Path
) -> None:
    files = [
        exported(Theirs(network, wants, Reading()), tmp_path / f"{name}.onnx")
        for name, wants in {"a": IMAGENET, "b": SIGNED}.items()
    ]
    out = tmp_path / "b"
    bundle, ways = adopt(files, network=network, spec=SPEC, photos=photos, out=out)
    targets = [artifact.target for artifact in bundle.manifest.artifacts]
    assert targets == ["onnx-fp32-a", "onnx-fp32-b"]
    assert [way.takes.normalization for way in ways] == [IMAGENET, SIGNED]
    with pytest.raises(UsageError, match="Two files would be"):
        adopt([files[0], files[0]], network=network, spec=SPEC, photos=photos, out=out)


def test_the_command_says_the_way(
    network: U2Net, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = exported(Theirs(network, IMAGENET, Reading()), tmp_path / "theirs.onnx")
    rows = [tuple(row) for row in network.stages]
    (tmp_path / "theirs_network.py").write_text(
        "from maskport.models.u2net import Stage, U2Net\n"
        f"def make():\n    return U2Net([Stage(*row) for row in {rows!r}], 1).eval()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    arguments = ["adopt", str(file), "--network", "theirs_network:make", "--weights", "random:0"]
    arguments += ["--photos", str(photos), "--out", str(tmp_path / "b"), "--output", "0"]
    ended = CliRunner().invoke(
        cli, [*arguments, "--mean", "0", "--std", "1"], standalone_mode=False
    )
    assert ended.exception is None, ended.exception
    assert "NCHW, RGB in ImageNet's mean and std -> y.2011" in ended.output
    assert (tmp_path / "b" / "manifest.json").is_file()


def test_normalizing_and_reading_are_what_they_say() -> None:
    photo = np.random.default_rng(0).random((1, 3, 2, 2), np.float32)
    red = (photo[0, 0] - IMAGENET_MEAN[0]) / IMAGENET_STD[0]
    np.testing.assert_allclose(normalized(photo, IMAGENET)[0, 0], red, atol=1e-6)
    np.testing.assert_allclose(normalized(photo, BYTES_BGR)[0, 0], photo[0, 2] * 255, rtol=1e-6)
    logits = np.log(photo / (1 - photo))
    given = read(logits, Reading(activation="sigmoid", channel=1, inverted=True))
    np.testing.assert_allclose(given, 1 - photo[:, 1:2], atol=1e-6)
