"""Sizes as tables show them."""

from __future__ import annotations
