"""What it takes to load the graph, against other ways and against the ceilings: `make bench`.

Four contestants make the same graph out of the same logs, each in an empty database on a server of its own that has
just been started, one after the other:

- project: this project from CSV files to the graph, with its gates; all but recommendations and their evaluation;
- connector: a Spark job that cleans, aggregates and writes with Neo4j's own connector, as its documentation advises;
- bolt: the bare driver that sends prepared batches, the ceiling for loading over Bolt;
- bulk: `neo4j-admin database import full` of prepared files into a stopped server, the ceiling for loading offline.

The last two send what the first one staged. In the end all graphs must hold the same.
"""
