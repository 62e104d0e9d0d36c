"""`python -m spotify_graph.cli` is the command, too."""

from spotify_graph.cli import main

main()
