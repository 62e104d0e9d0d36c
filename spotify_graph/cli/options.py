"""What several commands have: options, and how their help shows examples."""

import click


def as_key(_context: click.Context, _option: click.Parameter, file: str | None) -> str | None:
    """A landed file's key, which may be given as its path within the landing folder, too."""
    from spotify_graph.transforms.landed_files import key_of

    return key_of(file) if file and "/" in file else file


per_artist = click.option(
    "--per-artist", type=int, help="How many tracks of an artist at most; unless given, it grows with -k: 2 of ten."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def examples(*commands: str) -> str:
    """The end of a command's help: how it is called, such as `list tracks --like miles`."""
    return "\n".join(
        ("\b", "Examples:" if len(commands) > 1 else "Example:", *(f"spotify-graph {it}" for it in commands))
    )
