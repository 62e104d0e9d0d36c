"""Mail about failed runs, by Dagster's own sensor: there where the settings name who gets it."""

import html
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from spotify_graph.automation.failures import line_of
from spotify_graph.settings import Settings

_PORTS = {"smtps": 465, "smtp": 587}


def sensors(settings: Settings, record: Any) -> list[dg.SensorDefinition]:
    """The sensor that sends mail, if the settings name a server and who gets it.

    Args:
        settings: the installation's settings.
        record: makes the record of a failed run, from the sensor's context.
    """
    if not settings.mail_to or settings.mail_server is None or settings.mail_password is None:
        return []
    server = urlsplit(settings.mail_server)

    def body(context: dg.RunFailureSensorContext) -> str:
        return html.escape(line_of(record(context)))

    return [
        dg.make_email_on_run_failure_sensor(
            name="mail_on_run_failure",
            email_from=settings.mail_from or settings.mail_to[0],
            email_password=settings.mail_password.get_secret_value(),
            email_to=list(settings.mail_to),
            email_subject_fn=lambda context: f"spotify_graph: {context.dagster_run.job_name} failed",
            email_body_fn=body,
            smtp_host=str(server.hostname),
            smtp_port=server.port or _PORTS[server.scheme],
            smtp_type="SSL" if server.scheme == "smtps" else "STARTTLS",
            smtp_user=server.username or settings.mail_from or settings.mail_to[0],
            # The command line's runs, too, which belong to no code location.
            monitor_all_code_locations=True,
            default_status=dg.DefaultSensorStatus.RUNNING,
        )
    ]
