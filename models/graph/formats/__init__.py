"""The one graph in the formats that it is shipped in."""
