"""People and the companies they work at, in Neo4j."""
