"""The dynamic partitions: one for each landed file."""

import dagster as dg

from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS

LOG_FILES = dg.DynamicPartitionsDefinition(name="log_files")
"""The user-event files, by name."""
CATALOGUE_FILES = dg.DynamicPartitionsDefinition(name="catalogue_files")
"""The catalogue files, by name."""

FILES = {TRACKS.name: CATALOGUE_FILES, USER_EVENTS.name: LOG_FILES}
"""The partitions of each kind of landed files, by its name."""
