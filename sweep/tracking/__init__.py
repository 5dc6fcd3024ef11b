"""What a tracking server is told of a sweep."""
