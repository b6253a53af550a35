"""A scheduled job whose target is an HTTP server: created by the first function, started by the second, carried out and
delivered by the third, and none of them does what is another's."""

import datetime
import json
import urllib.request

from .checks import holds, same, wait_for
from .events import sample

# The job is due so long after it is created: a machine that is busy has to come that far in time.
DUE_AFTER_SECONDS = 10
PAYLOADS = [
    {"apiName": "echo", "parameters": {"n": 0}},
    {"apiName": "fails-once", "parameters": {"n": 1}},
    {"apiName": "large", "parameters": {"n": 2}},
    {"apiName": "echo", "parameters": {"n": 3}},
    {"apiName": "echo", "parameters": {"n": 4}},
]


class HttpTargetStory:
    def __init__(self, api, functions, relay, services):
        self.api, self.functions, self.relay, self.services = api, functions, relay, services

    def tell(self):
        self.relay.hold_back("schedule-evaluator", "payload-executor")
        begun = self.begun()
        due_at = self.create()
        same(self.begun_since(begun), {"schedule-evaluator": 0, "payload-executor": 0}, "who is invoked at creation")

        self.relay.release("schedule-evaluator")
        job_run = self.started(due_at)
        same(self.begun_since(begun)["payload-executor"], 0, "whether the executor is invoked before its time")
        same(self.services.calls_of(job_run), [], "the calls before its time")

        self.relay.release("payload-executor")
        self.completed(job_run)
        self.check_logs(job_run)
        self.check_metrics()
        # Another tick finds nothing more to be done for it.
        same(self.functions["schedule-evaluator"].answer(sample("eventbridge-tick")), None, "the tick's answer")
        same(len(self.api.ok("GET", "/projects/shop/jobs/prices/runs")["items"]), 1, "the runs of the job")
        self.services.check_delivered_once(job_run, PAYLOADS)
        return (
            f"a scheduled job: created by job-api, started by schedule-evaluator {self.late_by_ms} ms late, carried "
            f"out by payload-executor; {len(PAYLOADS)} payloads, one in two attempts, each result delivered once"
        )

    def begun(self):
        return {name: self.functions[name].begun for name in ("schedule-evaluator", "payload-executor")}

    def begun_since(self, before):
        return {name: begun - before[name] for name, begun in self.begun().items()}

    def create(self):
        """By the first function alone: the others are held back."""
        self.api.ok("PUT", "/projects/shop", {"target": {"type": "http", "baseUrl": f"{self.services.url}/target"}})
        due_at = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        due_at += datetime.timedelta(seconds=DUE_AFTER_SECONDS)
        once = {
            "year": due_at.year, "month": due_at.month, "dayOfMonth": due_at.day,
            "hour": due_at.hour, "minute": due_at.minute, "second": due_at.second,
        }
        created = self.api.ok("POST", "/projects/shop/jobs", {
            "id": "prices",
            "payload": PAYLOADS,
            "configuration": {"retry": {"maximumAttempts": 3, "initialInterval": "200ms"}},
            "schedule": {"calendars": [once], "timezone": "UTC"},
            "sink": {"type": "webhook", "url": f"{self.services.url}/sink/prices"},
        })
        due_at = due_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        same(created["nextRunTime"], due_at, "when the job is due")
        wait_for("the event that the schedule has changed", lambda: self.relay.seen("Schedule Changed"))
        same(self.api.ok("GET", "/projects/shop/jobs/prices/runs")["items"], [], "the runs before it is due")
        same(self.relay.seen("Work Ready"), [], "the work before it is due")
        return due_at

    def started(self, due_at):
        """By the second function alone: the third is held back."""
        wait_for("the event that there is work", lambda: self.relay.seen("Work Ready"))
        (work,) = self.relay.seen("Work Ready")
        (run,) = self.api.ok("GET", "/projects/shop/jobs/prices/runs")["items"]
        same(work["detail"], {"jobRunId": run["id"], "lane": 0}, "what there is to be done")
        same((run["type"], run["scheduledTime"]), ("SCHEDULED", due_at), "why there is a run")
        same((run["status"], run["summary"]["pending"]), ("PENDING", len(PAYLOADS)), "the run without a worker")
        self.late_by_ms = run["lateByMs"]
        return run["id"]

    def completed(self, job_run):
        """By the third function, whatever it needs to be invoked for."""
        path = f"/projects/shop/jobs/prices/runs/{job_run}"

        def look():
            run = self.api.ok("GET", path)
            is_over = run["status"] == "COMPLETED" and run["deliveries"]["pending"] == 0 and "results" in run
            return run if is_over else None

        run = wait_for("the end of the run, its deliveries and its results", look)
        count = len(PAYLOADS)
        summary = {"total": count, "pending": 0, "running": 0, "succeeded": count, "failed": 0, "canceled": 0}
        same(run["summary"], summary, "the summary")
        same(run["deliveries"], {"delivered": count, "pending": 0, "failed": 0}, "the deliveries")
        attempts = [self.api.ok("GET", f"{path}/payloads/{index}")["attempts"] for index in range(count)]
        same(attempts, [2 if it["apiName"] == "fails-once" else 1 for it in PAYLOADS], "the attempts of each payload")
        same(len(self.services.calls_of(job_run)), sum(attempts), "the calls of the target")
        for kind in ("Job Run Started", "Job Run Completed"):
            holds(self.relay.seen(kind, jobRunId=job_run), f"no event says {kind}")
        # The results were written to the bucket by the third function, and the first has signed the link to them.
        with urllib.request.urlopen(run["results"]["signedUrl"], timeout=30) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines()]
        same([line["apiInfo"]["runId"] for line in lines], [f"{job_run}-{n}" for n in range(count)], "the results")

    def check_logs(self, job_run):
        """The function that has carried it out says so, and no other one."""
        for name, function in self.functions.items():
            ended = [line for line in function.json_log() if line["message"] == "the job run has ended"]
            of_this = [line for line in ended if line["span"]["jobRunId"] == job_run]
            same(len(of_this), 1 if name == "payload-executor" else 0, f"how often {name} logs the end of the run")
            # No call has started it, so that it goes by its own id.
            same([line["span"]["correlationId"] for line in of_this], [job_run] * len(of_this), "the correlation id")

    def check_metrics(self):
        """Told when an invocation ends, or half a minute later."""
        count = len(PAYLOADS)
        expected = {
            "schedule-evaluator": {"OccurrencesOnTime": 1},
            "payload-executor": {"PayloadsSucceeded": count, "AttemptsRetried": 1, "DeliveriesSucceeded": count},
        }
        for name, metrics in expected.items():
            function = self.functions[name]
            for metric, total in metrics.items():
                wait_for(f"{total} {metric} of {name}", lambda: sum(function.metrics(metric)) == total)
        same(len(self.functions["schedule-evaluator"].metrics("OccurrenceLag")), 1, "how often the lag is told")
        holds(self.functions["payload-executor"].metrics("SlotsUsed"), "nobody tells how many slots are used")
        same(self.functions["payload-executor"].metrics("PayloadsFailed"), [], "the failures that are told")
