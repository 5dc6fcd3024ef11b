"""One trial, from its first step to its published candidates."""
