"""Comparing and waiting. What was compared is counted, so that a script that compares nothing cannot pass."""

import time

PATIENCE_SECONDS = 120
_made = 0


class CheckFailed(Exception):
    """Something is not as it has to be."""


def made():
    """How many comparisons were made."""
    return _made


def same(found, wanted, what):
    global _made
    _made += 1
    if found != wanted:
        raise CheckFailed(f"{what}: {found!r}, not {wanted!r}")


def holds(truth, what):
    global _made
    _made += 1
    if not truth:
        raise CheckFailed(what)


def wait_for(what, look, patience_seconds=PATIENCE_SECONDS):
    """Waits until `look` finds something, and gives it back."""
    until = time.monotonic() + patience_seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise CheckFailed(f"waited in vain for {what}")
        time.sleep(0.05)
