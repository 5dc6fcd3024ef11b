"""The score of a weighted blend of members, and the weights that make it best."""
