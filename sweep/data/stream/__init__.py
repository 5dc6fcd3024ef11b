"""The order in which records are served, and what is read ahead."""
