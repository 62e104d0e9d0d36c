"""Publishes DataFrames as the nodes and relationships of a Neo4j database: write, audit, publish.

`staging.stage` writes and audits a snapshot, `publication.publish` makes the database equal to it by writing only what
differs, and `ledger.read` says what is published. What a model makes of it is replaced as a whole, by `versions`. The
tables are described in the words of `vocabulary`. A library of its own: it imports nothing else of this package, and
knows no orchestrator.

The driver and PyArrow are imported where they are used: with pandas, which the driver imports, they take two seconds.
"""
