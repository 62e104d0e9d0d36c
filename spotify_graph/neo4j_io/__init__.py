"""Publishes DataFrames as the nodes and relationships of a Neo4j database: write, audit, publish.

`staging.stage` writes and audits a snapshot, `publication.publish` makes the database equal to it by writing only what
differs, and `ledger.read` says what is published. What a model predicts is replaced as a whole, by `models`. Tables are
described in the terms of `vocabulary`. It is a library of its own: it imports nothing else of this package, and knows
no orchestrator.

The driver and PyArrow are imported where they are used: with pandas, which the driver imports, they take two seconds.
"""
