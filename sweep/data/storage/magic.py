"""What a file is that is not what it should be, by its first bytes: so that one sentence says how to mend it."""

from __future__ import annotations

HEAD_BYTES = 64
"""How much of a file is looked at."""

_LEAST_TEXT_BYTES = 4
_KINDS = {
    b"\x1f\x8b\x08": "a gzip file (unpack it)",
    b"BZh": "a bzip2 file (unpack it)",
    b"\xfd7zXZ": "an xz file (unpack it)",
    b"\x28\xb5\x2f\xfd": "a zstd file (unpack it)",
    b"PK\x03\x04": "a zip or npz file",
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
}


def other_kind(head: bytes) -> str | None:
    """In words, what a file that begins with `head` is; None where that is not known."""
    for magic, name in _KINDS.items():
        if head.startswith(magic):
            return name
    # The first bytes of a TFRecord file are a length, whose high bytes are zero: they are never text.
    text = head.decode("utf-8", "ignore")
    is_text = len(head) >= _LEAST_TEXT_BYTES and all(letter.isprintable() or letter.isspace() for letter in text)
    if not is_text or len(text.encode()) < len(head) - 3:  # a letter may be cut in two at the end
        return None
    return f"text ({text[:24]!r})"
