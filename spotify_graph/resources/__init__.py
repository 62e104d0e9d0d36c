"""What assets and IO managers work with: the Spark session that computes, the Neo4j driver that serves."""
