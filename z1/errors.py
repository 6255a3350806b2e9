"""The errors that people are meant to read."""


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
