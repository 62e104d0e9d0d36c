"""The door through which histories come in: whose an export is, what is taken of it, and where that goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from spotify_graph.errors import UsageError, UserError
from spotify_graph.imports import landing, lastfm, listenbrainz, mapping, opening, spotify
from spotify_graph.imports.dropped import Seen, mark_of
from spotify_graph.imports.meaning import Kind, Listen, Rows
from spotify_graph.imports.naming import check_name, is_of_a_service, own_name
from spotify_graph.imports.opening import BadExport, Counted, Member, Unopened
from spotify_graph.imports.pieces import About, Gathered, Store
from spotify_graph.imports.report import FileReport, Report, UserReport
from spotify_graph.lake import people
from spotify_graph.settings import Settings

Say = Callable[[str], None]
_FORGOTTEN = "this person was forgotten on purpose: `spotify-graph forget --user NAME --undo` lets them back"


@dataclass(frozen=True)
class Export:
    """What is somebody's.

    Attributes:
        name: whose; for a log of many, what the log is called.
        path: a folder, an archive or a file.
    """

    name: str
    path: Path


@dataclass
class _Read:
    """What was read of a file.

    Attributes:
        report: for people.
        digest: of its content.
        source: what it was taken from.
        group: what it was downloaded with.
        listens: the events.
        first_ms: when the first stream ended.
        last_ms: when the last one did.
    """

    report: FileReport
    digest: str
    source: str
    group: str
    listens: Gathered
    first_ms: int | None
    last_ms: int | None


def root(settings: Settings) -> Path:
    """Where what was taken is kept."""
    return settings.home / "imports"


def take(
    settings: Settings,
    path: Path,
    *,
    user: str | None = None,
    mapped_by: str | None = None,
    replace: bool = False,
    say: Say = lambda _line: None,
) -> Report:
    """Takes in the exports in a folder, an archive or a file, and writes the histories into the landing folder.

    Args:
        settings: the installation's settings.
        path: where the exports are.
        user: whose they are; None where the names of folders or archives say so, one for each person.
        mapped_by: the mapping that says what the files hold; None where they are exports of services that are known.
        replace: whether what was imported before for these people is dropped.
        say: told what is being read.

    Raises:
        UsageError: it can't be told whose they are, or the mapping is wrong.
        UserError: there is nothing at the path, or nothing that is known.
    """
    by = None if mapped_by is None else mapping.load(mapped_by)
    exports = assigned(path, user)
    for export in exports:
        check_name(export.name, settings.placeholders)
    settings.make_home()
    forgotten = people.read(settings.lake)
    store = Store(root(settings))
    store.root.mkdir(parents=True, exist_ok=True)
    files: list[FileReport] = []
    others, marks = 0, list[tuple[Path, str]]()
    with FileLock(store.root / ".lock"):
        if replace:
            for name in {export.name for export in exports}:
                store.forget(name)
        for export in exports:
            say(f"Reading {opening.without_account(export.path.name)}")
            mark = mark_of(export.path)
            if forgotten.has(export.name):
                marks.append((export.path, mark))
                files.append(FileReport(export.name, opening.without_account(export.path.name), refused=_FORGOTTEN))
                continue
            found, other = _taken(store, export, by, incognito=settings.incognito == "take")
            marks.append((export.path, mark))
            files += found
            others += other
        names = {export.name for export in exports}
        users = landing.write(store, settings.landing, settings.placeholders)
        for path_, mark in marks:
            Seen(store.root).add(path_, mark)
    if not files:
        raise UserError(
            f"{path}: no export that is known, in {others:,} files: Spotify's, ListenBrainz's, or Last.fm's scrobbles;"
            " for a log of another kind, say with --mapping what its columns mean"
        )
    for export in exports:
        of_it = [it for it in files if it.name == export.name]
        if of_it and not any(it.taken for it in of_it) and not any(it.refused for it in of_it):
            of_it[0].refused = "the export is empty: there is nothing in it to take"
    return Report(files, [users[name] for name in sorted(names) if name in users], others, _notes(users, names))


def _notes(users: Mapping[str, UserReport], names: set[str]) -> list[str]:
    notes = []
    for name in sorted(names & set(users)):
        of = users[name]
        if of.dated:
            notes.append(
                f"{name}: {of.dated:,} saved tracks are likes of no known time: dated by their export's last event"
            )
        if of.undated:
            notes.append(
                f"{name}: {of.undated:,} saved tracks are left out: no event dates them; import a history, too"
            )
        if of.unknown:
            notes.append(f"{name}: {of.unknown:,} rows are left out: feedback on what is in no listen")
        if of.elsewhere:
            notes.append(f"{name}: {of.elsewhere:,} events are left to a better source that tells them, too")
    return notes


def assigned(path: Path, user: str | None) -> list[Export]:
    """Whose is what: a folder of exports has a folder or an archive for each person, named after them.

    Args:
        path: a folder, an archive or a file.
        user: whose it is as a whole; None where names say so.

    Raises:
        UsageError: it can't be told.
        UserError: there is nothing there.
    """
    try:
        entries = None if path.is_file() else sorted(it for it in path.iterdir() if not it.name.startswith("."))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if user is not None:
        return [Export(user, path)]
    if entries is None:
        return [Export(own_name(path), path)]
    people = [it for it in entries if it.is_dir() or it.suffix.lower() == ".zip"]
    if not entries:
        raise UserError(f"{path} is empty: there is no export in it")
    named = [it for it in people if not is_of_a_service(it)]
    others = [it for it in people if it not in named] + [it for it in entries if it not in people and _is_history(it)]
    if named and others:
        # People's histories are not to be mixed by mistake.
        raise UsageError(
            f"{path}: it can't be told whose {opening.without_account(others[0].name)} is, beside {named[0].name}:"
            " put it into a folder named after them, or say with --user NAME that all of it is one person's"
        )
    return [Export(own_name(it), it) for it in named] or [Export(own_name(path), path)]


def _is_history(path: Path) -> bool:
    member = Member(path.name, "", lambda: path.open("rb"))
    try:
        return opening.recognised(member, opening.start_of(member)) is not None
    except BadExport:
        return True


def _taken(
    store: Store, export: Export, by: mapping.LogMapping | None, *, incognito: bool
) -> tuple[list[FileReport], int]:
    """Reads an export, keeps what is in it, and tells of each file; and how many others there are."""
    reports: list[FileReport] = []
    reads: list[_Read] = []
    others = 0
    for member in opening.members(export.path):
        if isinstance(member, Unopened):
            reports.append(FileReport(export.name, member.name, refused=member.reason))
            continue
        report = FileReport(export.name, member.name)
        try:
            start = opening.start_of(member)
            report.holds = by.name if by else opening.recognised(member, start)
            if report.holds is None:
                others += 1
                continue
            reports.append(report)
            if report.holds != opening.EMPTY:
                reads.append(_read(member, report, by, incognito))
        except BadExport as error:
            report.refused = str(error)
            if report not in reports:
                reports.append(report)
    _keep(store, export.name, reads, by)
    return reports, others


def _read(member: Member, report: FileReport, by: mapping.LogMapping | None, incognito: bool) -> _Read:
    listens, first, last = Gathered(), None, None
    with opening.faults(), member.open() as opened:
        stream: Any = Counted(opened)
        for row in _rows(stream, member, str(report.holds), by, incognito):
            report.rows += 1
            if isinstance(row, Listen):
                listens.add(row)
            else:
                report.set_aside[row.reason] = report.set_aside.get(row.reason, 0) + 1
            end = row.end_ms
            if end is not None and not (isinstance(row, Listen) and row.kind == Kind.LIKE):
                first = end if first is None else min(first, end)
                last = end if last is None else max(last, end)
        digest = stream.digest()
    report.taken = len(listens)
    return _Read(report, digest, str(report.holds), member.group, listens, first, last)


def _rows(stream: Any, member: Member, holds: str, by: mapping.LogMapping | None, incognito: bool) -> Rows:
    if by is not None:
        return by.rows(stream)
    video = spotify.is_video(member.name)
    match holds:
        case opening.EXTENDED:
            return spotify.extended(opening.items(stream), video=video, incognito=incognito)
        case opening.BASIC:
            return spotify.basic(opening.items(stream), video=video)
        case opening.LIBRARY:
            return spotify.library(opening.document(stream))
        case opening.LISTENBRAINZ | opening.FEEDBACK:
            start = opening.start_of(member).lstrip(b"\xef\xbb\xbf \t\r\n")
            rows = opening.items(stream) if start.startswith(b"[") else opening.objects(stream)
            return listenbrainz.listens(rows) if holds == opening.LISTENBRAINZ else listenbrainz.feedback(rows)
        case _:
            return lastfm.scrobbles(opening.lines(stream))


def _keep(store: Store, name: str, reads: Sequence[_Read], by: mapping.LogMapping | None) -> None:
    accounts = {account for read in reads for account in read.listens.users()}

    def user(said: str) -> str:
        if by is not None and by.many:
            return said
        # The account of a log of one is the person that the log is of.
        return store.hashed(said) if said and len(accounts) > 1 else ""

    newest: dict[str, int] = {}
    for read in reads:
        if read.last_ms is not None:
            newest[read.group] = max(read.last_ms, newest.get(read.group, read.last_ms))
    for read in reads:
        dated = newest.get(read.group) if read.source == opening.LIBRARY else None
        about = About(read.source, read.first_ms, read.last_ms, dated)
        store.keep(name, read.digest, about, read.listens, user)
