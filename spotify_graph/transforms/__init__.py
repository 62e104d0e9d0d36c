"""Spark functions of the domain, DataFrame in and DataFrame out: no Dagster, no Neo4j, no settings."""
