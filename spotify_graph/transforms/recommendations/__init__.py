"""The models: from what users did to what they may like. Spark functions, DataFrame in and DataFrame out.

Inside this package users and tracks are integers, numbered from 0 without gaps (`numbering`), and times are whole days.
"""
