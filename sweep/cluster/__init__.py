"""Trials on Ray: launching, driving, watching and stopping them."""
