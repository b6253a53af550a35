"""How long each function takes until it asks for its first event, and how much memory it takes, beside a function that
does nothing. Measured on this machine, with nobody else's load taken out: so a table comes of it, and no test."""

import statistics
import sys

from .build import FUNCTIONS, HELLO_WORLD
from .checks import same
from .events import request, sample
from .runtime_api import Start
from .table import table

ROUNDS = 20
ABOVE_HELLO_WORLD_MAX_MS = 15
PEAK_BYTES_MAX = 64_000_000
# What the runtime library does not start without.
HELLO_WORLD_ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": HELLO_WORLD,
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
}


def measure(bootstraps, environments, api):
    """Starts them in turn, so that whatever else the machine does meets all alike. `environments` is what each function
    is started with; `api` knows of a workspace and its key."""
    events = {
        HELLO_WORLD: b"{}",
        # Each asks the table for something.
        "job-api": request("GET", f"{api.base}/projects", api.key),
        "schedule-evaluator": sample("eventbridge-tick"),
        "payload-executor": sample("eventbridge-work-ready"),
    }
    same(sorted(events), sorted([HELLO_WORLD, *FUNCTIONS]), "what is measured")
    environments = environments | {HELLO_WORLD: HELLO_WORLD_ENVIRONMENT}
    starts = {name: [] for name in events}
    for number in range(ROUNDS + 1):
        print(f"round {number} of {ROUNDS}" if number else "once to warm up", file=sys.stderr, flush=True)
        for name, event in events.items():
            start = Start(bootstraps[name], environments[name], event)
            if number:
                starts[name].append(start)
    return report(bootstraps, starts)


def report(bootstraps, starts):
    median = {name: statistics.median(it.milliseconds for it in of_one) for name, of_one in starts.items()}
    quickest = {name: min(it.milliseconds for it in of_one) for name, of_one in starts.items()}
    above = {name: median[name] - median[HELLO_WORLD] for name in starts}
    peaks = {name: [max(it.peaks[n] for it in of_one) for n in (0, 1)] for name, of_one in starts.items()}
    rows = [
        [
            name,
            f"{median[name]:.1f}",
            f"{above[name]:.1f}" if name != HELLO_WORLD else "",
            f"{quickest[name]:.1f}",
            f"{peaks[name][0] / 2**20:.1f}",
            f"{peaks[name][1] / 2**20:.1f}",
            f"{bootstraps[name].stat().st_size / 1e6:.2f}",
        ]
        for name in starts
    ]
    head = ["binary", "median ms", "above hello world", "quickest ms", "peak MiB", "after an event", "MB"]
    slow = [name for name in FUNCTIONS if above[name] > ABOVE_HELLO_WORLD_MAX_MS]
    large = [name for name in FUNCTIONS if max(peaks[name]) > PEAK_BYTES_MAX]
    return "\n".join([
        f"{ROUNDS} starts of each, in turn: from before the process is started until it asks for its first event",
        table(head, rows),
        goal(f"at most {ABOVE_HELLO_WORLD_MAX_MS} ms above hello world", slow),
        goal(f"at most {PEAK_BYTES_MAX // 10**6} MB of memory", large),
    ])


def goal(what, missed_by):
    return f"goal, {what}: " + ("holds" if not missed_by else f"missed by {', '.join(missed_by)}")
