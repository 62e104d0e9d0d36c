"""What it takes to load the graph, against other ways and against the ceilings: `make bench`.

Five contestants make the same graph out of the same logs, one after the other, each in an empty database on a server of
its own that has just been started, but for the first:

- project: this project from CSV files to the graph, with its gates; all but recommendations and their evaluation. It
  builds a local database, and the start of its server counts;
- project-bolt: the same on a server that it is given the address of, over Bolt;
- connector: a Spark job that cleans, aggregates and writes with Neo4j's own connector, as its documentation advises;
- bolt: the bare driver that sends prepared batches, the ceiling for loading over Bolt;
- bulk: `neo4j-admin database import full` of prepared files into a stopped server, the ceiling for loading offline.

The last two load what the first one staged. In the end all graphs must hold the same. Three more make no such graph:

- pyarrow and duckdb: one process that reads, cleans and counts the events in memory, as a yardstick for Spark and us;
- demo: `spotify-graph demo` on its own sample, with models, as a newcomer does it for the second time.

All take part in turn, several times over, and a ratio is one of seconds of the same turn.
"""
