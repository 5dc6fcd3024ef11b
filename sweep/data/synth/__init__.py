"""Generated data in the YouTube-8M format."""
