"""Runs whose process has died are noticed, and no others are taken for such."""

import os
from collections.abc import Iterator

import dagster as dg
import pytest

from spotify_graph.automation import orphans
from spotify_graph.automation.tags import PROCESS_TAG, RUN_TAG

OF_DEAD = orphans.tags_of_this_process() | {PROCESS_TAG: f"{os.getpid()}:0.00"}
"""A process of the same number that began at another time."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def begun(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run that has just begun."""
    run = dg.DagsterRun("job", tags=tags, status=dg.DagsterRunStatus.STARTING)
    instance.add_run(run)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "job"), run.run_id)
    return run


def after_a_look(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    orphans.end(instance)
    [found] = instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))
    return found.status


def test_a_run_is_under_way_while_the_process_lives_that_it_names_and_no_longer(instance: dg.DagsterInstance) -> None:
    run = begun(instance)
    orphans.tell(instance, run)
    assert after_a_look(instance, run) == dg.DagsterRunStatus.STARTED
    instance.add_run_tags(run.run_id, OF_DEAD)
    assert after_a_look(instance, run) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_is_executed_again_is_not_taken_for_dead_with_the_former_one(instance: dg.DagsterInstance) -> None:
    run = begun(instance, **OF_DEAD, **{RUN_TAG: "the former one"})
    assert after_a_look(instance, run) == dg.DagsterRunStatus.STARTED


def test_a_run_that_was_killed_before_it_could_name_its_process_is_noticed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(instance)
    assert after_a_look(instance, run) == dg.DagsterRunStatus.STARTED
    monkeypatch.setattr(orphans, "_SILENT_SECONDS", -1)
    assert after_a_look(instance, run) == dg.DagsterRunStatus.FAILURE
