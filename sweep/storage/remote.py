"""URLs of other places than this machine's own files, by fsspec: s3://, gs:// and what else has a driver of it.

Drivers try again by themselves where a server is busy, slow or gone for a moment; what they give up on is an OSError.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

DRIVERS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}
"""Of a URL's scheme: the package that opens it, and the extra of gapsack that brings it."""


def is_url(path: str) -> bool:
    """Whether a path is a URL such as `gs://bucket/file`."""
    return "://" in path


def file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """What opens a URL, and the path by which it knows the place.

    Listings are not kept: a file is what it is now, not what it was when its folder was looked at.

    Raises:
        InputError: its driver is not installed, or there is none for such URLs.
    """
    from fsspec.core import url_to_fs

    scheme = url.split("://", 1)[0]
    try:
        opened, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as missing:
        package, extra = DRIVERS.get(scheme, (None, None))
        if package is None:
            raise InputError(f"expected a URL whose driver is installed, got {url}: {missing}") from missing
        raise InputError(
            f"expected the package {package} for {url}, which is not installed: pip install 'gapsack[{extra}]'"
        ) from missing
    except ValueError as unknown:
        raise InputError(f"expected s3://, gs:// or another URL that fsspec knows, got {url}: {unknown}") from unknown
    return opened, path


@contextmanager
def os_errors(url: str) -> Iterator[None]:
    """Whatever a driver raises in the block, as an OSError: each has exceptions of its own."""
    try:
        yield
    except (OSError, InputError):
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", url) from error
