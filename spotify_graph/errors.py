"""The errors that a user is meant to read."""


class UserError(Exception):
    """Something that the person who runs the platform can mend.

    The message is one line: it names the culprit and says what to do. The command line prints it without a traceback.
    """


class UsageError(UserError):
    """What was asked for makes no sense, whatever the data are: the command ends with the exit code of wrong usage."""


class NotFoundError(UserError):
    """The graph has nothing of the id or the name that was asked for."""
