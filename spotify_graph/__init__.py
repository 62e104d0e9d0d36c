"""Listening logs in, a living recommendation graph in Neo4j out, run and seen through Dagster."""
