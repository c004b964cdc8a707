"""The catalog: complete, consistent, and quick to list."""

from __future__ import annotations

import subprocess
import sys

import pytest

from maskport.errors import UsageError
from maskport.models.catalog import CATALOG, LEFT_OUT, WeightsSource, entry

ENTRIES = list(CATALOG.values())
each_entry = pytest.mark.parametrize("known", ENTRIES, ids=lambda e: e.name)


def test_the_published_networks_are_there() -> None:
    assert list(CATALOG) == [
        "demo",
        "u2net",
        "u2netp",
        "u2net_human_seg",
        "u2net_portrait",
        "u2net_cloth_seg",
        "isnet",
        "basnet",
    ]
    assert [e.spec.image.height for e in ENTRIES] == [256, 320, 320, 320, 512, 768, 1024, 256]


@each_entry
def test_an_entry_is_complete(known) -> None:
    assert known.name == known.spec.name
    assert known.license and known.summary and known.origin
    assert bool(known.sources) != bool(known.shipped)
    assert known.spec.image.height == known.spec.image.width


@each_entry
def test_a_source_is_an_address_or_an_id(known) -> None:
    for source in known.sources:
        assert bool(source.url) != bool(source.drive_id)
        assert source.page.startswith("https://")
        assert source.filename.endswith(source.kind)


@each_entry
def test_sources_with_a_checksum_come_first(known) -> None:
    checked = [source.checksum is not None for source in known.sources]
    assert checked == sorted(checked, reverse=True)


def test_no_two_files_share_a_name_in_the_cache() -> None:
    owners: dict[str, set[str]] = {}
    for known in ENTRIES:
        for source in known.sources:
            owners.setdefault(source.filename, set()).add(known.name)
    assert all(len(names) == 1 for names in owners.values())


@each_entry
def test_an_entry_builds_a_network_with_the_channels_it_promises(known) -> None:
    import torch

    with torch.device("meta"):
        network = known.build()
    assert network.outputs == known.spec.mask.channels
    assert network.sigmoid == (known.spec.mask.activation == "none")
    assert not network.training


def test_photos_and_masks_are_treated_as_their_authors_do() -> None:
    for name in ("u2net", "u2netp", "u2net_human_seg", "u2net_portrait"):
        assert entry(name).spec.image.divide_by == "image-maximum"
        assert entry(name).spec.mask.normalization == "min-max"
    assert [e.name for e in ENTRIES if e.spec.mask.inverted] == ["u2net_portrait"]
    cloth = entry("u2net_cloth_seg").spec
    assert cloth.mask.labels == ("background", "upper", "lower", "full")
    # The author of the training divides by 255 and takes 0.5 and 0.5.
    assert (cloth.image.divide_by, cloth.image.mean[0], cloth.image.std[0]) == ("255", 0.5, 0.5)
    fine = entry("isnet").spec
    assert (fine.image.divide_by, fine.image.mean[0], fine.image.std[0]) == ("255", 0.5, 1)
    assert entry("basnet").spec.image.divide_by == "image-maximum"
    assert {entry(name).spec.mask.normalization for name in ("isnet", "basnet")} == {"min-max"}


def test_the_stronger_checksum_is_used() -> None:
    both = WeightsSource("f.pth", "pth", url="https://x/f.pth", md5="1", sha256="2")
    assert both.checksum == ("sha256", "2")


def test_a_misspelt_name_is_suggested_and_not_taken() -> None:
    with pytest.raises(UsageError, match=r"'u2nept'. Did you mean u2net\w*\?") as caught:
        entry("u2nept")
    assert all(name in caught.value.remedy for name in CATALOG)


def test_a_foreign_name_gets_the_list_without_a_guess() -> None:
    with pytest.raises(UsageError) as caught:
        entry("vgg16")
    assert "Did you mean" not in caught.value.what
    assert "u2net_portrait" in caught.value.remedy


def test_what_is_left_out_says_why() -> None:
    with pytest.raises(UsageError, match="table of stages can't be derived"):
        entry("silueta")
    with pytest.raises(UsageError, match="padded to a square"):
        entry("isnet-anime")
    assert not LEFT_OUT.keys() & CATALOG.keys()


def test_listing_the_catalog_loads_nothing_heavy() -> None:
    code = (
        "import sys, maskport.models.catalog, maskport.models.download\n"
        "print(sorted({'torch', 'numpy', 'gdown', 'requests', 'onnx'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_demonstration_comes_with_the_package(monkeypatch, tmp_path) -> None:
    from maskport.models.checkpoints import load_weights
    from maskport.models.download import fetch, is_cached

    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path))
    demo = entry("demo")
    file = fetch(demo)
    assert file == is_cached(demo) and file.stat().st_size < 2_400_000
    network = demo.build()
    load_weights(network, file)  # float16 in the file, float32 in the network
    assert next(network.parameters()).element_size() == 4
    assert not list(tmp_path.iterdir())
    assert "demonstration" in demo.summary and "no replacement" in demo.summary
