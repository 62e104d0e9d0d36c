import dagster as dg
import pytest
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import ClientError

from spotify_graph.neo4j_dagster.retries import RETRIES, transient_errors_retried
from spotify_graph.neo4j_io.errors import PublicationError

LOG = dg.build_op_context().log


def test_a_server_that_is_gone_is_tried_again_after_longer_and_longer_waits() -> None:
    waits = []
    for attempt in range(RETRIES):
        # Nothing listens on this port: it is reserved.
        with (
            GraphDatabase.driver("bolt://127.0.0.1:1", connection_timeout=1) as driver,
            pytest.raises(dg.RetryRequested) as asked,
            transient_errors_retried(attempt, LOG),
            driver.session() as session,
        ):
            session.run("RETURN 1")
        assert asked.value.max_retries == RETRIES
        waits.append(asked.value.seconds_to_wait)
    assert waits == [5, 10, 20]


def test_a_statement_that_the_server_refuses_is_not_tried_again(neo4j_driver: Driver) -> None:
    with pytest.raises(ClientError), transient_errors_retried(0, LOG):
        neo4j_driver.execute_query("RETURN 1 / 0")


def test_bad_data_is_not_tried_again() -> None:
    with pytest.raises(PublicationError, match="an end is missing"), transient_errors_retried(0, LOG):
        raise PublicationError("played_edges", "an end is missing")
