"""People's own listening histories, as services give them out, made into files of the input contract.

Plain Python and Arrow, without Dagster and Spark. A row of an export becomes a `meaning.Listen`, or is set aside with a
reason; what was taken from a file is kept as a piece (`pieces`); all pieces of a person are one history (`merging`).
Of an export nothing is kept that is not in `meaning.Listen`: no address, no user agent, no account.
"""
