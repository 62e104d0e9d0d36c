"""When a step that needs Neo4j is tried again: after transient errors, with growing waits; never for bad data."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

RETRIES = 3
FIRST_WAIT_S = 5


@contextmanager
def transient_errors_retried(attempt: int, log: dg.DagsterLogManager) -> Iterator[None]:
    """Asks Dagster to try the step again where Neo4j fails for a while, such as when it restarts.

    The driver's own retries come first; what is raised has outlasted them.

    Args:
        attempt: how often the step was tried before.
        log: where the wait is logged.
    """
    # Imported where it is used: it takes two seconds, and definitions are loaded often.
    from neo4j.exceptions import DriverError, Neo4jError

    try:
        yield
    except (DriverError, Neo4jError) as error:
        if not error.is_retryable():
            raise
        wait = FIRST_WAIT_S * 2**attempt
        log.warning(f"Neo4j failed ({type(error).__name__}); attempt {attempt + 2} of {RETRIES + 1} is in {wait} s")
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error
