"""A bundle's network is built again from the catalog and its own weights, never from its word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maskport.api import export
from maskport.artifacts.bundle import Bundle, load_bundle
from maskport.errors import BundleError, CheckpointError, UsageError
from maskport.models.seeding import seeded
from maskport.models.u2net import u2netp
from maskport.validation.options import NetworkOptions
from maskport.validation.reference import load_reference, network_view, origin_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of a network of the catalog, small photos, one quick file."""
    out = tmp_path_factory.mktemp("exports") / "p"
    return export("u2netp", weights="random:0", size=32, targets="torchscript-lite", out=out)


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_the_reference_has_the_weights_that_were_exported(bundle: Bundle) -> None:
    reference = load_reference(bundle)
    drawn = u2netp()
    seeded(drawn, 0, (32, 32))
    assert same_weights(reference.network, drawn)
    assert reference.spec.image.height == 32


def test_both_views_draw_the_same_mask_in_a_process_of_their_own(bundle: Bundle) -> None:
    origin = origin_of(bundle)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        masks = [
            network_view(str(bundle.path), "32x32", origin.network, str(origin.weights), "", view)(
                image
            )
            for view in ("pytorch", "pytorch-prepared")
        ]
    # The prepared view is exact up to rounding in float32.
    torch.testing.assert_close(masks[0], masks[1], atol=1e-5, rtol=0)


def test_other_weights_can_be_given(bundle: Bundle, tmp_path: Path) -> None:
    other = u2netp()
    torch.save(other.state_dict(), tmp_path / "other.pth")
    reference = load_reference(bundle, NetworkOptions(weights=tmp_path / "other.pth"))
    assert same_weights(reference.network, other)


def test_one_of_several_sets_can_be_given_and_is_said(bundle: Bundle, tmp_path: Path) -> None:
    first, second = u2netp(), u2netp()
    file = tmp_path / "both.pth"
    torch.save({"model": first.state_dict(), "ema": second.state_dict()}, file)
    said: list[str] = []
    with pytest.raises(CheckpointError, match="several sets"):
        load_reference(bundle, NetworkOptions(weights=file))
    ema = NetworkOptions(weights=file, weights_key="ema")
    reference = load_reference(bundle, ema, note=said.append)
    assert same_weights(reference.network, second)
    assert len(said) == 1 and "taken from ema; ignored: model" in said[0]
    # As a process of its own builds it, to be timed.
    origin = origin_of(bundle, ema)
    view = network_view(
        str(bundle.path), "32", origin.network, str(origin.weights), origin.key or "", "pytorch"
    )
    assert same_weights(view.network, second)
    with pytest.raises(UsageError, match="no file of weights"):
        load_reference(bundle, NetworkOptions(weights_key="ema"))


def test_a_wrapped_network_is_unwrapped(bundle: Bundle) -> None:
    network = u2netp()
    wrapped = NetworkOptions(torch.nn.DataParallel(network))
    assert load_reference(bundle, wrapped).network is network


def test_weights_of_another_network_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(CheckpointError, match="does not fit"):
        load_reference(bundle, NetworkOptions(weights=tmp_path / "linear.pth"))


def changed(bundle: Bundle, **values: object) -> Bundle:
    return Bundle(bundle.path, bundle.manifest.model_copy(update=values))


def test_code_that_only_a_manifest_names_is_not_imported(bundle: Bundle) -> None:
    network = bundle.manifest.network.model_copy(update={"factory": "antigravity:fly"})
    with pytest.raises(UsageError, match="not run just because a manifest names it") as caught:
        load_reference(changed(bundle, network=network))
    assert "--network antigravity:fly" in caught.value.remedy


def test_a_bundle_without_weights_asks_for_them(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="holds no weights") as caught:
        load_reference(changed(bundle, reference=None))
    assert "--weights" in caught.value.remedy


def test_weights_that_changed_since_are_not_compared_with(bundle: Bundle, tmp_path: Path) -> None:
    entry = bundle.manifest.reference
    assert entry is not None
    wrong = entry.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(BundleError, match="not what the manifest says"):
        load_reference(changed(bundle, reference=wrong))


def test_a_mistyped_network_is_named_with_the_nearest(bundle: Bundle) -> None:
    with pytest.raises(UsageError) as caught:
        load_reference(bundle, NetworkOptions("u2nepp"))
    assert "u2netp" in caught.value.remedy


def test_a_specification_that_makes_no_sense_is_the_bundles_fault(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="specification"):
        load_reference(changed(bundle, spec={"name": "x"}))


def test_verify_watches_over_the_weights(bundle: Bundle, tmp_path: Path) -> None:
    import shutil

    from maskport.artifacts.bundle import verify

    copy = tmp_path / "copy"
    shutil.copytree(bundle.path, copy)
    assert verify(copy) == []
    (copy / "reference.safetensors").write_bytes(b"other")
    assert any("reference.safetensors" in line for line in verify(copy))
    assert load_bundle(copy).manifest.reference is not None
