"""What the environment, or a `.env` file, says about this installation."""

import locale
import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from spotify_graph import storage
from spotify_graph.errors import UserError
from spotify_graph.storage import Address

PLACEHOLDERS = ("nan", "NaN", "NULL", "null", "None", r"\N", "N/A", "[]")
"""What pandas, Python, databases and spreadsheets write for a missing value."""

IN_PROCESS_ROWS = 1_000_000
"""Up to this size, starting Spark takes longer than the work."""

_MASTER = r"local(\[[^\]]+\])?|local-cluster\[[^\]]+\]|spark://[^\s/@]+:\d+|yarn|k8s://\S+"
"""The addresses of masters that Spark has."""

SERVE_PORT = 8000
"""Where the HTTP service listens unless told otherwise, if nobody else does."""

PACKAGE = Path(__file__).resolve().parent
"""This package. Its dagster.yaml is a link to the checkout's, and a file in a wheel."""

PROJECT_ROOT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else Path()
"""The checkout that this package is installed from; where that was a wheel, the current folder."""

_INVALID = {
    r"[*?\[\]{}\\]": "Spark and Dagster take it for a part of a pattern",
    ",": "Spark takes it for the end of a folder's name",
    "%": "Dagster's database takes it for the start of a code",
    ":": "Java takes it for the end of a file's name",
    "[;=]": "Neo4j's web server does not find its files there",
    r"[\U00010000-\U0010ffff]": "Java does not find classes there",
}
"""The characters that the path of a folder of the platform may not have, as patterns, and why."""


