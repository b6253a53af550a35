"""Drives `sundial dev` by the published Python client, sync and async, through everything it knows of jobs, job runs,
runs and auth sessions, and checks every field that it has read."""

import asyncio
import inspect
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timedelta, timezone

import httpx
from intuned_client.async_client import AsyncIntunedClient
from intuned_client.client import IntunedClient
from intuned_client.exceptions import ApiError, AuthenticationError, NotFoundError, ValidationError

PATIENCE = 60
PASSWORD = "open sesame"
CHECKS = 0


def same(found, wanted, what):
    """Counts what was compared, so that a script that compares nothing cannot pass."""
    global CHECKS
    CHECKS += 1
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, not {wanted!r}")


def is_time(text, what):
    global CHECKS
    CHECKS += 1
    then = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if abs(datetime.now(timezone.utc) - then) > timedelta(days=1):
        raise AssertionError(f"{what} is {text!r}")


def is_set(value, what):
    global CHECKS
    CHECKS += 1
    if not value:
        raise AssertionError(f"{what} is {value!r}")


class Story:
    """One story for both clients: what the sync one answers at once, the async one is awaited for."""

    def __init__(self, client, dev, name):
        self.projects = client.projects
        self.dev = dev
        self.name = name

    async def call(self, method, **arguments):
        try:
            answer = method(project_name=self.dev["projectName"], **arguments)
            return await answer if inspect.isawaitable(answer) else answer
        except ApiError as error:
            # What it says of itself is only its status.
            error.add_note(json.dumps(error.body))
            raise

    async def refused(self, kind, status, method, **arguments):
        try:
            await self.call(method, **arguments)
        except kind as error:
            same(type(error), kind, "the error")
            same(error.status_code, status, "its status")
            for name in ["code", "category", "message", "correlationId"]:
                is_set(error.body[name], name)
            same(error.body["retirable"], False, "retirable")
            return error.body
        raise AssertionError(f"{method} was not refused")

    async def until(self, is_so, method, **arguments):
        begun = time.monotonic()
        while True:
            answer = await self.call(method, **arguments)
            if is_so(answer):
                return answer
            if time.monotonic() - begun > PATIENCE:
                raise AssertionError(f"waited in vain: {answer!r}")
            await asyncio.sleep(0.1)

    async def tell(self):
        await self.auth_sessions()
        await self.jobs()
        await self.job_runs()
        await self.runs()

    # Auth sessions

    async def auth_sessions(self):
        sessions, self.session = self.projects.auth_sessions, f"login-{self.name}"
        body = {"id": self.session, "parameters": {"password": PASSWORD}, "createAttempts": 2, "checkAttempts": 2, "saveTrace": True}
        started = await self.call(sessions.create.start, body=body)
        same(started.status, "started", "the creation")
        done = await self.until(lambda it: it.status != "pending", sessions.create.result, operation_id=started.operation_id)
        same((done.status, done.auth_session_id), ("done", self.session), "the end of the creation")
        found = await self.call(sessions.get, auth_session_id=self.session)
        same((found.id, found.type, found.status), (self.session, "CREDENTIALS", "READY"), "the session")
        listed = await self.call(sessions.list)
        same([it.status for it in listed if it.id == self.session], ["READY"], "the session in the list")

        started = await self.call(sessions.validate.start, auth_session_id=self.session, body={"autoRecreate": True})
        same(started.status, "pending", "the validation")
        done = await self.until(
            lambda it: it.status != "pending", sessions.validate.result,
            auth_session_id=self.session, operation_id=started.operation_id,
        )
        same((done.status, done.auth_session_id), ("done", self.session), "the end of the validation")

        started = await self.call(sessions.update.start, auth_session_id=self.session, body={"parameters": {"password": "wrong"}})
        same(started.status, "started", "the update")
        failed = await self.until(
            lambda it: it.status != "pending", sessions.update.result,
            auth_session_id=self.session, operation_id=started.operation_id,
        )
        same(failed.status, "failed", "the end of the update")
        same("that is not the password" in failed.message, True, "its message")
        same((failed.error.code, failed.error.category), ("create-attempts-failed", "auth"), "its error")
        same((failed.error.retirable, failed.error.message), (False, failed.message), "its error")
        started = await self.call(sessions.update.start, auth_session_id=self.session, body={"parameters": {"password": PASSWORD}})
        await self.until(
            lambda it: it.status == "done", sessions.update.result,
            auth_session_id=self.session, operation_id=started.operation_id,
        )
        await self.refused(NotFoundError, 404, sessions.get, auth_session_id="nobody")
        body = {"id": "proxied", "parameters": {}, "proxy": "http://user:secret@proxy.example:8080"}
        refused = await self.refused(ValidationError, 400, sessions.create.start, body=body)
        same([it["pointer"] for it in refused["details"]["errors"]], ["/proxy"], "what is at fault")

        other = await self.call(sessions.create.start, body={"parameters": {"password": PASSWORD}})
        made = await self.until(lambda it: it.status == "done", sessions.create.result, operation_id=other.operation_id)
        is_set(made.auth_session_id, "the id that was made up")
        same(await self.call(sessions.delete, auth_session_id=made.auth_session_id), None, "the deletion")
        await self.refused(NotFoundError, 404, sessions.get, auth_session_id=made.auth_session_id)

    # Jobs

    def job(self):
        """A job with everything that the client knows of it."""
        origin = self.dev["apiUrl"]
        range_of_days = {"start": "MONDAY", "step": 2, "end": "FRIDAY"}
        return {
            "id": f"everything-{self.name}",
            "payload": [
                {"apiName": "members", "parameters": {"n": 1}, "requestTimeout": 30, "retry": {"maximumAttempts": 2}},
                {"apiName": "members", "parameters": {}},
                {"apiName": "nobody", "parameters": {"deep": {"er": [1, None, "x"]}}},
            ],
            "configuration": {
                "retry": {"maximumAttempts": 4}, "maxConcurrentRequests": 5, "requestTimeout": 120, "maxRuns": 50,
            },
            "schedule": {
                "jitter": "1s",
                "intervals": [{"every": "30d"}, {"every": 86_400_000}],
                "calendars": [
                    {
                        "second": 5, "minute": {"start": 0, "step": 30, "end": 59}, "hour": [9, {"start": 12, "end": 14}],
                        "dayOfWeek": ["SUNDAY", range_of_days], "dayOfMonth": "*", "month": {"start": "MAY", "end": "JUNE"},
                        "year": 2090, "comment": "now and then",
                    },
                    {"dayOfWeek": "MONDAY", "year": {"start": 2090, "end": 2095}},
                ],
            },
            "sink": {
                "type": "webhook", "url": f"{origin}/demo/webhook", "headers": {"x-key": "hidden"}, "skipOnFail": True,
                "apisToSend": ["members"],
            },
            "auth_session": {"id": self.session, "checkAttempts": 2, "createAttempts": 4, "saveTrace": False},
            "notifications": [{"type": "webhook", "url": f"{origin}/demo/webhook", "headers": {"x-key": "hidden"}}],
        }

    def same_job(self, job, wanted, what):
        configuration = wanted["configuration"]
        same(job.id, wanted["id"], what)
        same(job.configuration.retry.maximum_attempts, configuration["retry"]["maximumAttempts"], what)
        same(job.configuration.max_concurrent_requests, configuration["maxConcurrentRequests"], what)
        same(job.configuration.request_timeout, configuration["requestTimeout"], what)
        same(job.configuration.max_runs, configuration.get("maxRuns"), what)
        same(job.configuration.proxy, None, what)
        same(len(job.payload), len(wanted["payload"]), what)
        for read, sent in zip(job.payload, wanted["payload"]):
            same(read.api_name, sent["apiName"], what)
            same(read.parameters, sent["parameters"], what)
            # The client itself sends its defaults.
            same(read.request_timeout, sent.get("requestTimeout", 600), what)
            attempts = sent.get("retry", {}).get("maximumAttempts")
            same(read.retry and read.retry.maximum_attempts, attempts, what)
        self.same_sink(job.sink, what)
        same(job.auth_session.id, self.session, what)
        same((job.auth_session.check_attempts, job.auth_session.create_attempts), (2, 4), what)
        self.same_schedule(job.schedule, what)
        same(job.state, "ACTIVE", what)
        same(job.proxy, None, what)
        is_time(job.created_at, what)
        is_set(job.next_run_time, what)
        same(job.last_run_time, None, what)

    def same_sink(self, sink, what):
        same((sink.type, sink.url), ("webhook", f"{self.dev['apiUrl']}/demo/webhook"), what)
        same(sink.headers, {"x-key": "[redacted]"}, what)
        same((sink.skip_on_fail, sink.apis_to_send), (True, ["members"]), what)

    def same_schedule(self, schedule, what):
        spread = lambda it: (it.start, it.step, it.end)
        same(schedule.jitter, "1s", what)
        same([it.every for it in schedule.intervals], ["30d", 86_400_000], what)
        first, second = schedule.calendars
        same(spread(first.second), (5, 1, 5), what)
        same(spread(first.minute), (0, 30, 59), what)
        same([spread(it) for it in first.hour], [(9, 1, 9), (12, 1, 14)], what)
        same([spread(it) for it in first.day_of_week], [("SUNDAY", 1, "SUNDAY"), ("MONDAY", 2, "FRIDAY")], what)
        same((first.day_of_month, spread(first.month)), ("*", ("MAY", 1, "JUNE")), what)
        same((spread(first.year), first.comment), ((2090, 1, 2090), "now and then"), what)
        same((second.hour, spread(second.day_of_week), spread(second.year)), (None, ("MONDAY", 1, "MONDAY"), (2090, 1, 2095)), what)

    async def jobs(self):
        jobs, job = self.projects.jobs, self.job()
        self.job_id = job["id"]
        created = await self.call(jobs.create, body=job)
        same((created.id, created.message), (self.job_id, "created"), "the creation")
        await self.refused(ValidationError, 409, jobs.create, body=job)
        found = await self.call(jobs.get, job_id=self.job_id)
        self.same_job(found, job, "the job")
        is_set(uuid.UUID(found.project_id), "its project")
        listed = [it for it in await self.call(jobs.list) if it.id == self.job_id]
        same(len(listed), 1, "the jobs of this id")
        self.same_job(listed[0], job, "the job in the list")
        same((listed[0].workspace_id, listed[0].project_id), (self.dev["workspaceId"], found.project_id), "where it is")
        same((listed[0].source, listed[0].reason, listed[0].schedule_id), ("API", None, None), "the job in the list")
        told = listed[0].notifications[0]
        same((told.type, told.url), ("webhook", f"{self.dev['apiUrl']}/demo/webhook"), "whom it tells")
        same(told.headers, {"x-key": "[redacted]"}, "with what headers")

        # What was read is sent back: its secrets stay as they are.
        changed = found.model_dump(by_alias=True, exclude_none=True)
        changed["configuration"]["maxConcurrentRequests"] = 7.0
        changed["configuration"]["retry"]["maximumAttempts"] = 6
        updated = await self.call(jobs.update, job_id=self.job_id, body=changed)
        same((updated.id, updated.message), (self.job_id, "updated job successfully"), "the update")
        again = await self.call(jobs.get, job_id=self.job_id)
        wanted = {**job, "configuration": {**job["configuration"], "maxConcurrentRequests": 7, "retry": {"maximumAttempts": 6}}}
        self.same_job(again, wanted, "the job after the update")
        again.auth_session = None
        without = again.model_dump(by_alias=True, exclude_none=True)
        await self.call(jobs.update, job_id=self.job_id, body=without)
        same((await self.call(jobs.get, job_id=self.job_id)).auth_session, None, "the session that was taken away")
        await self.call(jobs.update, job_id=self.job_id, body=without_id(job))
        self.same_job(await self.call(jobs.get, job_id=self.job_id), job, "the job that was put back")

        for body, pointers in [
            ({**job, "proxy": "http://user:secret@proxy.example:8080"}, ["/proxy"]),
            ({**job, "configuration": {"proxy": "http://proxy.example", "maxConcurrentRequests": 0}}, ["/configuration/proxy"]),
            ({**job, "configuration": {"maxConcurrentRequests": 0}}, ["/configuration/maxConcurrentRequests"]),
            ({**job, "auth_session": {"id": "not an id"}}, ["/auth_session/id"]),
            ({**job, "payload": []}, ["/payload"]),
            ({**job, "schedule": {"intervals": [{"every": "soon"}]}}, ["/schedule/intervals/0/every"]),
        ]:
            refused = await self.refused(ValidationError, 400, jobs.update, job_id=self.job_id, body=without_id(body))
            same(refused["code"], "bad-request", "the code")
            same([it["pointer"] for it in refused["details"]["errors"]], pointers, "what is at fault")
        await self.refused(NotFoundError, 404, jobs.get, job_id="nobody")

        same((await self.call(jobs.pause, job_id=self.job_id)).message, "Paused", "the pause")
        paused = await self.call(jobs.get, job_id=self.job_id)
        same((paused.state, paused.next_run_time), ("PAUSED", None), "the paused job")
        refused = await self.refused(ValidationError, 400, jobs.trigger, job_id=self.job_id)
        same((refused["code"], refused["details"]), ("bad-request", {"code": "job-paused"}), "why it is not triggered")
        same((await self.call(jobs.resume, job_id=self.job_id)).message, "Resumed", "the resumption")
        resumed = await self.call(jobs.get, job_id=self.job_id)
        same(resumed.state, "ACTIVE", "the job that was resumed")

    # Job runs

    async def job_runs(self):
        jobs = self.projects.jobs
        triggered = await self.call(jobs.trigger, job_id=self.job_id)
        same(triggered.message, "Triggered", "the trigger")
        run_id = triggered.job_run_id
        ended = await self.until(lambda it: it.results is not None, jobs.runs.get, job_id=self.job_id, job_run_id=run_id)
        self.same_run(ended.job_run, run_id, "COMPLETED", (3, 2, 1), "the job run")
        self.same_sink(ended.job_run.job_configuration_snapshot.sink, "its sink")
        told = ended.job_run.job_configuration_snapshot.notifications[0]
        same(told.headers, {"x-key": "[redacted]"}, "whom it tells")
        same(ended.job_run.job_configuration_snapshot.auth_session.create_attempts, 4, "its session")
        same((ended.job_run.reason, ended.job_run.error), (None, None), "why it ended")
        self.same_results(ended.results, run_id)
        for index, (status, code) in enumerate([("completed", None), ("completed", None), ("failed", "script-execution-exception")]):
            result = await self.call(self.projects.runs.result, run_id=f"{run_id}-{index}")
            same((result.run_id, result.status), (f"{run_id}-{index}", status), "the run")
            same(result.error and result.error.code, code, "its error")
        same((result.error.category, result.error.retirable), ("execution", False), "its error")
        same(result.error.details, {"code": "no-such-api", "statusCode": 404, "attempts_count": 1}, "its error")

        # A job whose runs last, to be ended in their midst.
        long = {"id": f"long-{self.name}", "payload": [{"apiName": "slow", "parameters": {"ms": 60_000}}] * 3, "configuration": {}}
        await self.call(jobs.create, body=long)
        first = await self.call(jobs.trigger, job_id=long["id"])
        refused = await self.refused(ValidationError, 400, jobs.trigger, job_id=long["id"])
        same(refused["details"], {"code": "another-job-run-active"}, "why it is not triggered")
        pending = await self.call(jobs.runs.get, job_id=long["id"], job_run_id=first.job_run_id)
        self.same_run(pending.job_run, first.job_run_id, "PENDING", (3, 0, 0), "the run under way")
        same((pending.results, pending.job_run.end_time), (None, None), "the run under way")
        started = await self.until(lambda it: it.status == "started", self.projects.runs.result, run_id=f"{first.job_run_id}-0")
        same((started.result, started.error), (None, None), "a run under way")
        ended = await self.call(jobs.runs.terminate, job_id=long["id"], job_run_id=first.job_run_id)
        same(ended.message, "Job run terminated", "the termination")
        same((await self.call(jobs.runs.terminate, job_id=long["id"], job_run_id=first.job_run_id)).message, ended.message, "once more")
        terminated = await self.call(jobs.runs.get, job_id=long["id"], job_run_id=first.job_run_id)
        self.same_run(terminated.job_run, first.job_run_id, "TERMINATED", (3, 0, 0), "the run that was ended")
        same(terminated.job_run.reason.type, "terminated", "why it ended")
        is_set(terminated.job_run.reason.message, "why it ended")
        canceled = await self.call(self.projects.runs.result, run_id=f"{first.job_run_id}-1")
        same((canceled.status, canceled.reason.type), ("canceled", "job-run-terminated"), "a run of it")
        same(canceled.message, canceled.reason.message, "a run of it")
        await self.refused(NotFoundError, 404, jobs.runs.get, job_id=long["id"], job_run_id=str(uuid.uuid4()))

        # Pages.
        quick = {"id": f"quick-{self.name}", "payload": [{"apiName": "echo", "parameters": {}}], "configuration": {"maxRuns": 1}}
        quick["payload"] *= 2
        await self.call(jobs.create, body=quick)
        ids = []
        for _ in range(3):
            ids.insert(0, (await self.call(jobs.trigger, job_id=quick["id"])).job_run_id)
            await self.until(
                lambda it: it.job_run.status == "COMPLETED", jobs.runs.get, job_id=quick["id"], job_run_id=ids[0]
            )
        listed = await self.call(jobs.runs.list, job_id=quick["id"])
        same(([it.id for it in listed.job_runs], listed.total_count), (ids, 3), "the runs")
        self.same_run(listed.job_runs[0], ids[0], "COMPLETED", (2, 1, 0), "a run in the list")
        for number, wanted in [("0", ids[:2]), ("1", ids[2:]), ("2", [])]:
            page = await self.call(jobs.runs.list, job_id=quick["id"], page_size="2", page_number=number)
            same(([it.id for it in page.job_runs], page.total_count), (wanted, 3), f"page {number}")
        page = await self.call(
            jobs.runs.list, job_id=quick["id"], page_size="2", page_number="0", sort_by="status,asc/start_time,asc"
        )
        same([it.id for it in page.job_runs], [ids[2], ids[1]], "the oldest runs")
        refused = await self.refused(ValidationError, 400, jobs.runs.list, job_id=quick["id"], sort_by="colour,asc")
        same([it["pointer"] for it in refused["details"]["errors"]], ["/sortBy"], "what is at fault")
        over = await self.call(self.projects.runs.result, run_id=f"{ids[0]}-1")
        same((over.status, over.reason.type), ("canceled", "terminated"), "a run beyond maxRuns")
        same(over.reason.message.startswith("Max runs exceeded"), True, "why")

        for job_id in [self.job_id, long["id"], quick["id"]]:
            same(await self.call(jobs.delete, job_id=job_id), None, "the deletion")
            await self.refused(NotFoundError, 404, jobs.get, job_id=job_id)
        await self.call(self.projects.auth_sessions.delete, auth_session_id=self.session)

    def same_run(self, run, run_id, status, counts, what):
        same((run.id, run.status, run.type), (run_id, status, "MANUAL"), what)
        same((run.payloads, run.successful_runs, run.failed_runs), counts, what)
        same(run.workspace_id, self.dev["workspaceId"], what)
        is_set(uuid.UUID(run.project_id), what)
        for text in [run.start_time, run.created_at, run.updated_at] + ([run.end_time] if status != "PENDING" else []):
            is_time(text, what)
        is_set(run.job_configuration_snapshot.configuration.max_concurrent_requests, what)

    def same_results(self, results, run_id):
        same(results.format, "jsonl", "the results")
        is_time(results.signed_url_expiration, "the results")
        is_set(results.key, "the results")
        text = httpx.get(results.signed_url).raise_for_status().text
        same(len(text.encode()), int(results.size), "the size of the results")
        lines = [json.loads(line) for line in text.splitlines()]
        same([line["apiInfo"]["runId"] for line in lines], [f"{run_id}-{n}" for n in range(3)], "the results")
        same(lines[0]["apiInfo"]["result"]["output"], {"api": "members", "echo": {"n": 1}}, "the first result")
        same(lines[2]["apiInfo"]["error"]["message"], "there are echo, flaky, slow and members", "the last result")

    # Runs

    async def runs(self):
        runs = self.projects.runs
        sink = {"type": "webhook", "url": f"{self.dev['apiUrl']}/demo/webhook", "headers": {"x-key": "hidden"}}
        body = {
            "api": "echo", "parameters": {"n": 1}, "requestTimeout": 60, "retry": {"maximumAttempts": 2}, "sink": sink,
            "saveTrace": True,
        }
        started = await self.call(runs.start, body=body)
        same(started.status, "pending", "the start")
        done = await self.until(lambda it: it.status == "completed", runs.result, run_id=started.run_id)
        same((done.run_id, done.result), (started.run_id, {"api": "echo", "echo": {"n": 1}}), "the run")
        same((done.error, done.reason, done.extended_payloads), (None, None, None), "the run")
        started = await self.call(runs.start, body={"api": "nobody", "parameters": {}})
        failed = await self.until(lambda it: it.status == "failed", runs.result, run_id=started.run_id)
        same((failed.error.code, failed.error.message), ("script-execution-exception", failed.message), "the failure")
        same(failed.result, None, "the failure")
        body = {"api": "echo", "parameters": {}, "proxy": "http://proxy.example", "authSession": {"id": "nobody"}}
        refused = await self.refused(ValidationError, 400, runs.start, body=body)
        same([it["pointer"] for it in refused["details"]["errors"]], ["/proxy"], "what is at fault")
        del body["proxy"]
        refused = await self.refused(ValidationError, 400, runs.start, body=body)
        same([it["pointer"] for it in refused["details"]["errors"]], ["/authSession/id"], "what is at fault")
        refused = await self.refused(ValidationError, 400, runs.start, body={"api": "a/../b", "parameters": {}})
        same([it["pointer"] for it in refused["details"]["errors"]], ["/api"], "what is at fault")
        await self.refused(NotFoundError, 404, runs.result, run_id=f"{uuid.uuid4()}-0")


