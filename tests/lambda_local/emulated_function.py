"""A function under AWS's Runtime Interface Emulator.

What the emulator (that of aws-sam-cli 1.170.0) does otherwise than Lambda:

- It starts a function with the first invocation, and serves just the name `function`.
- It has one instance. A second invocation while one is under way makes the emulator crash; Lambda would start another
  instance. So each invocation waits here for the one before it.
- An error of the function is answered with 200 and the error as a document, without a header that says so.
- A function that runs into its timeout is killed, and the answer is 200 and the text `Task timed out after 3.00
  seconds`. The next invocation starts it again.
- A function that dies is answered with 502 and `{"errorType": "Runtime.ExitError", "errorMessage": "…"}`.
"""

import http.client
import json
import queue
import threading
import urllib.error
import urllib.request

from .checks import CheckFailed, holds, wait_for
from .processes import free_port

TIMED_OUT = "Task timed out after "


class Outcome:
    """What came of an invocation."""

    def __init__(self, status, text):
        self.text = text
        self.is_timeout = text.startswith(TIMED_OUT)
        try:
            self.document = json.loads(text)
        except ValueError:
            self.document = None
            status = 0
        is_object = isinstance(self.document, dict)
        is_error = is_object and {"errorType", "errorMessage"} <= self.document.keys()
        self.failed = status != 200 or is_error


class EmulatedFunction:
    """One function, its emulator, and the events that wait for their turn."""

    def __init__(self, processes, emulator, name, bootstrap, environment):
        self.name, self.processes = name, processes
        self.timeout_seconds = int(environment["AWS_LAMBDA_FUNCTION_TIMEOUT"])
        # How each invocation has ended, in their order.
        self.outcomes = []
        self.begun = 0
        self.turn = threading.Lock()
        self.events = queue.Queue()
        # The port may have been taken since it was free.
        for _ in range(5):
            port, api_port = free_port(), free_port()
            self.url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
            addresses = {"runtime-interface-emulator": port, "runtime-api": api_port}
            options = [f"--{name}-address=127.0.0.1:{port}" for name, port in addresses.items()]
            processes.start(name, [emulator, *options, bootstrap], environment)
            if wait_for(f"the emulator of {name}", lambda: self.is_ready(port) or self.has_ended()) == "ready":
                break
        processes.check_runs(name)
        threading.Thread(target=self.work, daemon=True).start()

    def is_ready(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.connect()
            return "ready"
        except OSError:
            return None
        finally:
            connection.close()

    def has_ended(self):
        return "ended" if self.processes.running[self.name].poll() is not None else None

    def invoke(self, event):
        """Invokes it with an event, the bytes of a JSON document, and waits for what comes of it."""
        with self.turn:
            self.begun += 1
            request = urllib.request.Request(self.url, data=event, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_seconds + 30) as answer:
                    outcome = Outcome(answer.status, answer.read().decode())
            except urllib.error.HTTPError as error:
                outcome = Outcome(error.code, error.read().decode())
            self.outcomes.append(outcome)
            return outcome

    def answer(self, event):
        """The same, when it must not fail."""
        outcome = self.invoke(event)
        if outcome.failed:
            raise CheckFailed(f"{self.name} answers with {outcome.text!r}")
        return outcome.document

    def send(self, event):
        """Invokes it as the bus does: what comes of it is seen in `outcomes`."""
        self.events.put(event)

    def work(self):
        while True:
            event = self.events.get()
            try:
                self.invoke(event)
            except OSError as error:
                self.outcomes.append(Outcome(0, json.dumps(f"no answer: {error}")))

    def json_log(self):
        """What it has logged, without the lines of the emulator between that, and without metrics."""
        return [line for line in self.json_lines() if "message" in line]

    def metrics(self, name):
        """The values of a metric, as CloudWatch takes them out of the log (the embedded metric format)."""
        told = [line for line in self.json_lines() if "_aws" in line and name in line]
        for line in told:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            holds(directive["Namespace"] == "Sundial", f"{name} is in the namespace {directive['Namespace']}")
            holds(directive["Dimensions"] == [["FunctionName"]], f"{name} has the dimensions {directive['Dimensions']}")
            holds(name in [metric["Name"] for metric in directive["Metrics"]], f"{name} is no metric of its line")
        values = [line[name] for line in told]
        return [it for value in values for it in (value if isinstance(value, list) else [value])]

    def json_lines(self):
        return [json.loads(line) for line in self.processes.log(self.name).splitlines() if line.startswith("{")]
