"""The command `spotify-graph`: one module for each group of its commands.

Exit codes: 0 done, 1 failed, 2 wrong usage. Answers go to stdout, progress and errors to stderr.

What a command needs is imported inside it: Spark, Dagster and the driver take seconds, `--help` should not.
"""

import sys
from collections.abc import Sequence
from typing import Any

import click

from spotify_graph.cli import answers, care, intake, reports, servers
from spotify_graph.cli.options import examples
from spotify_graph.errors import UsageError, UserError


class _Command(click.Group):
    """Turns an error into one line on stderr and an exit code; with --debug, anywhere, the traceback is shown."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        """Runs the command and exits."""
        arguments = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in arguments
        try:
            return super().main([argument for argument in arguments if argument != "--debug"], *more, **extra)
        except Exception as error:
            if debug:
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            hint = "" if isinstance(error, UserError) else f" ({type(error).__name__}; --debug shows where)"
            click.echo(f"spotify-graph: {lines[0]}{hint}", err=True)
            sys.exit(2 if isinstance(error, UsageError) else 1)


@click.group(
    cls=_Command,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("demo", "materialize", "list users", "COMMAND --help"),
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks; may stand anywhere.")
@click.version_option(package_name="spotify-graph")
def main() -> None:
    """Listening logs in, a living recommendation graph in Neo4j out."""


for _commands in (intake.COMMANDS, servers.COMMANDS, answers.COMMANDS, reports.COMMANDS, care.COMMANDS):
    for _command in _commands:
        main.add_command(_command)
