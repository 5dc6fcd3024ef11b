"""Data files: finding them, holding some out, reading them fast, naming what is wrong, making small ones."""
