"""What a person sees of runs, pools and graphs on a terminal."""
