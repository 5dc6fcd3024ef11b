"""What all members of one graph have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shared:
    """Features a frame, and classes."""

    rgb: int
    audio: int
    classes: int
