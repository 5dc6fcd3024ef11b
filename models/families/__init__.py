"""Model families, a package each; `models.registry` finds them by name."""
