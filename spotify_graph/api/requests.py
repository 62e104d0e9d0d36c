"""What may be asked for: the parameters of each request, which stand in its query.

There, ids may hold any character, percent-encoded. In a path, slashes and dots are taken for parts of it on the way.
A parameter that is there but empty, as a form sends it, counts as not given.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spotify_graph.drawing import Kind
from spotify_graph.serving import MOST

_PER_ARTIST = "How many tracks of an artist at most, where none is asked for; unless given, it grows with k: 2 of 10."


class Asked(BaseModel):
    """What every request may say."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(10, ge=1, le=MOST, description="How many at most.")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != ""}


class AskedTracks(Asked):
    """A request for tracks within a genre or by an artist."""

    genre: str | None = Field(None, description="Only tracks in this genre, in any spelling of case.")
    artist: str | None = Field(None, description="Only tracks by this artist, however many, in any spelling of case.")
    per_artist: int | None = Field(None, ge=1, description=_PER_ARTIST)


class AskedRecommendations(AskedTracks):
    """A request for tracks for a user."""

    user_id: str = Field(description="For whom; a user whom the graph lacks gets popular tracks.")
    heard: bool = Field(False, description="Whether tracks stay in that the user has heard.")
    disliked: bool = Field(False, description="Whether tracks stay in that the user skipped more often than played.")


class AskedPicture(Asked):
    """A request for a picture."""

    k: int = Field(8, ge=1, le=MOST, description="How many tracks or users at most.")
    kind: Kind = Field(description="What it is of.")
    id: str | None = Field(None, description="Its id or name; unless given, it is of who plays, or is played, most.")


class AskedSimilarTracks(Asked):
    """A request for tracks like another."""

    track_id: str = Field(description="The track that they are similar to.")
    per_artist: int | None = Field(None, ge=1, description=_PER_ARTIST)


class AskedSimilarUsers(Asked):
    """A request for users like another."""

    user_id: str = Field(description="The user whom they are similar to.")
