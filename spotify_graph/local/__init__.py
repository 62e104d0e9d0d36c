"""What only this machine has: the JVM, the jars, the local Neo4j and Dagster's processes."""
