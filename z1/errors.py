"""The errors that people are meant to read."""

import re

_SECRETS = (
    (re.compile(r"(https?://)[^/\s]*@", re.IGNORECASE), r"\1"),  # a user's name may be a token
    (re.compile(r"(\w[\w+.-]*://[^/\s:@]*):[^/\s]*@"), r"\1@"),
)


class InputError(Exception):
    """Something given to z1 is wrong; the message says where it is and what to do about it.

    The command line prints the message alone and exits with code 2.
    """


class RunError(Exception):
    """A step of a run failed, and not because of what it was given; the message says how.

    The command line prints the message alone and exits with code 1.
    """


class RolloutError(RunError):
    """A version could not be served; the message says why, and what is served now."""


def hide_secrets(text: str) -> str:
    """Return a text without the user names and passwords in its URLs; SSH's user is no secret."""
    for pattern, rest in _SECRETS:
        text = pattern.sub(rest, text)
    return text
