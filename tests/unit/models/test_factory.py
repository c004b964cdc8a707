"""Other networks: references to factories, and specifications from options and TOML."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from maskport.errors import NetworkError, SpecError
from maskport.models.catalog import entry
from maskport.models.factory import (
    build,
    plain_name,
    spec_from_options,
    spec_from_toml,
    with_options,
)
from maskport.specs import ImageSpec, ModelSpec


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a user's package, which leaves no trace in this process."""
    package = tmp_path / "users_own"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sky.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, x): return x\n"
        "def make(): return Net()\n"
        "class Wide(Net):\n"
        "    def __init__(self, width, *, depth=1, pretrained=True):\n"
        "        super().__init__()\n"
        "        self.given = (width, depth, pretrained)\n"
        "    @classmethod\n"
        "    def of(cls, **options): return cls(**options)\n"
        "def broken(): raise RuntimeError('no weights in /tmp/x')\n"
        "def text(): return 'a network'\n"
        "number = 3\n"
    )
    (package / "needy.py").write_text("import surely_not_installed\n")
    (package / "faulty.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in {"", str(tmp_path)}])
    for name in [n for n in sys.modules if n.startswith("users_own")]:
        monkeypatch.delitem(sys.modules, name)
    sys.path_importer_cache.pop(str(tmp_path), None)
    return tmp_path


@pytest.mark.parametrize("reference", ["users_own.sky:make", "users_own.sky:Net"])
def test_a_factory_or_a_class_is_called(here: Path, reference: str) -> None:
    network = build(reference)
    assert type(network).__name__ == "Net"
    assert not network.training
    assert str(here) not in sys.path


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("users_own.sky", "no reference to a factory"),
        ("users_own.sky:", "no reference to a factory"),
        ("users_own/sky.py:Net", "no reference to a factory"),
        ("absent_package.sky:Net", "no module 'absent_package'"),
        ("users_own.absent:Net", "no module 'users_own.absent'"),
        ("users_own.sky:Absent", "has no 'Absent'\\.\\nIt has: Net, make, Wide"),
        ("users_own.sky:number", "is a int, not a factory"),
        ("users_own.sky:broken", "RuntimeError: no weights in /tmp/x"),
        ("users_own.sky:text", "gave a str, not a torch.nn.Module"),
        ("users_own.needy:Net", "imports 'surely_not_installed'"),
        ("users_own.faulty:Net", "ZeroDivisionError"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(here: Path, reference: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        build(reference)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("(32)", (32, 1, True)),
        ("(width=32, pretrained=False)", (32, 1, False)),
        ("([-1, (2.5, 'a:b')], depth={'x': None})", ([-1, (2.5, "a:b")], {"x": None}, True)),
        (".of(width=1)", (1, 1, True)),
    ],
)
def test_a_factory_gets_the_arguments_that_the_reference_gives(
    here: Path, arguments: str, given: object
) -> None:
    assert build(f"users_own.sky:Wide{arguments}").given == given


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("Wide(width=sky)", "The argument sky of .* is no literal"),
        ("Wide(__import__('os').getcwd())", r"The argument __import__\('os'\).getcwd\(\) of"),
        ("Wide(**{'width': 3})", "has \\*\\*{'width': 3}"),
        ("Wide(*[3])", r"The argument \*\[3\] of .* is no literal"),
        ("Wide(32", "can't be read: '\\(' was never closed"),
        ("Wide(3) + 1", "is no call of a factory"),
        ("Wide(depth=2)", r"Wide\(depth=2\) failed: TypeError: .*'width'"),
        ("Absent(3)", "has no 'Absent'"),
    ],
)
def test_arguments_that_are_no_literals_are_not_run(here: Path, called: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        build(f"users_own.sky:{called}")


def test_a_factory_that_lacks_arguments_is_told_how_to_give_them(here: Path) -> None:
    with pytest.raises(NetworkError, match=r"'users_own\.sky:Wide\(width=32\)'"):
        build("users_own.sky:Wide")


def test_a_reference_with_arguments_has_the_factorys_name() -> None:
    assert plain_name("nets.sky:make(path='a.b:c', x=(1, 2))") == "make"


def test_a_toml_file_gives_a_whole_specification(tmp_path: Path) -> None:
    file = tmp_path / "sky.toml"
    file.write_text(
        'size = "320x480"\n'
        "mean = [0, 0, 0]\nstd = [1, 1, 1.5]\n"
        'color_order = "BGR"\nvalue_range = [0, 255]\n'
        'channels = 3\nactivation = "softmax"\noutput = "logits"\n'
    )
    spec = spec_from_toml(file)
    assert spec.name == "sky"
    assert (spec.image.height, spec.image.width) == (320, 480)
    assert (spec.image.mean, spec.image.std) == ((0, 0, 0), (1, 1, 1.5))
    assert (spec.image.color_order, spec.image.value_range) == ("BGR", (0, 255))
    assert spec.mask.labels == ("class 0", "class 1", "class 2")
    assert spec.output == "logits"


def test_options_of_a_command_line_are_strings() -> None:
    spec = spec_from_options(
        "net",
        {
            "size": "64",
            "mean": "0.5, 0.5,0.5",
            "inverted": "true",
            "threshold": "0.3",
            "output": "2",
            "labels": "sky",
            "std": None,
        },
    )
    assert (spec.image.height, spec.image.width) == (64, 64)
    assert spec.image.mean == (0.5, 0.5, 0.5)
    assert spec.mask.inverted and spec.mask.threshold == 0.3 and spec.mask.labels == ("sky",)
    assert spec.output == 2


def test_options_override_and_leave_the_rest() -> None:
    portrait = entry("u2net_portrait").spec
    changed = with_options(portrait, {"size": "256x128", "activation": None})
    assert (changed.image.height, changed.image.width) == (256, 128)
    assert changed.mask == portrait.mask
    assert changed.image.divide_by == "image-maximum"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "320x"}, r"size is .*320x480 for height x width"),
        ({"size": "0"}, "size is '0'"),
        ({"size": "1x2x3"}, "size is"),
        ({"mean": "0.5,0.5"}, "mean is .* a number for all channels, or three"),
        ({"mean": "a,b,c"}, "mean is"),
        ({"mean": "a"}, "mean is"),
        ({"mean": True}, "mean is"),
        ({"std": []}, "std is"),
        ({"std": "0"}, "not positive"),
        ({"std": "nan,1,1"}, "std is"),
        ({"color_order": "GRB"}, "color_order is 'GRB'; allowed: one of RGB, BGR, GRAY"),
        ({"activation": "relu"}, "activation is 'relu'; allowed: one of none, sigmoid, softmax"),
        ({"threshold": 1.5}, "threshold is 1.5; allowed: a number between 0 and 1"),
        ({"inverted": "perhaps"}, "inverted is 'perhaps'"),
        ({"output": -1}, "output is -1"),
        ({"output": 0.0}, r'output is 0.0; allowed: .* in quotes, such as "0.0"'),
        ({"channels": 0}, "channels is 0"),
        ({"channel": -1}, "channel is -1; allowed: a whole number from 0"),
        ({"channel": 2, "channels": 2}, "channel is 2, and there are 2 channels"),
        ({"upsample": "nearest"}, "upsample is 'nearest'; allowed: one of none, bilinear"),
        ({"color_order": "GRAY"}, "Grey has one mean and one std"),
        ({"colour": "RGB"}, "colour is no key"),
        ({"std": "1,0,1"}, "not positive"),
        ({"labels": "a,b"}, "2 labels for 1 channels"),
        ({"activation": "softmax"}, "softmax over one channel.*\n.*--channels 21"),
        ({"value_range": "1,0"}, "does not rise"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(options, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec_from_options("net", {"size": 32, **options})


@pytest.mark.parametrize("given", ["0.5", 0.5, [0.5], "0.5,0.5,0.5"])
def test_one_number_of_mean_or_std_means_all_channels(tmp_path: Path, given: object) -> None:
    spec = spec_from_options("net", {"size": 32, "mean": given, "std": given})
    assert spec.image.mean == spec.image.std == (0.5, 0.5, 0.5)
    (tmp_path / "net.toml").write_text(f"size = 32\nmean = {given!r}\nstd = 1\n")
    assert spec_from_toml(tmp_path / "net.toml").image.mean == (0.5, 0.5, 0.5)
    assert spec_from_toml(tmp_path / "net.toml").image.std == (1, 1, 1)


def test_one_number_means_all_channels_in_python_too() -> None:
    assert ImageSpec(32, 32, mean=0.5, std=1).mean == (0.5, 0.5, 0.5)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="mean has 2 values"):
        ImageSpec(32, 32, mean=(0.5, 0.5))  # type: ignore[arg-type]


def test_softmax_over_the_channels_that_were_said(tmp_path: Path) -> None:
    spec = spec_from_options("net", {"size": 32, "activation": "softmax", "channels": 21})
    assert spec.mask.channels == 21


def test_one_of_several_planes_is_the_mask_and_keeps_its_label() -> None:
    two = {"size": 32, "channels": 2, "labels": "background,person", "activation": "softmax"}
    mask = spec_from_options("net", {**two, "channel": "1"}).mask
    assert (mask.channels, mask.channel, mask.labels) == (1, 1, ("person",))
    # How many planes there are needn't be said.
    alone = spec_from_options("net", {"size": 32, "channel": 1, "activation": "softmax"}).mask
    assert (alone.channels, alone.channel, alone.labels) == (1, 1, ("mask",))
    many = spec_from_options("net", {"size": 32, "channels": 21})
    assert with_options(many, {"channel": 15}).mask.labels == ("class 15",)
    named = {"size": 32, "channels": 21, "channel": 15, "labels": "person"}
    assert spec_from_options("net", named).mask.labels == ("person",)


def test_new_options_are_read_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "net.toml"
    file.write_text(
        'size = 32\noutput = "aux.0"\nchannel = 1\nupsample = "bilinear"\n'
        'color_order = "GRAY"\nmean = 0.5\nstd = 0.5\n'
    )
    spec = spec_from_toml(file)
    assert (spec.output, spec.mask.channel, spec.mask.upsample) == ("aux.0", 1, "bilinear")
    assert ModelSpec.from_dict(spec.to_dict()) == spec


def test_size_is_required() -> None:
    with pytest.raises(SpecError, match="size is missing"):
        spec_from_options("net", {})


def test_a_wrong_toml_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    with pytest.raises(SpecError, match=r"spec\.toml can't be read"):
        spec_from_toml(file)
    file.write_text("size = \n")
    with pytest.raises(SpecError, match=r"spec\.toml is no TOML file.*line 1"):
        spec_from_toml(file)
    file.write_text("size = 3\nsise = 4\n")
    with pytest.raises(SpecError, match=r"spec\.toml: sise is no key\.\nKeys: name, size, mean"):
        spec_from_toml(file)
