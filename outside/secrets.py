"""Addresses and errors as they may be printed: without passwords and tokens."""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["Secrets", "without_logins"]

# What stands before the host: a user with a password, or a token. Taken for a path, an address has
# one slash less.
_LOGIN = re.compile(r"(?<![\w+.-])([A-Za-z][\w+.-]+:/{1,2})[^/\s@]+@")
_PATTERNS = (
    (_LOGIN, r"\1***@"),
    # Signatures and keys, as signed addresses and headers hold them.
    (
        re.compile(
            r"(?i)\b((?:x-amz-|x-goog-|aws_?)?(?:signature|sig|security-token|session_?token|token"
            r"|credential|password|passwd|secret(?:_?access)?(?:_?key)?|access_?key(?:_?id)?"
            r"|api_?key)['\"]?\s*[=:]\s*['\"]?)[^\s&'\",;]+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 ***"),
    (re.compile(r"\bhf_[A-Za-z0-9]{6,}"), "***"),
)


class Secrets:
    """What an address holds that nobody may read."""

    def __init__(self, url: str) -> None:
        rest = url.partition("://")[2]
        host = rest.partition("/")[0]
        # A password with a slash in it, which should be escaped, passes for a port and a path.
        login = (host if "@" in host or ":" not in host else rest).rpartition("@")[0]
        user, colon, password = login.partition(":")
        secret = password if colon else user
        words = {login, secret, unquote(login), unquote(secret)} - {""}
        self._words = sorted(words, key=len, reverse=True)

    def without(self, text: str) -> str:
        """The text with asterisks in their place, and in that of all that looks like one."""
        for word in self._words:
            text = text.replace(word, "***")
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


def without_logins(text: str) -> str:
    """The text with asterisks for the users and passwords in its addresses."""
    return _LOGIN.sub(r"\1***@", text)
