"""Rows of videos and candidate classes in the layout that compiled kernels read."""
