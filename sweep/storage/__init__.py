"""Places that keep whole files by name: folders, object stores; and locks that are such files."""
