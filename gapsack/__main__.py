"""`python -m gapsack` is the command line `sweep`."""

from gapsack.sweep.cli import main

main()
