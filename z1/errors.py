"""The errors that people are meant to read."""


class InputError(Exception):
    """Something given to z1 is wrong; the message says where it is and what to do about it.

    The command line prints the message alone and exits with code 2.
    """


class RolloutError(Exception):
    """A version could not be served; the message says why, and what is served now.

    The command line prints the message alone and exits with code 1.
    """
