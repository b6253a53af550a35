"""Every sample event of `tests/events`, as it is, to the function that it is for."""

import json

from .checks import same
from .events import sample
from .tools import REPOSITORY


def send_samples(functions):
    """Sends each once; over an empty table there is nothing to be done for them."""
    answered = {
        "api-gateway-get-health": health,
        "api-gateway-create-job": no_key,
        # Nothing is due.
        "eventbridge-tick": lambda answer: same(answer("schedule-evaluator"), None, "the tick's answer"),
        "eventbridge-schedule-changed": lambda answer: same(answer("schedule-evaluator"), None, "the change's answer"),
        # The job run is not there, so there is no work.
        "eventbridge-work-ready": lambda answer: same(answer("payload-executor"), None, "the work's answer"),
    }
    files = sorted(path.stem for path in REPOSITORY.joinpath("tests", "events").glob("*.json"))
    same(files, sorted(answered), "the samples in tests/events")
    for name, check in answered.items():
        check(lambda function, event=sample(name): functions[function].answer(event))
    return f"{len(files)} sample events are answered as they should be"


def health(answer):
    same(answer("job-api")["statusCode"], 200, "the status of the health")


def no_key(answer):
    """Its key is that of no workspace here."""
    refused = answer("job-api")
    same(refused["statusCode"], 401, "the status without a valid key")
    same(json.loads(refused["body"])["code"], "unauthorized", "the code without a valid key")
    same(refused["headers"]["content-type"], "application/problem+json", "what a refusal is")
