"""Metrics that a pool is searched by, from dense predictions and from candidate lists."""
