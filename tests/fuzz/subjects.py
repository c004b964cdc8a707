"""What is read of a damaged file, class by class, and what sound files of each there are.

A subject's `attempt` reads one file as the product does. What it raises says how it ended: a
`MaskportError` of exit code 2 is a refusal, and so is the end of an artifact's own process;
anything else is a fault of ours. What it returns is what was read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from maskport.errors import LostError, RunnerError

from .mutations import mutate_folder, mutated

__all__ = ["BUNDLE", "LANES", "SUBJECTS", "Artifacts", "Broke", "Died", "Refused", "Subject"]

BUNDLE = Path(__file__).with_name("bundle")


class Refused(Exception):
    """A refusal as the command line says it."""


class Died(Exception):
    """The process that an artifact has of its own crashed, hung, or took too much."""


class Broke(Exception):
    """A fault of ours that shows in no exception."""


class Subject(ABC):
    """One class of files.

    Attributes:
        name: Of the class.
        seed: What random numbers are drawn by, with that of the mutation.
        sound: Files, or folders, that are read without an error.
    """

    def __init__(self, name: str) -> None:
        self.name = self.seed = name
        self.sound: list[Path] = []

    @contextlib.contextmanager
    def ready(self, folder: Path) -> Iterator[None]:
        """Make the sound files in a folder, and what reading takes."""
        self.make(folder)
        self.sound = sorted(folder.iterdir())
        yield

    @abstractmethod
    def make(self, folder: Path) -> None:
        """Write the sound files into a folder."""

    @abstractmethod
    def attempt(self, path: Path) -> object:
        """Read a file."""

    def holds_checksums(self, path: Path) -> bool:
        """Whether a sound file's content may not change unnoticed."""
        return False

    def mutate(self, folder: Path, random: Random) -> tuple[Path, Path, bool]:
        """Put a damaged file into a folder that is empty.

        Returns:
            It, the sound one, and whether checksums were made anew.
        """
        source, other = random.choice(self.sound), random.choice(self.sound)
        path = folder / source.name
        if source.is_dir():
            shutil.copytree(source, path)
            return path, source, mutate_folder(path, other, random)
        theirs = other.read_bytes() if other.is_file() else b""
        content, mended = mutated(source.read_bytes(), theirs, random)
        path.write_bytes(content)
        return path, source, mended


class Checkpoints(Subject):
    """Weights of the network, as one kind of file holds them."""

    def make(self, folder: Path) -> None:
        import torch
        from safetensors.torch import save_file

        from .network import Small

        torch.manual_seed(0)
        network = Small().eval()
        state = network.state_dict()
        if self.name == "onnx-weights":
            for name, mode in (("folded", "EVAL"), ("named", "PRESERVE")):
                torch.onnx.export(
                    network,
                    (torch.rand(1, 3, 24, 16),),
                    str(folder / f"{name}.onnx"),
                    training=getattr(torch.onnx.TrainingMode, mode),
                    dynamo=False,
                )
            return
        if self.name == "safetensors":
            save_file(state, folder / "small.safetensors")
            return
        optimizer = torch.optim.Adam(network.parameters())
        network(torch.rand(1, 3, 8, 8)).sum().backward()
        optimizer.step()
        trained = {"epoch": 3, "model": state, "optimizer": optimizer.state_dict(), "lr": [0.1]}
        for name, saved in (("state", state), ("trained", trained)):
            with open(folder / f"{name}.pth", "wb") as file:
                torch.save(saved, file, _use_new_zipfile_serialization=self.name == "pth")

    def attempt(self, path: Path) -> object:
        from maskport.models.checkpoints import load_weights

        from .network import Small

        network = Small()
        load_weights(network, path)
        return [tensor.numpy().tobytes() for tensor in network.state_dict().values()]

    def holds_checksums(self, path: Path) -> bool:
        return self.name == "pth"


class Manifests(Subject):
    """A bundle's manifest, through the commands that read it and run nothing."""

    def make(self, folder: Path) -> None:
        shutil.copyfile(BUNDLE / "manifest.json", folder / "manifest.json")

    @contextlib.contextmanager
    def ready(self, folder: Path) -> Iterator[None]:
        (folder / "manifests").mkdir()
        with super().ready(folder / "manifests"):
            self.bundle = folder / "bundle"
            shutil.copytree(BUNDLE, self.bundle)
            yield

    def attempt(self, path: Path) -> object:
        shutil.copyfile(path, self.bundle / "manifest.json")
        verified = command("verify", str(self.bundle))
        for target in ("tflite-int8", "onnx-fp32"):
            with contextlib.suppress(Refused):
                command("snippet", str(self.bundle), target)
        if verified == 0:
            out = str(self.bundle.with_name("package.zip"))
            command("package", str(self.bundle), "--for", "ios", "--out", out)
        return verified


