"""The grid file: read, checked, and spelled out as trials."""
