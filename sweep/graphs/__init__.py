"""From an ensemble to one graph, and that graph at work."""
