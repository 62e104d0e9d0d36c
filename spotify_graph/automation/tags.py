"""The tags of runs: they tell, in Dagster's run history, which files a run takes in, and which process makes it."""

from hashlib import sha256

FILE_TAG = "spotify_graph/file"
"""The file's name."""
# Dagster shows no tag of this beginning: a long digest would hide the file.
_HIDDEN = ".dagster/spotify_graph."
DIGEST_TAG = f"{_HIDDEN}digest"
"""The SHA-256 of the content that lay there when the run was asked for."""
CODE_TAG = f"{_HIDDEN}code"
"""The code that judges the file, as `judging_code` names it."""
ATTEMPT_TAG = f"{_HIDDEN}attempt"
"""The attempt's number for this content and code, from 0."""
FILES_TAG = "spotify_graph/files"
"""How many files a run takes in, where it takes in many."""
TOGETHER = f"{_HIDDEN}together."
"""How the tags begin that name the files of such a run, a tag for each: see `together`."""
PROCESS_TAG = f"{_HIDDEN}process"
"""The process that makes a run: one whose process was killed is told from one under way by it."""
HOST_TAG = f"{_HIDDEN}host"
"""The machine, or the container, that this process is of: nobody else can tell whether it is alive."""
RUN_TAG = f"{_HIDDEN}run"
"""The run that this process makes, where that is known: a run that is executed again begins with those of another."""


def together(file: str, digest: str, code: str) -> dict[str, str]:
    """The tag that a run of many files has for one content of one of them: it is looked up by that, and tells the file.

    Dagster looks for the values of tags, and not within them; and a name of a tag has at most 63 characters.
    """
    return {f"{TOGETHER}{sha256(f'{file} {digest} {code}'.encode()).hexdigest()[:16]}": file}
