"""Rows of items and candidate classes in the layout that compiled kernels read."""
