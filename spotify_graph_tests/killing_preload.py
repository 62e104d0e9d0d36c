"""What children of `killing` need: imported once, in the process that they are forked from. It starts nothing."""

import numpy  # noqa: F401
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet  # noqa: F401
from sqlalchemy import Engine, event

from spotify_graph import history, runs  # noqa: F401
from spotify_graph.definitions import build_defs
from spotify_graph.local import neo4j, spark  # noqa: F401
from spotify_graph.neo4j_io import contents, difference, loader, mending, part, revision, verification  # noqa: F401
from spotify_graph.training import train  # noqa: F401

# No history of a test has to outlive a power cut.
event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
build_defs()
