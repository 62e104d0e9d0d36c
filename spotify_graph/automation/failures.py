"""The record of a failed run: what a person who was not there needs to see first."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from spotify_graph.automation.tags import FILE_TAG
from spotify_graph.errors import UserError
from spotify_graph.io_managers.verdicts import write_json
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
        steps (each with its name and the first line of its innermost error), checks (those that refused data, each with
        its asset, name and what it found), and url (its page's path in the UI).
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
        "error": shown(_first_line(failure.message)),
        "steps": [
            {"step": event.step_key, "error": shown(cause_of(error) if error else None)}
            for event in steps
            for error in [event.step_failure_data.error]
        ],
        "checks": [
            {"asset": it.asset_key.to_user_string(), "check": it.check_name, "found": shown(it.description)}
            for it in checks
            if not it.passed and it.severity == dg.AssetCheckSeverity.ERROR
        ],
        "url": f"/runs/{run.run_id}",
    }


def keep(record: dict[str, Any], settings: Settings) -> Path:
    """Writes a record to `failures` in the home, whole or not at all.

    Returns:
        Its file.
    """
    file = settings.home / "failures" / f"{record['run_id']}.json"
    write_json(file, record)
    return file


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
    """The first line of an error's innermost cause: what went wrong, without the layers that it passed through."""
    while error.cause:
        error = error.cause
    # The message begins with the class and its module, which is of no use to a reader of one line.
    return re.sub(rf"^[\w.]*{re.escape(error.cls_name or '')}: ", "", _first_line(error.message)) or error.cls_name


def _first_line(text: str | None) -> str:
    return next(iter((text or "").strip().splitlines()), "")


def _without_secrets(text: str, settings: Settings) -> str:
    from spotify_graph.local.neo4j import LocalNeo4j

    known = [settings.neo4j_password, settings.failure_webhook]
    with suppress(UserError):  # there is no local server
        known.append(LocalNeo4j(settings).password())
    secrets = [secret.get_secret_value() for secret in known if secret]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
