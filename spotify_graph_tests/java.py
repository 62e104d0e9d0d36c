"""The JVMs of tests."""

# They do little: what a JVM's best compiler and its parallel collector take is never won back.
OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""What JAVA_TOOL_OPTIONS is for all of them."""
