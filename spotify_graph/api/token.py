"""The token that requests show, where the service has one."""

import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from spotify_graph.errors import UserError

_bearer = HTTPBearer(auto_error=False, description="The token in the file that the service was started with.")


def read(file: Path) -> SecretStr:
    """Reads a token, without the white space around it.

    Raises:
        UserError: the file can't be read, or holds no token.
    """
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"the token's file {file} can't be read ({reason})") from None
    if not token or not all("!" <= character <= "~" for character in token):
        raise UserError(f"{file} must hold a token of ASCII letters, digits and signs, in one piece")
    return SecretStr(token)


def required(token: SecretStr) -> Callable[..., Awaitable[None]]:
    """What lets only requests pass that show the token.

    Args:
        token: the token.
    """
    expected = _digest(token.get_secret_value())

    async def require(shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        # Digests are of one length, and how long it takes to compare them says nothing of where they differ.
        if shown is None or not hmac.compare_digest(_digest(shown.credentials), expected):
            raise HTTPException(HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})

    return require


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