class Bundles(Subject):
    """All files of a bundle but its manifest, of which each byte counts."""

    def make(self, folder: Path) -> None:
        shutil.copytree(BUNDLE, folder / "bundle")

    def mutate(self, folder: Path, random: Random) -> tuple[Path, Path, bool]:
        path = folder / "bundle"
        shutil.copytree(BUNDLE, path)
        kept = (path / "manifest.json").read_bytes()
        (path / "export.log").unlink(missing_ok=True)
        mutate_folder(path, BUNDLE, random)
        (path / "manifest.json").write_bytes(kept)
        return path, self.sound[0], False

    def attempt(self, path: Path) -> object:
        from maskport.artifacts.bundle import verify

        if differences := verify(path):
            raise Refused(differences[0])
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        log = path / "export.log"
        return hashlib.sha256(b"".join(f.read_bytes() for f in files if f != log)).hexdigest()

    def holds_checksums(self, path: Path) -> bool:
        return True


class ByCommand(Subject):
    """Text files that a command takes.

    Args:
        name: Of the class.
        texts: Sound ones, by their names.
        arguments: Of the command; ``{}`` stands for the file.
    """

    def __init__(self, name: str, texts: dict[str, str], *arguments: str) -> None:
        super().__init__(name)
        self.texts = texts
        self.arguments = arguments

    def make(self, folder: Path) -> None:
        for name, text in self.texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    def attempt(self, path: Path) -> object:
        return command(*(argument.format(path) for argument in self.arguments))


class Results(ByCommand):
    """Saved results, gated and reported again, beside themselves as a baseline."""

    def make(self, folder: Path) -> None:
        from maskport.validation.reports import write_json

        from ..sample_run import make

        self.reports = folder.with_name(f"{folder.name}-reports")
        self.reports.mkdir()
        results, _ = make(self.reports, side=32)
        write_json(results, folder / "results.json")

    def attempt(self, path: Path) -> object:
        reports = [f"--{kind}={self.reports / kind}" for kind in ("json", "junit", "markdown")]
        codes = [command("gate", str(path), *reports)]
        for one, baseline in ((self.sound[0], path), (path, self.sound[0])):
            codes.append(command("gate", str(one), "--baseline", str(baseline)))
        return codes


class Gates(Results):
    """Files of gates, on the sound results."""

    def make(self, folder: Path) -> None:
        super().make(folder)
        self.results = shutil.move(folder / "results.json", self.reports / "results.json")
        ByCommand.make(self, folder)

    def attempt(self, path: Path) -> object:
        return command("gate", str(self.results), "--gates", str(path))


class Read(ByCommand):
    """Text files that a function reads.

    Args:
        name: Of the class.
        texts: As for `ByCommand`.
        read: Gives the function; called once its modules may be imported.
    """

    def __init__(
        self, name: str, texts: dict[str, str], read: Callable[[], Callable[[Path], object]]
    ) -> None:
        super().__init__(name, texts)
        self.read = read

    def attempt(self, path: Path) -> object:
        for photo in ("a.png", "b c.jpg"):
            path.with_name(photo).touch()
        return self.read()(path)


class Images(Subject):
    """Photos of all kinds that are read."""

    def make(self, folder: Path) -> None:
        import numpy as np
        from PIL import Image, ImageCms

        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
        pixels[4:12] = 77
        rgb, rgba = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
        gray = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
        exif = Image.Exif()
        exif[274] = 6  # turned by a quarter
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        rgb.save(folder / "turned.jpg", exif=exif, icc_profile=profile)
        rgb.save(folder / "progressive.jpg", progressive=True)
        rgb.convert("CMYK").save(folder / "cmyk.jpg", icc_profile=profile)
        rgb.save(folder / "exif.png", exif=exif, icc_profile=profile)
        rgba.save(folder / "alpha.png")
        gray.save(folder / "deep.png")
        rgb.convert("P").save(folder / "palette.png", transparency=3)
        rgb.save(folder / "lossy.webp", exif=exif)
        rgba.save(folder / "lossless.webp", lossless=True)
        for kind in ("tiff_lzw", "jpeg", None):
            rgb.save(folder / f"{kind}.tif", compression=kind)
        gray.save(folder / "deep.tif")
        rgb.save(folder / "plain.bmp")
        with contextlib.suppress(OSError, KeyError):  # this Pillow has no AVIF
            rgb.save(folder / "one.avif")
        with contextlib.suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
            rgb.save(folder / "one.heic")

    def attempt(self, path: Path) -> object:
        from maskport.imaging.photos import read_picture

        return read_picture(path).tobytes()

    def holds_checksums(self, path: Path) -> bool:
        return path.suffix == ".png"


