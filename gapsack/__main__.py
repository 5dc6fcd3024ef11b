"""`python -m gapsack` is the command line `sweep`."""

from gapsack.sweep.cli import main

if __name__ == "__main__":
    main()