class Settings(BaseSettings):
    """The installation's settings, one attribute for each environment variable.

    A variable that is set but empty counts as unset. Relative paths are taken from the current folder.

    Attributes:
        home: `SPOTIFY_GRAPH_HOME`, the folder of everything that the platform writes.
        landing_address: `SPOTIFY_GRAPH_LANDING`, where logs land: a folder, or an address such as s3://bucket/folder.
        lake_address: `SPOTIFY_GRAPH_LAKE`, where the Parquet lake is: a folder, or an address such as s3://bucket/folder;
            unset, the folder `lake` of the home.
        exports: `SPOTIFY_GRAPH_EXPORTS`, the folder that people's listening histories are put into.
        incognito: `SPOTIFY_GRAPH_INCOGNITO`, what becomes of plays in private sessions when a history is imported.
        neo4j_uri: `NEO4J_URI`, the address of an existing server; unset, a local one is started on demand.
        neo4j_username: `NEO4J_USERNAME`, who connects to it.
        neo4j_password: `NEO4J_PASSWORD`, that user's password; the local server has one of its own.
        neo4j_database: `NEO4J_DATABASE`, the database that holds the graph.
        neo4j_batch_rows: `SPOTIFY_GRAPH_NEO4J_BATCH_ROWS`, how many rows a transaction writes; fewer where the server
            is short of memory.
        neo4j_sessions: `SPOTIFY_GRAPH_NEO4J_SESSIONS`, how many sessions create rows side by side; 1 where others use
            the server at the same time.
        neo4j_browser: `SPOTIFY_GRAPH_NEO4J_BROWSER`, the address of the Neo4j Browser of a server of one's own: assets
            link to it.
        spark_master: `SPARK_MASTER`, the Spark cluster: local[*], spark://HOST:PORT, yarn or k8s://https://HOST:PORT.
        spark_remote: `SPARK_REMOTE`, the Spark Connect server that takes the place of a cluster, as sc://HOST:PORT.
        spark_history: `SPOTIFY_GRAPH_SPARK_HISTORY`, the address of Spark's history server; where it is set, Spark
            writes its event log, and assets link to their jobs there.
        in_process_rows: `SPOTIFY_GRAPH_IN_PROCESS_ROWS`, up to how many rows are worked on without Spark; 0: none.
        java_home: `SPOTIFY_GRAPH_JAVA_HOME`, a JVM to use in place of the one in the Python environment.
        foreign: `SPOTIFY_GRAPH_FOREIGN`, what becomes of nodes and relationships that somebody else adds to the graph,
            under its labels and types.
        gates: `SPOTIFY_GRAPH_GATES`, a JSON object with thresholds of the gates, by the names in `resources.gates`.
        recommender: `SPOTIFY_GRAPH_RECOMMENDER`, a JSON object with parameters of the models and their evaluation, by
            the names in `resources.recommender`.
        placeholders: `SPOTIFY_GRAPH_PLACEHOLDERS`, a JSON list of words that stand for a missing value in landed files,
            compared as they are, case included.
        genre_separator: `SPOTIFY_GRAPH_GENRE_SEPARATOR`, what stands between the genres of a field; unset, a field
            is one genre.
        log_format: `SPOTIFY_GRAPH_LOG_FORMAT`, `text`, or `json`: services then log JSON lines, and runs write theirs
            to `logs/runs.jsonl` in the home.
        failure_webhook: `SPOTIFY_GRAPH_FAILURE_WEBHOOK`, an address that is sent a JSON record of each failed run.
        mail_to: `SPOTIFY_GRAPH_MAIL_TO`, a JSON list of addresses that get mail about each failed run.
        mail_from: `SPOTIFY_GRAPH_MAIL_FROM`, the sender; None means the first of them.
        mail_server: `SPOTIFY_GRAPH_MAIL_SERVER`, the server as smtp://USER@HOST:PORT (STARTTLS) or smtps://USER@HOST:PORT.
        mail_password: `SPOTIFY_GRAPH_MAIL_PASSWORD`, that user's password there.
        serve_host: `SPOTIFY_GRAPH_SERVE_HOST`, the address that `serve` listens on.
        serve_port: `SPOTIFY_GRAPH_SERVE_PORT`, its port; unset, 8000 or a free one.
        serve_token_file: `SPOTIFY_GRAPH_SERVE_TOKEN_FILE`, the file with the token that requests must show.
        serve_connections: `SPOTIFY_GRAPH_SERVE_CONNECTIONS`, how many requests ask Neo4j at once.
        serve_in_flight: `SPOTIFY_GRAPH_SERVE_IN_FLIGHT`, how many may be under way; one more is refused.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(Path(), validation_alias="SPOTIFY_GRAPH_HOME")
    landing_address: str = Field("", validation_alias="SPOTIFY_GRAPH_LANDING")
    lake_address: str | None = Field(None, validation_alias="SPOTIFY_GRAPH_LAKE")
    exports: Path = Field(Path(), validation_alias="SPOTIFY_GRAPH_EXPORTS")
    incognito: Literal["leave", "take"] = Field("leave", validation_alias="SPOTIFY_GRAPH_INCOGNITO")
    neo4j_uri: str | None = Field(None, validation_alias="NEO4J_URI")
    neo4j_username: str = Field("neo4j", validation_alias="NEO4J_USERNAME")
    neo4j_password: SecretStr | None = Field(None, validation_alias="NEO4J_PASSWORD")
    neo4j_database: str = Field("neo4j", validation_alias="NEO4J_DATABASE")
    neo4j_batch_rows: int = Field(20_000, ge=1, validation_alias="SPOTIFY_GRAPH_NEO4J_BATCH_ROWS")
    neo4j_sessions: int = Field(2, ge=1, le=16, validation_alias="SPOTIFY_GRAPH_NEO4J_SESSIONS")
    neo4j_browser: str | None = Field(None, validation_alias="SPOTIFY_GRAPH_NEO4J_BROWSER")
    spark_master: str = Field("local[*]", validation_alias="SPARK_MASTER")
    spark_remote: SecretStr | None = Field(None, validation_alias="SPARK_REMOTE")
    spark_history: str | None = Field(
        None, pattern=r"^https?://[^/@]+[^@]*$", validation_alias="SPOTIFY_GRAPH_SPARK_HISTORY"
    )
    in_process_rows: int = Field(IN_PROCESS_ROWS, ge=0, validation_alias="SPOTIFY_GRAPH_IN_PROCESS_ROWS")
    java_home: Path | None = Field(None, validation_alias="SPOTIFY_GRAPH_JAVA_HOME")
    foreign: Literal["remove", "keep"] = Field("remove", validation_alias="SPOTIFY_GRAPH_FOREIGN")
    gates: dict[str, float] = Field({}, validation_alias="SPOTIFY_GRAPH_GATES")
    recommender: dict[str, Any] = Field({}, validation_alias="SPOTIFY_GRAPH_RECOMMENDER")
    placeholders: tuple[str, ...] = Field(PLACEHOLDERS, validation_alias="SPOTIFY_GRAPH_PLACEHOLDERS")
    genre_separator: str | None = Field(None, validation_alias="SPOTIFY_GRAPH_GENRE_SEPARATOR")
    log_format: Literal["text", "json"] = Field("text", validation_alias="SPOTIFY_GRAPH_LOG_FORMAT")
    failure_webhook: SecretStr | None = Field(None, validation_alias="SPOTIFY_GRAPH_FAILURE_WEBHOOK")
    mail_to: tuple[str, ...] = Field((), validation_alias="SPOTIFY_GRAPH_MAIL_TO")
    mail_from: str | None = Field(None, validation_alias="SPOTIFY_GRAPH_MAIL_FROM")
    mail_server: str | None = Field(
        None, pattern=r"^smtps?://[^/@]*@?[^/@]+$", validation_alias="SPOTIFY_GRAPH_MAIL_SERVER"
    )
    mail_password: SecretStr | None = Field(None, validation_alias="SPOTIFY_GRAPH_MAIL_PASSWORD")
    serve_host: str = Field("127.0.0.1", validation_alias="SPOTIFY_GRAPH_SERVE_HOST")
    serve_port: int | None = Field(None, ge=1, le=65535, validation_alias="SPOTIFY_GRAPH_SERVE_PORT")
    serve_token_file: Path | None = Field(None, validation_alias="SPOTIFY_GRAPH_SERVE_TOKEN_FILE")
    serve_connections: int = Field(8, ge=1, validation_alias="SPOTIFY_GRAPH_SERVE_CONNECTIONS")
    serve_in_flight: int = Field(64, ge=1, validation_alias="SPOTIFY_GRAPH_SERVE_IN_FLIGHT")

    @field_validator("home", "exports", "java_home", "serve_token_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        try:
            return path and path.expanduser().absolute()
        except RuntimeError as error:  # a home folder of a user that there is not
            raise ValueError(f"{path}: {error}") from None

    @field_validator("home")
    @classmethod
    def _fit_for_all(cls, path: Path) -> Path:
        return _fit(path, _INVALID)

    @field_validator("exports")
    @classmethod
    def _fit_to_be_shown(cls, path: Path) -> Path:
        # Only Python looks into it, which takes every character for itself.
        return _fit(path, {})

    @field_validator("landing_address")
    @classmethod
    def _fit_to_be_read(cls, address: str) -> str:
        return _fit_address(address, {})

    @field_validator("lake_address")
    @classmethod
    def _fit_for_lake(cls, address: str | None) -> str | None:
        return None if address is None else _fit_address(address, _INVALID)

    @field_validator("neo4j_uri")
    @classmethod
    def _without_credentials(cls, uri: str | None) -> str | None:
        # An address is printed and logged.
        if uri and "@" in uri:
            raise ValueError("an address with a user or a password in it: use NEO4J_USERNAME and NEO4J_PASSWORD")
        return uri

    @field_validator("spark_master")
    @classmethod
    def _is_master(cls, master: str) -> str:
        if not re.fullmatch(_MASTER, master):
            raise ValueError(f"{master!r} is none of local[*], spark://HOST:PORT, yarn and k8s://https://HOST:PORT")
        return master

    @field_validator("spark_remote")
    @classmethod
    def _is_remote(cls, remote: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if remote is None:
            return None
        # What follows the port may be a token.
        if not re.match(r"sc://[^/:@]+(:\d+)?(/|$)", remote.get_secret_value()):
            raise ValueError("not an address of Spark Connect, such as sc://HOST:15002")
        if info.data.get("spark_master") != cls.model_fields["spark_master"].default:
            raise ValueError("set as well as SPARK_MASTER: unset one of them")
        return remote

    @field_validator("genre_separator")
    @classmethod
    def _is_seen(cls, separator: str | None) -> str | None:
        # White space in a name is spaces, whatever it was in the file.
        if separator is not None and not separator.strip():
            raise ValueError("nothing but white space: use a visible character")
        return separator

    @model_validator(mode="before")
    @classmethod
    def _default_folders(cls, values: dict[str, object]) -> dict[str, object]:
        home = values.get("SPOTIFY_GRAPH_HOME") or PROJECT_ROOT / ".spotify_graph"
        inside = {"SPOTIFY_GRAPH_LANDING": "landing", "SPOTIFY_GRAPH_EXPORTS": "exports"}
        folders = {name: str(values.get(name) or Path(str(home)) / folder) for name, folder in inside.items()}
        return values | {"SPOTIFY_GRAPH_HOME": home, **folders}

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its runs, events and logs."""
        return self.home / "dagster"

    @property
    def landing(self) -> Address:
        """The folder that logs land in."""
        return storage.at(self.landing_address)

    @property
    def lake(self) -> Address:
        """The root of the Parquet lake."""
        return storage.at(self.lake_address) if self.lake_address else self.home / "lake"

    def make_home(self) -> None:
        """Makes the home, and the folder of a lake elsewhere, for this user alone; the home must be one to write to.

        Raises:
            UserError: it can't.
        """
        try:
            # What people listen to is nobody else's business.
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            TemporaryFile(dir=self.home).close()
        except PermissionError:
            raise _not_ours(self.home) from None
        except OSError as error:
            raise UserError(f"{self.home} can't be written to ({error.strerror}): set SPOTIFY_GRAPH_HOME") from None
        if self.lake_address is not None and isinstance(self.lake, Path):
            try:
                self.lake.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{self.lake} can't be made ({error.strerror}): set SPOTIFY_GRAPH_LAKE") from None

    @classmethod
    def load(cls) -> Self:
        """Reads the settings, and makes this process and those that it starts independent of who runs them.

        Raises:
            UserError: a variable has a value that does not fit; the message names it, and no value but a folder's.
        """
        try:
            # In a folder that this user can't look into, such as where `sudo` left them, there is nothing of theirs.
            there = [file for file in (PROJECT_ROOT / ".env", Path(".env")) if os.access(file, os.F_OK)]
            settings = cls(_env_file=there)
            if dagster_home := os.environ.get("DAGSTER_HOME"):
                _fit(Path(dagster_home), _INVALID)
        except SettingsError as error:
            # It names the field that could not be parsed, and not its value.
            name = next(name for name in cls.model_fields if f'"{name}"' in str(error))
            what = "list" if name in {"placeholders", "mail_to"} else "object"
            raise UserError(f"{cls.model_fields[name].validation_alias}: not a JSON {what}") from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            message = first["msg"].removeprefix("Value error, ")
            raise UserError(f"{'.'.join(map(str, first['loc']))}: {message}") from None
        except ValueError as error:
            raise UserError(f"DAGSTER_HOME: {error}") from None
        except PermissionError as error:
            raise UserError(f"{error.filename} can't be read ({error.strerror}): it is another user's") from None
        _settle(settings.home)
        return settings


