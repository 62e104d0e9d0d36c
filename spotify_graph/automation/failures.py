"""The record of a failed run: what a person who was not there needs to see first."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from spotify_graph import markdown
from spotify_graph.automation.held_back import FileRefused
from spotify_graph.automation.tags import FILE_TAG
from spotify_graph.errors import UserError
from spotify_graph.lake import documents
from spotify_graph.settings import Settings
from spotify_graph.times import utc

# Imported where they are used, as definitions are loaded often: requests, and the local server with the driver.

_TIMEOUT_SECONDS = 10


def record_of(
    run: dg.DagsterRun,
    ended: float | None,
    failure: dg.DagsterEvent,
    steps: Sequence[dg.DagsterEvent],
    checks: Sequence[dg.AssetCheckEvaluation],
    settings: Settings,
) -> dict[str, Any]:
    """What went wrong in a run, as plain JSON values without the settings' secrets.

    Args:
        run: the run.
        ended: when it ended, in seconds since the epoch; None means now.
        failure: its failure event.
        steps: the failure events of its steps.
        checks: what its asset checks found.
        settings: the installation's settings.

    Returns:
        run_id, job, file and partition (null where it has none), at (ISO 8601, UTC), error (of the run as a whole),
        steps (each with its name and what its innermost error says), checks (those that refused data, each with its
        asset, name, partition and what it found), and url (its page's path in the UI).
    """
    at = datetime.now(UTC) if ended is None else datetime.fromtimestamp(ended, UTC)

    def shown(text: str | None) -> str | None:
        return text and _without_secrets(text, settings)

    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "file": shown(run.tags.get(FILE_TAG)),
        "partition": shown(run.tags.get("dagster/partition")),
        "at": utc(at, "seconds"),
        "error": shown(_one_line(failure.message)),
        "steps": [
            {"step": event.step_key, "error": shown(cause_of(error) if error else None)}
            for event in steps
            for error in [event.step_failure_data.error]
        ],
        "checks": [
            {
                "asset": it.asset_key.to_user_string(),
                "check": it.check_name,
                "partition": shown(it.partition),
                "found": shown(it.description and markdown.unescaped(it.description)),
            }
            for it in checks
            if not it.passed and it.severity == dg.AssetCheckSeverity.ERROR
        ],
        "url": f"/runs/{run.run_id}",
    }


def line_of(record: Mapping[str, Any]) -> str:
    """A record in one line, as the terminal shows it."""
    errors = [step["error"] for step in record["steps"] if step["error"]]
    found = [f"{check['asset']}, check {check['check']}: {check['found']}" for check in record["checks"]]
    # A step that a gate of its own failed says no more than how many did.
    why = "; ".join(found if not record["partition"] and found else errors) or record["error"]
    return f"run {record['run_id'][:8]} of {record['job']} failed: {why}"


class News:
    """The records of failed runs, each told once."""

    def __init__(self, settings: Settings) -> None:
        self._folder = _folder(settings)
        self._told = self._names()

    def __call__(self) -> list[str]:
        """A line for each run that has failed since the last call."""
        new = self._names() - self._told
        self._told |= new
        records = [documents.read(self._folder / name) for name in sorted(new)]
        return [line_of(record) for record in sorted(records, key=lambda record: str(record["at"]))]

    def _names(self) -> set[str]:
        return {file.name for file in self._folder.glob("[!.]*.json")}


def keep(record: dict[str, Any], settings: Settings) -> Path:
    """Writes a record to `failures` in the home, whole or not at all.

    Returns:
        Its file.
    """
    file = _folder(settings) / f"{record['run_id']}.json"
    documents.write(file, record)
    return file


def _folder(settings: Settings) -> Path:
    return settings.home / "failures"


def send(record: dict[str, Any], settings: Settings) -> str | None:
    """Sends a record to the settings' webhook, if there is one.

    Returns:
        Why the webhook did not take it, without the webhook's address, which may hold a key; None where all is well.
    """
    import requests

    if settings.failure_webhook is None:
        return None
    try:
        answer = requests.post(settings.failure_webhook.get_secret_value(), json=record, timeout=_TIMEOUT_SECONDS)
    except Exception as error:  # noqa: BLE001 whatever an address makes of it; the message may show the address
        return type(error).__name__
    return None if answer.ok else f"status {answer.status_code}"


def cause_of(error: Any) -> str:
    """An error's own message in one line: what went wrong, without the layers that it passed through.

    Spark's errors come from Java, whose own causes are a part of the message's text.

    Args:
        error: as Dagster keeps it.
    """
    # What is meant to be read says it all, whatever led to it.
    while error.cause and error.cls_name not in _MEANT_TO_BE_READ:
        error = error.cause
    text = (error.message or "").strip()
    if error.cls_name not in _MEANT_TO_BE_READ:
        text = _innermost(text)
    # The message begins with the class and its module, which is of no use to a reader of one line.
    return _one_line(re.sub(rf"^[\w.]*{re.escape(error.cls_name or '')}: ", "", text)) or str(error.cls_name)


_MEANT_TO_BE_READ = {UserError.__name__, FileRefused.__name__}
_MESSAGE_CHARACTERS = 1000
_IN_PYTHON = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)")
"""The error of a Python worker, in the text of Java's."""
_IN_JAVA = re.compile(r"^(?:Caused by)?: ", re.MULTILINE)
"""Where a cause begins: the one that Py4J met, and those that led to it."""
_STACK = re.compile(r"\n\s+(?:at |\.\.\. \d+ more)|\s+JVM stacktrace:|\s+Driver stacktrace:")


def _innermost(text: str) -> str:
    if in_python := _IN_PYTHON.findall(text):
        return str(in_python[-1])
    return _STACK.split(_IN_JAVA.split(text)[-1], maxsplit=1)[0]


def _one_line(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= _MESSAGE_CHARACTERS else f"{line[:_MESSAGE_CHARACTERS]}..."


def _without_secrets(text: str, settings: Settings) -> str:
    from spotify_graph.local.neo4j import LocalNeo4j

    known = [settings.neo4j_password, settings.failure_webhook, settings.mail_password]
    with suppress(UserError):  # there is no local server
        known.append(LocalNeo4j(settings).password())
    secrets = [secret.get_secret_value() for secret in known if secret]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
