"""The command lines `sweep` and `select`: all that a person types and sees. Nothing else here knows typer or rich."""


def main() -> None:
    """Run the command line `sweep`."""
    from gapsack.sweep.cli.runs import app

    app()


def select() -> None:
    """Run the command line `select`."""
    from gapsack.sweep.cli.choose import app

    app()
