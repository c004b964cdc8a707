"""Stores in S3, as moto's server has it on this machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from maskport.artifacts.store import open_place
from maskport.errors import InputError
from maskport.outside.files import MANIFEST_FILE

from ..store_cases import Cases

pytest.importorskip("s3fs", reason="needs maskport[store]")
moto_server = pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors")

COUNT = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    import s3fs

    running = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bundles-here")
        yield
        s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


@pytest.mark.usefixtures("server")
class TestS3(Cases):
    @pytest.fixture
    def url(self) -> str:
        return f"s3://bundles-here/store-{next(COUNT)}"

    def test_the_store_itself_refuses_a_second_one(self, url: str) -> None:
        place = open_place(url)
        assert place.create("bundles/a", b"first") is True
        assert place.create("bundles/a", b"second") is False
        assert place.read("bundles/a", MANIFEST_FILE) == b"first"

    def test_no_bucket_is_made(self) -> None:
        with pytest.raises(InputError, match=r"s3://nobodys/x can't be written"):
            open_place("s3://nobodys/x").create("bundles/a", b"first")
