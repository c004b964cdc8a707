"""What is known to leave the Neural Engine is named, with who says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from maskport.artifacts.inspect.coreml import declared, neural_engine
from maskport.runtimes.inspect.neural_engine import core_ml
from maskport.sdks.slim import coremltools

from ....sdks import needed

pytestmark = pytest.mark.sdk

needed("coremltools", "coreml")


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3, padding=1)
        self.dilated = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.register_buffer("order", torch.tensor([3, 0, 2, 1]))

    def forward(self, image: Tensor) -> Tensor:
        return self.dilated(self.plain(image))[:, self.order].relu()


@pytest.fixture(scope="module", params=["FLOAT16", "FLOAT32"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ct = coremltools()
    path = tmp_path_factory.mktemp("coreml") / f"{request.param}.mlpackage"
    model = ct.convert(
        torch.jit.trace(Mixed().eval(), torch.rand(1, 3, 8, 8)),
        inputs=[ct.TensorType(name="image", shape=(1, 3, 8, 8))],
        compute_precision=getattr(ct.precision, request.param),
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


def test_each_reason_is_counted_with_its_source(package: Path) -> None:
    found = neural_engine(package)
    assert found is not None
    if package.stem == "FLOAT32":
        assert any(
            text.endswith("in float32, which only CPU and GPU compute (coremltools' guide)")
            for text in found
        )
        assert not any("dilated" in text for text in found)
        return
    assert [text.split(", ")[0] for text in found if "dilated" in text] == ["1 dilated conv"]
    assert any("gather" in text and "A14" in text and "(ane-guide)" in text for text in found)
    assert not any("plain" in text or "relu" in text for text in found)


def test_manifest_and_inspection_say_it(package: Path) -> None:
    said = declared(None, package).properties["leaves_neural_engine"]  # type: ignore[arg-type]
    assert said == neural_engine(package)
    (acceptance,) = core_ml(package)
    assert acceptance.whole is None
    assert acceptance.says.startswith("advice: ") and said[0] in acceptance.says


def test_a_program_of_which_nothing_is_known_says_so(tmp_path: Path) -> None:
    ct = coremltools()
    model = ct.convert(
        torch.jit.trace(nn.Conv2d(3, 1, 3).eval(), torch.rand(1, 3, 8, 8)),
        inputs=[ct.TensorType(name="image", shape=(1, 3, 8, 8))],
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    model.save(str(tmp_path / "plain.mlpackage"))
    assert neural_engine(tmp_path / "plain.mlpackage") == []
    assert "nothing in it is known" in core_ml(tmp_path / "plain.mlpackage")[0].says
