"""The files that land: good ones, bad ones, and those that are replaced and forgotten."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

_HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
USERS = 60
_TRACKS, _ROWS = 120, 40


class LogFiles:
    """A landing folder, and what is promised of it.

    Attributes:
        good: the contents that the graph is made from in the end, by the files' names.
        landed: how many files landed, by kind.
    """

    def __init__(self, landing: Path, chance: random.Random) -> None:
        self._landing, self._chance = landing, chance
        self.good: dict[str, bytes] = {}
        self.landed = Counter[str]()

    def land_some(self) -> None:
        """Lands a catalogue and some files of events."""
        self._land_catalogue(0)
        for number in range(5):
            self._land_events(f"user_events_before_{number}.csv", "before")

    def land(self, number: int) -> None:
        """Lands a file: the tenth is bad, and of the others some replace what is there."""
        try:
            if number % 10 == 0:
                self._land_bad(number)
            elif number % 17 == 0:
                self._land_catalogue(number)
            elif number % 7 == 0 and self.events():
                self._land_events(self._chance.choice(self.events()), "replaced")
            else:
                self._land_events(f"user_events_{number:04}.csv", "new")
        except OSError:  # the disk is full: whoever wants to land something tries again
            self.landed["the disk was full"] += 1

    def forgotten(self, name: str) -> None:
        """Notes that a file was forgotten."""
        del self.good[name]
        self.landed["forgotten"] += 1

    def events(self) -> list[str]:
        """The good files of events."""
        return sorted(name for name in self.good if name.startswith("user_events"))

    def _land_catalogue(self, number: int) -> None:
        rows = [f"t{i},Artist {i % 20},Album {number},{1000 + i + number},Genre {i % 7}" for i in range(_TRACKS)]
        self._land("tracks.csv", ["track_id,artist,album,duration_ms,genre", *rows], "catalogue")

    def _land_events(self, name: str, kind: str) -> None:
        rows = [self._event() for _ in range(_ROWS)]
        bad = ["no event"] if self._chance.choice([True, False]) else []
        self._land(name, [_HEADER, *rows, *bad], kind)

    def _land_bad(self, number: int) -> None:
        name = f"user_events_bad_{number:04}.csv"
        if number % 20:
            self._land(name, ["who,what", "u1,t1"], "bad", good=False)
        else:
            self._land(name, [_HEADER, self._event(), "no event", "nor this"], "bad", good=False)

    def _event(self) -> str:
        kind = self._chance.choice(["play"] * 5 + ["like", "skip", "pause", "seek"])
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self._chance.randrange(100_000))
        user, track = self._chance.randrange(USERS), self._chance.randrange(_TRACKS + 5)
        return f"u{user},t{track},{kind},{at:%Y-%m-%dT%H:%M:%SZ},s{user},{self._chance.choice(['web', 'tv'])}"

    def _land(self, name: str, lines: list[str], kind: str, *, good: bool = True) -> None:
        content = ("\n".join(lines) + "\n").encode()
        whole = self._landing / f".{name}"
        try:
            whole.write_bytes(content)
            whole.replace(self._landing / name)
        except OSError:
            whole.unlink(missing_ok=True)
            raise
        self.landed[kind] += 1
        if good:
            self.good[name] = content
