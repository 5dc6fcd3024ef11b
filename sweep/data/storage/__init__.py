"""Where data files lie, and how their bytes come into memory."""
