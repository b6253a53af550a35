"""A target of payloads and a sink of their results, as a user of Sundial has them."""

import json
import threading

from .checks import holds
from .server import serve

# More than a record holds, so that it is in the results bucket.
LARGE = "x" * 150_000


class TargetAndSink:
    """What was asked of the target, and what came to the sink."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = []
        self.deliveries = []
        self.url = serve(self.answer)

    def answer(self, path, headers, body):
        document = json.loads(body)
        if path.startswith("/sink/"):
            with self.lock:
                self.deliveries.append((headers["webhook-id"], document))
            return 200, {}, {}
        context = document["context"]
        with self.lock:
            self.calls.append(context | {"api": document["api"]})
        if document["api"] == "fails-once" and context["attempt"] == 1:
            return 503, {}, {"error": {"code": "busy", "message": "try again"}}
        return 200, {}, {"result": expected_result(document["api"], document["parameters"])}

    def calls_of(self, job_run):
        with self.lock:
            return [call for call in self.calls if call["jobRunId"] == job_run]

    def deliveries_of(self, job_run):
        with self.lock:
            return [it for it in self.deliveries if it[1]["projectJobRun"]["id"] == job_run]

    def check_delivered_once(self, job_run, payloads):
        """Each payload's result has arrived, exactly once, and is that of the payload."""
        deliveries = self.deliveries_of(job_run)
        identifiers = sorted(identifier for identifier, _ in deliveries)
        holds(identifiers == sorted(set(identifiers)), f"a result arrived twice: {identifiers}")
        found = {info["runId"]: (info["name"], info["result"]) for info in (it["apiInfo"] for _, it in deliveries)}
        for index, payload in enumerate(payloads):
            api, parameters = payload["apiName"], payload["parameters"]
            name, result = found.pop(f"{job_run}-{index}", (None, {}))
            holds(name == api, f"no result of payload {index} ({api}) arrived")
            arrived = (result["status"], result.get("result"))
            holds(arrived == ("completed", expected_result(api, parameters)), f"payload {index}: {result} arrived")
        holds(not found, f"results of nothing arrived: {list(found)}")


def expected_result(api, parameters):
    return LARGE if api == "large" else {"api": api, "echo": parameters}
