"""The best model ensemble that fits a size budget: sweep, select, pack into one TensorFlow graph."""

from __future__ import annotations

__version__ = "0.1.0"
