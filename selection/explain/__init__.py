"""Why an ensemble is what it is, and what a search changed (``selection.explain.explain``)."""
