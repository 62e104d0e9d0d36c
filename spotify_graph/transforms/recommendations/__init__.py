"""The models: from what users did to what they may like. NumPy functions over a block of users or of tracks.

Inside this package users and tracks are integers, numbered from 0 without gaps (`numbering`), and times are whole days.
What is done for all blocks, in this process or by Spark's tasks, is in `spotify_graph.training`.
"""
