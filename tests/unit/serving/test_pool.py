"""Networks that are open: no more than needed, and opened again where they are lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from maskport.apps.segmenter import Map, Segmenter
from maskport.errors import LostError, RunnerError, UsageError
from maskport.serving.offers import Offer, Offers, UnknownOffer
from maskport.serving.pool import Pool

from .conftest import HEIGHT, WIDTH, Network

IMAGE = np.ones((1, 3, HEIGHT, WIDTH), np.float32)
CRASH = LostError("crashed", "It died.", "")


def draw(segmenter: Segmenter) -> Map:
    return segmenter.draw(IMAGE)


def offer(network: Network, name: str = "it") -> Offer:
    return Offer(name, "net", "onnx", 1, (), network.open)


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1, most_open=2)
    yield made
    made.close()


def test_what_is_open_is_used_again(pool: Pool, network: Network) -> None:
    it = offer(network)
    for _ in range(3):
        pool.submit(it, draw).result(10)
    assert network.opened == 1
    assert network.closed == 0


def test_what_was_used_least_recently_is_closed_first(pool: Pool) -> None:
    networks = [Network() for _ in range(3)]
    offers = [offer(network) for network in networks]
    for number in (0, 1, 0, 2):
        pool.submit(offers[number], draw).result(10)
    assert [network.closed for network in networks] == [0, 1, 0]


def test_a_network_that_died_between_photos_is_opened_again(pool: Pool, network: Network) -> None:
    it = offer(network)
    pool.submit(it, draw).result(10)
    network.errors.append(CRASH)
    assert pool.submit(it, draw).result(10).shape == (1, 1, HEIGHT, WIDTH)
    assert (network.opened, network.closed) == (2, 1)


def test_a_photo_that_takes_a_fresh_one_down_is_not_tried_again(
    pool: Pool, network: Network
) -> None:
    network.errors += [CRASH]
    with pytest.raises(LostError):
        pool.submit(offer(network), draw).result(10)
    assert network.opened == network.closed == 1


def test_one_that_took_too_long_is_not_tried_again(pool: Pool, network: Network) -> None:
    it = offer(network)
    pool.submit(it, draw).result(10)
    network.errors.append(LostError("timed-out", "Too long.", ""))
    with pytest.raises(LostError):
        pool.submit(it, draw).result(10)
    assert network.drawn == 1


def test_warming_opens_one_for_each_worker(network: Network) -> None:
    pool = Pool(3)
    pool.warm(offer(network))
    assert network.opened == 3
    pool.close()
    assert network.closed == 3


def test_warming_says_why_it_can_t_be_opened(network: Network) -> None:
    network.refusal = UsageError("no such file", "")
    pool = Pool(3)
    with pytest.raises(UsageError, match="no such file"):
        pool.warm(offer(network))
    pool.close()


def test_the_end_closes_all_and_begins_nothing(network: Network) -> None:
    pool = Pool(1)
    it = offer(network)
    network.go_on.clear()
    busy = pool.submit(it, draw)
    assert network.begun.acquire(timeout=10)
    waiting = pool.submit(it, draw)
    network.go_on.set()
    pool.close()
    assert busy.done()
    assert waiting.cancelled() or network.drawn <= 2
    assert network.closed == network.opened
    with pytest.raises(RuntimeError):
        pool.submit(it, draw)


def test_an_error_in_opening_is_known_as_one(pool: Pool, network: Network) -> None:
    network.refusal = UsageError("/srv/secret is missing", "")
    with pytest.raises(RunnerError, match="it can't be opened") as caught:
        pool.submit(offer(network), draw).result(10)
    assert isinstance(caught.value.__cause__, UsageError)


def test_names_are_unique_and_there_are_some(network: Network) -> None:
    with pytest.raises(UsageError, match="nothing to serve"):
        Offers([])
    with pytest.raises(UsageError, match="Two would be served as it"):
        Offers([offer(network), offer(network)])


def test_offers_are_found_by_name_and_by_network(network: Network) -> None:
    offers = Offers([offer(network, "a-int8"), offer(network, "b-int8")])
    assert offers.find(None).name == "a-int8"
    assert offers.find("b-int8").name == "b-int8"
    assert offers.find_model("net").name == "a-int8"
    with pytest.raises(UnknownOffer, match="'b-int' is not served") as caught:
        offers.find("b-int")
    assert "Did you mean b-int8?" in caught.value.remedy
