"""SavedModels from elsewhere as members of the one graph."""
