"""The lake, and the folder that logs land in, as assets are given them."""

from typing import Self

import dagster as dg
from pydantic import Field

from spotify_graph import storage
from spotify_graph.lake.intake import judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import PLACEHOLDERS, Settings
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import LandedTable


class LakeResource(dg.ConfigurableResource[None]):
    """The Parquet lake."""

    root: str = Field(description="The lake's address: a folder, or s3://bucket/folder.")

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(storage.at(self.root))


class LandingFolder(dg.ConfigurableResource[None]):
    """The folder that logs land in, and what is known of how they are written."""

    path: str = Field(description="The address of the folder that logs land in: a folder, or s3://bucket/folder.")
    placeholders: list[str] = Field(
        list(PLACEHOLDERS), description="The words that stand for a missing value, compared as they are, case included."
    )
    genre_separator: str | None = Field(
        None, description="What stands between the genres of a field; none means that a field is one genre."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The folder of an installation."""
        return cls(
            path=str(settings.landing),
            placeholders=list(settings.placeholders),
            genre_separator=settings.genre_separator,
        )

    @property
    def folder(self) -> Address:
        """The folder."""
        return storage.at(self.path)

    def code(self, table: LandedTable) -> str:
        """Names the code that files of a kind are judged by, with what it is told."""
        return judging_code(table, self)
