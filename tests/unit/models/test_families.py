"""A family is a module, a record and a row; subclasses have none of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from maskport.errors import NetworkError
from maskport.models.basnet import BASNet, Widths
from maskport.models.families import FAMILIES, ancestor_of, family_of
from maskport.models.isnet import FAMILY as ISNET
from maskport.models.isnet import ISNet
from maskport.models.seeding import spread
from maskport.models.u2net import FAMILY as U2NET
from maskport.models.u2net import NestedU, U2Net


def test_a_family_is_found_by_the_exact_class(nano) -> None:
    class Own(U2Net):
        pass

    own = Own(nano().stages)
    assert family_of(nano()) is U2NET and ancestor_of(nano()) is U2NET
    assert family_of(own) is None and ancestor_of(own) is U2NET
    assert family_of(nn.Conv2d(3, 1, 1)) is None and ancestor_of(nn.Conv2d(3, 1, 1)) is None


def test_what_families_share_is_none() -> None:
    with torch.device("meta"):
        assert family_of(ISNet()) is ISNET
        assert family_of(NestedU(ISNet().stages, 1, sigmoid=True)) is None


def test_a_class_that_only_has_the_name_of_one_is_none(nano) -> None:
    impostor = type("U2Net", (nn.Identity,), {"__module__": U2Net.__module__})
    assert family_of(impostor()) is None


def test_every_row_has_its_record() -> None:
    with torch.device("meta"):
        networks = [U2Net(), ISNet(), BASNet()]
    records = [family_of(network) for network in networks]
    assert len(FAMILIES) == len({id(record) for record in records}) == 3
    for network, record in zip(networks, records, strict=True):
        assert record is not None
        named = dict(network.named_modules())
        assert all(isinstance(named[name], nn.Conv2d) for name in record.logits)
        assert type(network) in {type(known) for _, known in _variants(record)}


def _variants(record):
    with torch.device("meta"):
        yield from record.variants(1)


def test_several_convolutions_are_spread_one_after_the_other() -> None:
    network = BASNet(Widths((4, 4, 8, 8), (1, 1, 1, 1), 4), sigmoid=False).eval()
    found: list[torch.Tensor] = []
    spread(network, (64, 64), 1)
    network.outconv1.register_forward_hook(lambda _m, _i, output: found.append(output))
    spread(network, (64, 64), 1)  # runs it on the picture; changes nothing but rounding
    assert float(found[-1].std()) == pytest.approx(4, rel=1e-3)


def test_a_network_of_no_family_cannot_be_spread() -> None:
    with pytest.raises(NetworkError, match="Conv2d is of no family"):
        spread(nn.Conv2d(3, 1, 1), (32, 32))
