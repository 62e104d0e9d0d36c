"""Where assets are kept: the Parquet lake, and Neo4j."""
