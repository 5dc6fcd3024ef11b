"""Candidate pools made from predictions and models of one's own."""
