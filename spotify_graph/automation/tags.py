"""The tags of the runs that take in a file: they tell, in Dagster's run history, what a run was for."""

FILE_TAG = "spotify_graph/file"
"""The file's name."""
DIGEST_TAG = "spotify_graph/digest"
"""The SHA-256 of the content that lay there when the run was asked for."""
ATTEMPT_TAG = "spotify_graph/attempt"
"""The attempt's number for this content, from 0."""
