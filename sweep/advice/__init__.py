"""What the ensemble gains: by a trial that is done, and by what could be trained next."""
