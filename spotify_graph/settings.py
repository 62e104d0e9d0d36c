"""What the environment, or a `.env` file, says about this installation."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from spotify_graph.errors import UserError

PLACEHOLDERS = ("nan", "NaN", "NULL", "null", "None", r"\N", "N/A", "[]")
"""What pandas, Python, databases and spreadsheets write for a missing value."""
PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this package is installed from."""


class Settings(BaseSettings):
    """The installation's settings, one attribute for each environment variable.

    A variable that is set but empty counts as unset. Relative paths are taken from the current folder.

    Attributes:
        home: `SPOTIFY_GRAPH_HOME`, the folder of everything that the platform writes.
        landing: `SPOTIFY_GRAPH_LANDING`, the folder that logs land in.
        neo4j_uri: `NEO4J_URI`, an existing server; None means a local one, started on demand.
        neo4j_username: `NEO4J_USERNAME`.
        neo4j_password: `NEO4J_PASSWORD`.
        neo4j_database: `NEO4J_DATABASE`.
        spark_master: `SPARK_MASTER`.
        java_home: `SPOTIFY_GRAPH_JAVA_HOME`, a JVM to use in place of the one in the Python environment.
        gates: `SPOTIFY_GRAPH_GATES`, a JSON object with thresholds of the gates, by the names in `resources.gates`.
        recommender: `SPOTIFY_GRAPH_RECOMMENDER`, a JSON object with parameters of the models and their evaluation, by
            the names in `resources.recommender`.
        placeholders: `SPOTIFY_GRAPH_PLACEHOLDERS`, a JSON list of words that stand for a missing value in landed files,
            compared as they are, case included.
        genre_separator: `SPOTIFY_GRAPH_GENRE_SEPARATOR`, what stands between the genres of a field; None means that a
            field is one genre.
        failure_webhook: `SPOTIFY_GRAPH_FAILURE_WEBHOOK`, an address that is sent a JSON record of each failed run.
    """

    model_config = SettingsConfigDict(
        env_file=(PROJECT_ROOT / ".env", ".env"), env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(PROJECT_ROOT / ".spotify_graph", validation_alias="SPOTIFY_GRAPH_HOME")
    landing: Path = Field(Path(), validation_alias="SPOTIFY_GRAPH_LANDING")
    neo4j_uri: str | None = Field(None, validation_alias="NEO4J_URI")
    neo4j_username: str = Field("neo4j", validation_alias="NEO4J_USERNAME")
    neo4j_password: SecretStr | None = Field(None, validation_alias="NEO4J_PASSWORD")
    neo4j_database: str = Field("neo4j", validation_alias="NEO4J_DATABASE")
    spark_master: str = Field("local[*]", validation_alias="SPARK_MASTER")
    java_home: Path | None = Field(None, validation_alias="SPOTIFY_GRAPH_JAVA_HOME")
    gates: dict[str, float] = Field({}, validation_alias="SPOTIFY_GRAPH_GATES")
    recommender: dict[str, Any] = Field({}, validation_alias="SPOTIFY_GRAPH_RECOMMENDER")
    placeholders: tuple[str, ...] = Field(PLACEHOLDERS, validation_alias="SPOTIFY_GRAPH_PLACEHOLDERS")
    genre_separator: str | None = Field(None, validation_alias="SPOTIFY_GRAPH_GENRE_SEPARATOR")
    failure_webhook: SecretStr | None = Field(None, validation_alias="SPOTIFY_GRAPH_FAILURE_WEBHOOK")

    @field_validator("home", "landing", "java_home")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("neo4j_uri")
    @classmethod
    def _without_credentials(cls, uri: str | None) -> str | None:
        # An address is printed and logged.
        if uri and "@" in uri:
            raise ValueError("an address with a user or a password in it: use NEO4J_USERNAME and NEO4J_PASSWORD")
        return uri

    @field_validator("genre_separator")
    @classmethod
    def _is_seen(cls, separator: str | None) -> str | None:
        # White space in a name is spaces, whatever it was in the file.
        if separator is not None and not separator.strip():
            raise ValueError("nothing but white space: use a visible character")
        return separator

    @model_validator(mode="before")
    @classmethod
    def _landing_is_in_home_unless_set(cls, values: dict[str, object]) -> dict[str, object]:
        if not values.get("SPOTIFY_GRAPH_LANDING"):
            home = values.get("SPOTIFY_GRAPH_HOME") or cls.model_fields["home"].default
            values["SPOTIFY_GRAPH_LANDING"] = Path(str(home)) / "landing"
        return values

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its runs, events and logs."""
        return self.home / "dagster"

    @property
    def lake(self) -> Path:
        """The root of the Parquet lake."""
        return self.home / "lake"

    def make_home(self) -> None:
        """Makes the home, and makes sure that it can be written to.

        Raises:
            UserError: it can't.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self.home).close()
        except OSError as error:
            raise UserError(f"{self.home} can't be written to ({error.strerror}): set SPOTIFY_GRAPH_HOME") from None

    @classmethod
    def load(cls) -> Self:
        """Reads the settings.

        Raises:
            UserError: a variable has a value that does not fit; the message names it, never its value.
        """
        try:
            return cls()
        except SettingsError as error:
            # It names the field that could not be parsed, and not its value.
            name = next(name for name in cls.model_fields if f'"{name}"' in str(error))
            what = "list" if name == "placeholders" else "object"
            raise UserError(f"{cls.model_fields[name].validation_alias}: not a JSON {what}") from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
