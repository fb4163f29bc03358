"""An exception handler that `jobs` must not call."""


def never(*_: object, **__: object) -> None:
    """Stand for the host's exception handler."""
    raise AssertionError("the host's setting leaked in")