def _not_ours(home: Path) -> UserError:
    """What to say of a home that this user may not write to."""
    there = next((it for it in (home, *home.parents) if os.access(it, os.F_OK)), Path("/"))
    owner, user = there.stat().st_uid, os.geteuid()
    if owner == user:
        return UserError(f"{there} can't be written to (Permission denied): give yourself the right to")
    return UserError(
        f"{home} can't be written to (Permission denied): {there} belongs to {name_of(owner)}, and you are"
        f" {name_of(user)}: run it as {name_of(owner)}, or set SPOTIFY_GRAPH_HOME to a home of your own"
    )


def name_of(uid: int) -> str:
    """A user's name; of one that has none, the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _fit(path: Path, invalid: Mapping[str, str]) -> Path:
    """The path, if all of its characters can be shown and none of them is invalid; else raises ValueError."""
    for character in str(path):
        why = next((why for pattern, why in invalid.items() if re.match(pattern, character)), None)
        if why or not character.isprintable():
            shown = path if character.isprintable() else repr(str(path))
            raise ValueError(f"{shown} has {character!r} in it, and {why or 'it cannot be shown'}: take another folder")
    return path


def _fit_address(address: str, invalid: Mapping[str, str]) -> str:
    """The address, if a package opens it and its characters are fit; of this machine's, the path from its root."""
    if "://" in address and "@" in address and not address.startswith("file:"):
        raise ValueError("an address with a user or a password in it: use the variables of its store")
    try:
        place = storage.at(address)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{address}: {error}") from None
    if not isinstance(place, Path):
        return address
    try:
        return str(_fit(place.expanduser().absolute(), invalid))
    except RuntimeError as error:  # a home folder of a user that there is not
        raise ValueError(f"{address}: {error}") from None


def _settle(home: Path) -> None:
    """Gives this process, and those that it starts, what they expect of a user: a home folder and an encoding."""
    users = Path(os.path.expanduser("~"))  # noqa: PTH111 pathlib's raises where there is none
    # What lies in a folder that can't be looked into is not asked what it is: that would raise.
    if not (users.is_absolute() and os.access(users, os.W_OK | os.X_OK) and users.is_dir()):
        # An id without a name, as in a container, or a system that is read only: caches go where all else goes.
        os.environ["HOME"] = str(home)
    if locale.getencoding().lower().replace("-", "") != "utf8":
        # Python takes the C locale for UTF-8, Java for ASCII, which has no name for many a folder.
        os.environ["LC_ALL"] = "C.UTF-8"