class Artifacts(Subject):
    """A format's files, in the process that `maskport validate` gives each.

    Args:
        name: Of the format.
        targets: Of its lane, one a format, for a fork server; none for processes of their own.
    """

    # Of the process; TensorFlow's takes 0.8 GB before it loads anything.
    SECONDS, MEMORY = 20.0, 3 << 30

    def __init__(self, name: str, targets: Sequence[str]) -> None:
        super().__init__(name if targets else f"{name}-unforked")
        self.format = self.seed = name
        self.targets = targets

    def make(self, folder: Path) -> None:
        from maskport.artifacts.bundle import load_bundle

        self.artifacts = {
            artifact.path: artifact
            for artifact in load_bundle(BUNDLE).manifest.artifacts
            if artifact.format == self.format
        }
        for name in self.artifacts:
            copy = shutil.copytree if (BUNDLE / name).is_dir() else shutil.copyfile
            copy(BUNDLE / name, folder / name)

    def holds_checksums(self, path: Path) -> bool:
        return path.suffix in {".keras", ".ptl"}

    @contextlib.contextmanager
    def ready(self, folder: Path) -> Iterator[None]:
        from .forks import forking

        forks = forking(self.targets, BUNDLE) if self.targets else contextlib.nullcontext()
        with super().ready(folder), forks:
            yield

    def attempt(self, path: Path) -> object:
        import numpy as np

        from maskport.runtimes.base import planes_shape
        from maskport.runtimes.isolated import IsolatedRunner, Limits

        artifact = self.artifacts[path.name]
        shape = planes_shape(artifact.inputs[0])
        image = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
        # As --force: else no damaged file would be read further than to its end.
        options = {
            "threads": 1,
            "limits": Limits(self.SECONDS, self.SECONDS, self.MEMORY),
            "force": True,
        }
        try:
            with IsolatedRunner(artifact, path, **options) as runner:
                runner.load()
                mask, _ = runner.run(image)
                runner.saturating()
                try:
                    runner.cost()
                except LostError:
                    raise
                except RunnerError as exc:  # a damaged file that runs otherwise
                    if path in self.sound:
                        raise Broke(exc.what) from exc
                return mask.tobytes()
        except LostError as exc:
            # What ends with Python's own code for an exception is our code in that process.
            if exc.kind == "broken" or "(exit code" in exc.what:
                raise Broke(exc.what) from exc
            raise Died(exc.kind, exc.what) from exc
        except RunnerError as exc:
            raise Refused(exc.what) from exc


def command(*arguments: str) -> int:
    """A command's exit code.

    Raises:
        Refused: It says that its input is wrong.
        Broke: It says anything else, or broke.
    """
    from maskport.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main(list(arguments))
        except SystemExit as exc:
            code = exc.code
    if code == 2:
        raise Refused(said.getvalue())
    if code not in (0, 1) or "maskport broke" in said.getvalue():
        raise Broke(f"maskport {' '.join(arguments)}: exit code {code}: {said.getvalue()}")
    return code


def _recipes() -> Callable[[Path], object]:
    from maskport.quantization.recipe import read_recipe

    return read_recipe


def _specs() -> Callable[[Path], object]:
    from maskport.models.factory import spec_from_toml

    return spec_from_toml


def _lists() -> Callable[[Path], object]:
    from maskport.imaging.photos import list_photos

    return list_photos


GATES = """defaults = false

["*"]
iou = ">= 0.98"
latency_ms.p90 = "<= 120"

[tflite-int8]
worst_iou = ">= 0.9 where mae > 0.005"
boundary_f = false

["tflite-*, coreml"]
truth.max_f_authors = ">= 0.9"

[reference-on-gpu.fp32]
mae = "<= 1e-4"

[baseline]
iou = 0.002
worst_iou = "0.01 where mae > 0.001"
latency = "15%"
"""
SPEC = """# of a network of our own
name = "sky"
size = "320x480"
mean = [0.485, 0.456, 0.406]
std = 0.225
color_order = "BGR"
value_range = [-1, 1]
divide_by = "255"
resize_filter = "bicubic"
channels = 2
channel = 1
upsample = "none"
activation = "softmax"
inverted = false
normalization = "none"
threshold = 0.5
labels = ["mask"]
output = "0.aux"
"""
RECIPE = (BUNDLE / "recipe-best.toml").read_text(encoding="utf-8")

# Formats whose SDKs one process can have imported, with the target whose file says what is.
LANES = (
    {"onnx": "onnx-fp32", "onnx-ort": "onnx-ort", "tflite": "tflite-fp32",
     "openvino": "openvino-fp32"},
    {"savedmodel": "savedmodel", "keras": "keras"},
    {"coreml": "coreml-fp16", "torchscript-lite": "torchscript-lite", "executorch": "executorch"},
)  # fmt: skip
SUBJECTS: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        *(Checkpoints(kind) for kind in ("pth", "legacy", "safetensors")),
        Checkpoints("onnx-weights"),
        Manifests("manifest"),
        Bundles("bundle"),
        Results("results", {}, ""),
        Gates("gates", {"gates.toml": GATES}),
        Read("spec", {"spec.toml": SPEC}, _specs),
        Read("recipe", {"recipe.toml": RECIPE.replace("[]", '["a.b", "c"]')}, _recipes),
        Read("list", {"photos.txt": "# two\na.png\n\nb c.jpg\na.png\n"}, _lists),
        Images("image"),
        *(Artifacts(name, tuple(lane.values())) for lane in LANES for name in lane),
        *(Artifacts(name, ()) for lane in LANES for name in lane),
    )
}
