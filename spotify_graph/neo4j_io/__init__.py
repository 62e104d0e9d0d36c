"""Publishes DataFrames as the nodes and relationships of a Neo4j database: write, audit, publish.

`staging.stage` writes and audits a snapshot, `publication.publish` makes the database equal to it by writing only what
differs, and `ledger.read` says what is published. What a model makes of it is replaced as a whole, by `versions`. A
library of its own: it knows the classes of the graph model, and nothing of the project's tables, nor of any
orchestrator.

The driver and PyArrow are imported where they are used: with pandas, which the driver imports, they take two seconds.
"""
