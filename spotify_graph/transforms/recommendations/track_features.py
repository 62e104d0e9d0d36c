"""What the models have learned of tracks by a day, ready to score."""

from dataclasses import dataclass

from spotify_graph.transforms.recommendations.arrays import Floats, Ints
from spotify_graph.transforms.recommendations.histories import Capped
from spotify_graph.transforms.recommendations.neighbours import Neighbours
from spotify_graph.transforms.recommendations.numbering import Groups


@dataclass(frozen=True)
class TrackFeatures:
    """Arrays with one element or row for each track, or as they say. They go to every task as they are.

    Attributes:
        genres: the groups of those in a genre.
        artist: the artist's number.
        listeners: how many ever played it.
        popularity: how many play it of late.
        neighbours: its neighbours, by BM25.
        cosine: its neighbours, by the cosine.
        factors: shape (tracks, rank): the latent factors.
        linear_tracks: the tracks that the linear model is of, by number.
        linear: shape (linear tracks, linear tracks): its weights.
        candidates: the users among whom similar ones are sought, by number.
        of_candidates: shape (candidates, rank): their latent factors.
        histories: what they like, one row each.
    """

    genres: Groups
    artist: Ints
    listeners: Floats
    popularity: Floats
    neighbours: Neighbours
    cosine: Neighbours
    factors: Floats
    linear_tracks: Ints
    linear: Floats
    candidates: Ints
    of_candidates: Floats
    histories: Capped

    def __len__(self) -> int:
        """How many tracks there are."""
        return len(self.artist)
