"""What a test raises where a process would be killed."""


class DiedError(BaseException):
    """The process is killed here: nothing that catches errors catches this."""
