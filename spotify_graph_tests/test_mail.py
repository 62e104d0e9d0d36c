"""Mail about failed runs, which a real mail server on this machine takes."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from spotify_graph import runs
from spotify_graph.automation import mail
from spotify_graph.automation.sensors import record_of_failure
from spotify_graph.errors import UserError
from spotify_graph.settings import Settings
from spotify_graph_tests.platform import Platform, without_a_graph

USER, PASSWORD = "ops@example.com", "pass-word-of-the-mail-server"
FILE = "user_events_bad.csv"
EVENTS = "user_id,track_id,event_type,event_ts,session_id,device"
BY_FILE = "key:raw_user_events or key:cleaned_events"


class Mailbox:
    """A mail server that takes what its one user sends over TLS, and keeps it."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 aiosmtpd calls it
        self.envelopes.append(envelope)
        return "250 taken"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        expected = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=given == expected, handled=False)

    @property
    def mails(self) -> list[EmailMessage]:
        """What was taken, as a reader's program has it."""
        parser, content = BytesParser(EmailMessage, policy=policy.default), [it.content for it in self.envelopes]
        return [parser.parsebytes(it) for it in content if isinstance(it, bytes)]


@contextmanager
def serving(mailbox: Mailbox, scheme: str, certificates: ssl.SSLContext) -> Iterator[str]:
    """The server's address, while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Within TLS from the first byte on, it can't tell that there is TLS.
    tls: dict[str, Any] = (
        {"ssl_context": certificates, "auth_require_tls": False}
        if scheme == "smtps"
        else {"tls_context": certificates, "require_starttls": True}
    )
    server = Controller(mailbox, "127.0.0.1", port, authenticator=mailbox.authenticate, auth_required=True, **tls)
    server.start()
    try:
        yield f"{scheme}://{USER.replace('@', '%40')}@127.0.0.1:{port}"
    finally:
        server.stop()


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Those of the server, from an authority that is trusted here."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA).configure_cert(found)
    return found


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """An installation that sends mail, as soon as there is a server."""
    monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_TO", '["ops@example.com", "data@example.com"]')
    monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_FROM", "graph@example.com")
    monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_PASSWORD", PASSWORD)
    with without_a_graph(tmp_path / "home") as platform:
        yield platform


def ticking(instance: dg.DagsterInstance) -> Callable[[], Any]:
    """The sensor's ticks on an instance, one after the other."""
    defs = dg.Definitions(sensors=mail.sensors(Settings.load(), record_of_failure))
    cursor: list[str | None] = [None]

    def tick() -> Any:
        context = dg.build_sensor_context(instance=instance, cursor=cursor[0], definitions=defs)
        found = defs.resolve_sensor_def("mail_on_run_failure").evaluate_tick(context)
        cursor[0] = found.cursor
        return found

    tick()  # what failed before is no news
    return tick


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_failed_run_sends_a_mail_with_the_sentence_the_file_and_the_next_command(
    scheme: str, platform: Platform, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = Mailbox()
    platform.land(FILE, EVENTS, *(f"u{i},t1,gehört & <b>,2026-01-01T10:00:00Z,s,web" for i in range(4)))
    with serving(mailbox, scheme, certificates) as server, runs.instance(Settings.load()) as instance:
        monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_SERVER", server)
        tick = ticking(instance)
        assert platform.run("materialize", "--select", BY_FILE).exit_code == 1
        assert [it.error for it in tick().dagster_run_reactions] == [None]
        tick()
    [sent] = mailbox.mails
    assert mailbox.envelopes[0].rcpt_tos == ["ops@example.com", "data@example.com"]
    assert (sent["From"], sent["To"]) == ("graph@example.com", "ops@example.com, data@example.com")
    assert sent["Subject"] == f"spotify_graph: ingest_events failed for {FILE}"
    text = sent.get_content()
    assert "4 of 4 rows rejected (100.00%), more than 5.00%" in text
    assert "such as 'gehört & <b>'" in text
    assert "spotify-graph accept 2" in text
    assert f"File: {FILE}" in text.splitlines()
    assert "When that is mended, this does what is not done yet: spotify-graph materialize" in text.splitlines()
    assert PASSWORD not in str(sent)


def test_mail_that_the_server_does_not_take_fails_the_tick_in_a_sentence_without_the_password(
    platform: Platform, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "another-pass-word"
    monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_PASSWORD", wrong)
    mailbox = Mailbox()
    platform.land(FILE, "who,what", "u8,t8")
    with serving(mailbox, "smtp", certificates) as server, runs.instance(Settings.load()) as instance:
        monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_SERVER", server)
        tick = ticking(instance)
        assert platform.run("materialize", "--select", BY_FILE).exit_code == 1
        [reaction] = tick().dagster_run_reactions
        assert tick().dagster_run_reactions == [], "it is not sent again and again"
    assert mailbox.mails == []
    told = reaction.error.to_string()
    assert "(SMTPAuthenticationError): check SPOTIFY_GRAPH_MAIL_SERVER and SPOTIFY_GRAPH_MAIL_PASSWORD" in told
    assert wrong not in told


def test_there_is_no_sensor_where_the_settings_name_nobody() -> None:
    assert mail.sensors(Settings.load(), record_of_failure) == []


@pytest.mark.parametrize("server", ["mail.example.com", "http://mail.example.com", "smtp://a/b"])
def test_a_mail_server_that_is_no_address_is_an_error_that_names_its_variable(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_SERVER", server)
    with pytest.raises(UserError, match="SPOTIFY_GRAPH_MAIL_SERVER"):
        Settings.load()
