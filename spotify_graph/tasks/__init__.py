"""What is done to one part of a table: files of the lake in, rows or files out.

Where there are few rows, the tasks run in this process; where there are many, in Spark's executors: the same code
(`SparkResource.over`). A part is named, and not held: a task reads it where it runs.
"""
