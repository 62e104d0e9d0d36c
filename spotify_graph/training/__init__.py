"""Models are trained, tuned, measured and asked over all blocks of users and of tracks.

What is done to one block are the functions of `transforms.recommendations` and `transforms.evaluation`; here they are
run over Parquet parts and arrays, in this process or by Spark's tasks, as the caller's runner does it. Each task has
what is known of all tracks; what is known of all users stays with the caller: their numbers, their factors, and 8 bytes
for each track of their capped histories.
"""
