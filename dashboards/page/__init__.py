"""Figures, tables and sentences become one HTML page."""
