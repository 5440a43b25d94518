"""What software that others wrote has to say of ours, and what it means when it is not there to be asked."""


class RefusedError(AssertionError):
    """It does not take what it was given; in its own words."""


class MissingError(Exception):
    """It is not here. A test that needs it is skipped by name, with this as the reason."""
