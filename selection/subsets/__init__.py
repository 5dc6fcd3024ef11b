"""The search for the subset of candidates that scores best under a budget."""
