"""Options that several commands have."""

import click

per_artist = click.option(
    "--per-artist", type=int, help="How many tracks of an artist at most; unless given, it grows with -k: 2 of ten."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
