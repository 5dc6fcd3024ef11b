"""Run folders: what lies where in them, how a run and its trials stand, what they were made with."""
