"""The Parquet lake: tables in versions that never change, and the manifest that says which versions belong together.

A room of its own: it knows landed files and no orchestrator. `docs/decisions/0001-lake.md` says why it is as it is.
"""
