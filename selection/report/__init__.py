"""What a search reports: certified intervals, bootstrap confidence and the ensemble itself."""
