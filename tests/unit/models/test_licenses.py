"""The license of weights is what lies beside them says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maskport.models.licenses import license_beside
from maskport.models.resolve import load, resolve
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any\nperson obtaining a copy"
APACHE = "        Apache License\n     Version 2.0, January 2004"
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ""),
        ({"LICENSE": MIT}, "MIT"),
        ({"COPYING.txt": GPL}, "GPL-3.0-only"),
        ({"license.md": APACHE}, "Apache-2.0"),
        ({"LICENSE": "Ask us."}, "see LICENSE"),
        ({"LICENSE.sky": MIT, "LICENSE.portrait": GPL}, "MIT"),
        ({"LICENSE.sky": MIT, "LICENSE": GPL}, "MIT"),
        ({"LICENSE.portrait": GPL}, ""),
        ({"LICENSE": MIT, "COPYING": GPL}, ""),
    ],
)
def test_the_file_named_after_the_weights_or_the_only_one_is_read(
    files: dict[str, str], said: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert license_beside(tmp_path / "sky.pth") == said


def test_weights_that_are_loaded_have_it(tmp_path: Path) -> None:
    network = torch.nn.Conv2d(3, 1, 1)
    torch.save(network.state_dict(), tmp_path / "sky.pth")
    found = resolve(network, ModelSpec("sky", ImageSpec(8, 8), MaskSpec()))
    assert load(found, tmp_path / "sky.pth").origin.license == "not stated"
    (tmp_path / "LICENSE").write_text(MIT)
    assert load(found, tmp_path / "sky.pth").origin.license == "MIT"
