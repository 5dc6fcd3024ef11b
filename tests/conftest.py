"""Where the reference outputs and the real data lie; tests that need them skip where they are missing."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def pytest_collection_finish() -> None:
    """TensorFlow, Ray and MLflow are imported by now and stay: a collection need not go through them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _tracking_uri_as_it_was() -> Iterator[None]:
    """MLflow keeps its global URI in the environment: the next test's sweep would look for this test's server."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    yield
    if os.environ.get("MLFLOW_TRACKING_URI") != before:
        sys.modules["mlflow"].set_tracking_uri(before)


def _existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout (it is in the maintainers' folder ../shared)")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference outputs computed with the field's own code."""
    return _existing(SHARED / "golden")


@pytest.fixture(scope="session")
def yt8m_video() -> Path:
    """The folder of real video-level shards."""
    return _existing(SHARED / "data" / "yt8m_video")


@pytest.fixture(scope="session")
def yt8m_frame() -> Path:
    """The folder with one real frame-level file."""
    return _existing(SHARED / "data" / "yt8m_frame")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that failed once, each with what is right."""
    return _existing(SHARED / "cases")


class LoopbackS3:
    """An S3 server on the loopback address, moto's, whose next answers can be spoilt.

    Attributes:
        bucket: URL of a bucket, with the slash.
        faults: What befalls the next requests, first in first out: "503", "slow" or "lost"; after half of what it has
            to say, a lost answer ends.
        away: Whether it answers nobody; every request is then refused as by a server that is overrun.
        no_writing: Whether all may read, and nobody write.
    """

    def __init__(self, application: Any) -> None:
        self.bucket = "s3://bucket/"
        self.faults: list[str] = []
        self.away = False
        self.no_writing = False
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        fault = self.faults.pop(0) if self.faults else None
        if self.no_writing and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            start_response("403 Forbidden", [("Content-Length", str(len(body))), ("Content-Type", "application/xml")])
            return [body]
        if fault == "503" or self.away:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        if fault == "slow":
            time.sleep(1.0)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return self._half(answer) if fault == "lost" else answer

    @staticmethod
    def _half(answer: Iterable[bytes]) -> Iterator[bytes]:
        content = b"".join(answer)
        yield content[: len(content) // 2]
        raise ConnectionResetError


@pytest.fixture(scope="session")
def s3() -> Iterator[LoopbackS3]:
    """S3 on the loopback address, with one bucket."""
    moto_server = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, *_: Any, **__: Any) -> None:
            """Nothing."""

    loopback = LoopbackS3(moto_server.DomainDispatcherApplication(moto_server.create_backend_app))
    server = make_server("127.0.0.1", 0, loopback, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem(use_listings_cache=False).mkdir("bucket")
        yield loopback
    server.shutdown()
    thread.join()
    server.server_close()
