"""The graph as data: what is stored in Neo4j, under which keys, with which types.

Constraints, Cypher, staged columns, the column schemas that Dagster shows and the checks are derived from these tables.
To add an event type or a property is to add an entry here; docs/how-to has what follows of itself.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from spotify_graph.neo4j_io.vocabulary import Endpoint, GraphTable, NodeType, Property, PropertyType, RelationshipType


@dataclass(frozen=True)
class Sampled:
    """How events of a type come about in sample logs.

    Attributes:
        share: how frequent they are, beside those of the other types.
        tilt: what full liking adds to that share, at most; below 0 it takes away.
        heard: how much of the track passes before the next event, at most; 1 is all of it.

    Raises:
        ValueError: liking would take away more than there is.
    """

    share: float
    tilt: float
    heard: float

    def __post_init__(self) -> None:
        if not abs(self.tilt) <= self.share:
            raise ValueError(f"tilt is {self.tilt}: give at most the share, {self.share}, above or below 0")


@dataclass(frozen=True)
class EventType:
    """A kind of event in the logs, and the relationship that its interactions become.

    Attributes:
        name: its name in the column event_type.
        relationship: what it becomes in the graph.
        weight: how much an event says that the user likes the track, where a play says 1; below 0 it speaks against it.
        because: why it weighs that much.
        sampled: how its events come about in sample logs.
    """

    name: str
    relationship: RelationshipType
    weight: float
    because: str
    sampled: Sampled


POPULARITY_HALF_LIFE_DAYS = 30
"""After how many days without a play a listener counts half in a track's popularity."""
POPULARITY_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""When a listener counts 1. A fixed time, so that a popularity changes only when the track is played."""

USER = NodeType(
    asset="user_nodes",
    label="User",
    key=Property("user_id", PropertyType.STRING, "The user's id, trimmed, case kept."),
    properties=(
        Property("devices", PropertyType.STRING_LIST, "Every device that the user was seen on, sorted."),
        Property("first_seen", PropertyType.ZONED_DATETIME, "When the user's first event happened."),
        Property("last_seen", PropertyType.ZONED_DATETIME, "When the user's last event happened."),
    ),
    description="A listener, one node whatever their devices.",
)

TRACK = NodeType(
    asset="track_nodes",
    label="Track",
    key=Property("track_id", PropertyType.STRING, "The track's id, trimmed, case kept."),
    properties=(
        Property("title", PropertyType.STRING, "The title, where the catalogue has one.", optional=True),
        Property("album", PropertyType.STRING, "The album, where the catalogue has one.", optional=True),
        Property("duration_ms", PropertyType.INTEGER, "The length in milliseconds, where known.", optional=True),
        Property("catalogued", PropertyType.BOOLEAN, "Whether the catalogue has the track; if not, events name it."),
        Property(
            "popularity",
            PropertyType.FLOAT,
            f"The binary logarithm of its listeners, each counting 2^(d / {POPULARITY_HALF_LIFE_DAYS}), where d is how"
            f" many days after {POPULARITY_SINCE:%Y-%m-%d} they last played it. Absent where nobody did.",
            optional=True,
            indexed=True,
        ),
    ),
    description="A track of the catalogue, played or not, or one that events name and the catalogue lacks.",
)

ARTIST = NodeType(
    asset="artist_nodes",
    label="Artist",
    key=Property("name", PropertyType.STRING, "The artist's name: NFC, trimmed, inner white space collapsed."),
    properties=(),
    description="An artist of the catalogue.",
)

GENRE = NodeType(
    asset="genre_nodes",
    label="Genre",
    key=Property("name", PropertyType.STRING, "The genre's name: NFC, trimmed, inner white space collapsed."),
    properties=(),
    description="A genre of the catalogue.",
)

BY = RelationshipType(
    asset="by_edges",
    type="BY",
    start=Endpoint(TRACK, "track_id"),
    end=Endpoint(ARTIST, "artist"),
    properties=(),
    description="The track is by the artist.",
)

IN_GENRE = RelationshipType(
    asset="in_genre_edges",
    type="IN_GENRE",
    start=Endpoint(TRACK, "track_id"),
    end=Endpoint(GENRE, "genre"),
    properties=(),
    description="The track belongs to the genre.",
)


def _event(name: str, participle: str, *, weight: float, because: str, sampled: Sampled) -> EventType:
    """An event type whose interactions become (User)-[:PARTICIPLE {count, first_ts, last_ts}]->(Track)."""
    return EventType(
        name,
        RelationshipType(
            asset=f"{participle}_edges",
            type=participle.upper(),
            start=Endpoint(USER, "user_id"),
            end=Endpoint(TRACK, "track_id"),
            properties=(
                Property("count", PropertyType.INTEGER, f"How many {name} events the user has on the track."),
                Property("first_ts", PropertyType.ZONED_DATETIME, f"When the first {name} event happened."),
                Property("last_ts", PropertyType.ZONED_DATETIME, f"When the last {name} event happened."),
            ),
            description=f"The user {participle} the track.",
        ),
        weight,
        because,
        sampled,
    )


PLAY = _event("play", "played", weight=1.0, because="the unit.", sampled=Sampled(share=0.6, tilt=0.09, heard=1.0))
SKIP = _event(
    "skip",
    "skipped",
    weight=-0.5,
    because="it speaks against the track, and never counts as a play. Less than a play, because people also skip what"
    " they like when the moment is wrong.",
    sampled=Sampled(share=0.2, tilt=-0.18, heard=0.1),
)
LIKE = _event(
    "like",
    "liked",
    weight=2.0,
    because="said on purpose, and a tenth as frequent as plays; worth two of them.",
    sampled=Sampled(share=0.1, tilt=0.09, heard=0.3),
)
EVENT_TYPES = (
    PLAY,
    SKIP,
    _event(
        "pause",
        "paused",
        weight=0.3,
        because="somebody listened until then, and may come back; weak evidence.",
        sampled=Sampled(share=0.05, tilt=0.0, heard=0.5),
    ),
    LIKE,
    _event(
        "seek",
        "seeked",
        weight=0.3,
        because="somebody looks for a place in the track; weak evidence.",
        sampled=Sampled(share=0.05, tilt=0.0, heard=0.5),
    ),
)
"""What may happen between a user and a track. Another type goes to the end: imported histories keep positions in it."""
EVENT_NAMES = " or ".join(", ".join(event.name for event in EVENT_TYPES).rsplit(", ", 1))
"""The names of the event types, in words."""

_MODEL = Property("model", PropertyType.STRING, "The model version that says so.")
_SCORE = Property("score", PropertyType.FLOAT, "How strongly; comparable within the start node's relationships.")
_RANK = Property("rank", PropertyType.INTEGER, "The place among the start node's relationships, from 1.")

SIMILAR_TO = RelationshipType(
    asset="similar_track_edges",
    type="SIMILAR_TO",
    start=Endpoint(TRACK, "track_id"),
    end=Endpoint(TRACK, "similar_track_id"),
    properties=(_SCORE, _RANK, Property("listeners", PropertyType.INTEGER, "How many users listen to both.")),
    description="Who listens to the one track listens to the other.",
    model_version=_MODEL,
)

SIMILAR_USER = RelationshipType(
    asset="similar_user_edges",
    type="SIMILAR_USER",
    start=Endpoint(USER, "user_id"),
    end=Endpoint(USER, "similar_user_id"),
    properties=(_SCORE, _RANK),
    description="The users' tastes are alike.",
    model_version=_MODEL,
)

RECOMMENDED = RelationshipType(
    asset="recommended_edges",
    type="RECOMMENDED",
    start=Endpoint(USER, "user_id"),
    end=Endpoint(TRACK, "track_id"),
    properties=(_SCORE, _RANK),
    description="The user has never met the track, and may like it.",
    model_version=_MODEL,
)

NODES = (TRACK, USER, ARTIST, GENRE)
RELATIONSHIPS = (*(event.relationship for event in EVENT_TYPES), BY, IN_GENRE)
"""What the logs and the catalogue say."""
RECOMMENDER = "recommendations"
"""The name of the model."""
RECOMMENDATIONS = (SIMILAR_TO, SIMILAR_USER, RECOMMENDED)
"""What a model makes of it; the three are switched together."""
FACTS: tuple[GraphTable, ...] = (*NODES, *RELATIONSHIPS)
"""What follows from the logs and the catalogue alone."""
TABLES: dict[str, GraphTable] = {table.asset: table for table in (*FACTS, *RECOMMENDATIONS)}
"""What each Neo4j asset publishes, by the asset's key."""
