"""What several commands have: options, and how their help shows examples."""

import click

per_artist = click.option(
    "--per-artist", type=int, help="How many tracks of an artist at most; unless given, it grows with -k: 2 of ten."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def examples(*commands: str) -> str:
    """The end of a command's help: how it is called, such as `list tracks --like miles`."""
    return "\n".join(
        ("\b", "Examples:" if len(commands) > 1 else "Example:", *(f"spotify-graph {it}" for it in commands))
    )
