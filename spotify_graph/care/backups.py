"""Which backups were made of a home: whoever is forgotten is in those that were made before."""

import json
from pathlib import Path

from spotify_graph.local.files import write_private
from spotify_graph.settings import Settings


def remember(settings: Settings, file: Path) -> None:
    """Remembers a backup that was made."""
    write_private(_list(settings), json.dumps(sorted({*map(str, _made(settings)), str(file)}), indent=1))


def there(settings: Settings) -> list[Path]:
    """The backups that were made of a home, and are where they were written."""
    return [file for file in _made(settings) if file.is_file()]


def _made(settings: Settings) -> list[Path]:
    try:
        return [Path(file) for file in json.loads(_list(settings).read_text(encoding="utf-8"))]
    except (OSError, ValueError):
        return []


def _list(settings: Settings) -> Path:
    return settings.home / "backups.json"
