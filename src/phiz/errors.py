"""Everything a user can mend, as one small tree of exceptions.

    PhizError
    ├── UsageError        the command line or the arguments make no sense together
    ├── MediaError        a picture, sound or video cannot be read or written
    ├── CheckpointError   a weight file is missing, truncated, foreign or of another kind
    ├── HeadError         a head model or its data cannot be used
    ├── DataError         a data set is not what it should be
    └── MissingError      something optional is not installed or not supplied

Each message says what happened, what was expected and what to do next. Each class carries the
exit code of the command line, so that scripts can tell the cases apart (see ``docs/cli.md``).
"""

from __future__ import annotations


class PhizError(Exception):
    """Something went wrong that the user can mend; the message says how."""

    exit_code = 1


class UsageError(PhizError):
    """The command line or the arguments make no sense together."""

    exit_code = 2


class MediaError(PhizError):
    """A picture, sound or video cannot be read or written."""

    exit_code = 3


class CheckpointError(PhizError):
    """A weight file is missing, truncated, foreign or of another kind."""

    exit_code = 4


class HeadError(PhizError):
    """A head model or its data cannot be used."""

    exit_code = 5


class DataError(PhizError):
    """A data set is not what it should be."""

    exit_code = 6


class MissingError(PhizError):
    """Something optional is not installed or not supplied."""

    exit_code = 7