def without_id(body):
    return {name: value for name, value in body.items() if name != "id"}


async def tell_all(dev):
    base_url = f"{dev['apiUrl']}/api/v1/workspace"
    options = {"workspace_id": dev["workspaceId"], "base_url": base_url, "timeout": 30}
    with IntunedClient(api_key=dev["apiKey"], **options) as client:
        await Story(client, dev, "sync").tell()
    async with AsyncIntunedClient(api_key=dev["apiKey"], **options) as client:
        await Story(client, dev, "async").tell()
    for key in ["nonsense", None]:
        with IntunedClient(api_key=key, **options) as client:
            story = Story(client, dev, "bad")
            refused = await story.refused(AuthenticationError, 401, client.projects.jobs.list)
            same(refused["code"], "unauthorized", "the code")
        async with AsyncIntunedClient(api_key=key, **options) as client:
            story = Story(client, dev, "bad")
            await story.refused(AuthenticationError, 401, client.projects.jobs.list)


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "data")
        with open(pathlib.Path(folder, "log"), "wb") as log:
            process = subprocess.Popen(
                [sys.argv[1], "dev", "--port", "0", "--data-dir", str(data)], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            begun = time.monotonic()
            while not data.joinpath("dev.json").exists():
                if process.poll() is not None or time.monotonic() - begun > PATIENCE:
                    sys.exit(pathlib.Path(folder, "log").read_text())
                time.sleep(0.1)
            asyncio.run(tell_all(json.loads(data.joinpath("dev.json").read_text())))
        finally:
            process.kill()
            process.wait()
    if CHECKS < 700:
        sys.exit(f"only {CHECKS} checks were made")
    print(f"the published Python client, sync and async: {CHECKS} checks passed")


main()
