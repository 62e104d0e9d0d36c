"""Mail about failed runs: there where the settings name who gets it."""

import smtplib
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg

from spotify_graph.automation.failures import line_of
from spotify_graph.errors import UserError
from spotify_graph.settings import Settings

_PORTS = {"smtps": 465, "smtp": 587}
_INTERVAL_SECONDS = 15
_TIMEOUT_SECONDS = 20


def sensors(
    settings: Settings, record: Callable[[dg.RunFailureSensorContext], dict[str, Any]]
) -> list[dg.SensorDefinition]:
    """The sensor that sends mail, if the settings name a server and who gets it.

    Args:
        settings: the installation's settings.
        record: makes the record of a failed run, from the sensor's context.
    """
    if not settings.mail_to or settings.mail_server is None or settings.mail_password is None:
        return []

    @dg.run_failure_sensor(
        name="mail_on_run_failure",
        # The command line's runs, too, which belong to no code location.
        monitor_all_code_locations=True,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends mail about each failed run to SPOTIFY_GRAPH_MAIL_TO: what failed, and what to do.",
    )
    def mail_on_run_failure(context: dg.RunFailureSensorContext) -> None:
        """Sends the mail; what can't be sent fails the sensor's tick, and the record is in `failures` all the same."""
        message = _message(record(context), settings)
        try:
            _send(message, settings)
        except OSError as error:  # smtplib's own are such, too
            raise UserError(
                f"no mail was sent about run {context.dagster_run.run_id} ({type(error).__name__}): check"
                " SPOTIFY_GRAPH_MAIL_SERVER and SPOTIFY_GRAPH_MAIL_PASSWORD"
            ) from None

    return [mail_on_run_failure]


def _message(record: Mapping[str, Any], settings: Settings) -> EmailMessage:
    """The mail about a failed run: what failed in a line, with which file, and what to do."""
    file = record["file"] or record["partition"]
    message = EmailMessage()
    message["From"] = settings.mail_from or settings.mail_to[0]
    message["To"] = ", ".join(settings.mail_to)
    message["Subject"] = f"spotify_graph: {record['job']} failed" + (f" for {file}" if file else "")
    lines = [
        line_of(record),
        *([f"File: {file}"] if file else []),
        f"At: {record['at']}",
        f"Its page in the Dagster UI: {record['url']}",
        "When that is mended, this does what is not done yet: spotify-graph materialize",
        "What else may be wrong: spotify-graph doctor",
    ]
    message.set_content("\n\n".join(lines))
    return message


def _send(message: EmailMessage, settings: Settings) -> None:
    """Sends mail over TLS.

    Raises:
        OSError: the server can't be reached or trusted, or does not take it.
    """
    assert settings.mail_password  # noqa: S101 else there is no sensor
    server, tls = urlsplit(settings.mail_server or ""), ssl.create_default_context()
    host, port = str(server.hostname), server.port or _PORTS[server.scheme]
    with (
        smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_SECONDS, context=tls)
        if server.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
    ) as connected:
        if server.scheme == "smtp":
            connected.starttls(context=tls)
        user = unquote(server.username or "") or settings.mail_from or settings.mail_to[0]
        connected.login(user, settings.mail_password.get_secret_value())
        connected.send_message(message)
