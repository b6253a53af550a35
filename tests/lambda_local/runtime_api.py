"""Lambda's Runtime API, which notes when a function asks for its first event, and how much memory it has by then."""

import pathlib
import re
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .checks import CheckFailed, wait_for

NEXT = "/2018-06-01/runtime/invocation/next"
# How long a function may take for all of it.
PATIENCE_SECONDS = 60


class Start:
    """One start of a function: it is given one event, and ends when it asks for another."""

    def __init__(self, bootstrap, environment, event):
        self.event = event
        self.asked_at, self.peaks, self.failure = [], [], None
        self.over = threading.Event()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.start = self
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        environment = environment | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"}
        begun_at = time.perf_counter_ns()
        self.process = subprocess.Popen(
            [bootstrap], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(f"{bootstrap} to ask for an event and then for another", self.is_over, PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            server.shutdown()
            server.server_close()
        if self.failure is not None:
            raise CheckFailed(f"{bootstrap} fails: {self.failure}")
        self.milliseconds = (self.asked_at[0] - begun_at) / 1e6

    def is_over(self):
        # It ends by itself when it gets no answer, so that what it has asked for comes first.
        if not self.over.is_set() and self.process.poll() is not None:
            raise CheckFailed(f"{self.process.args[0]} has ended by itself, with {self.process.returncode}")
        return self.over.is_set()

    def asked(self, at):
        """It asks for an event, which it is given if it is the first."""
        self.asked_at.append(at)
        self.peaks.append(self.peak_memory_bytes())
        if len(self.asked_at) == 1:
            return self.event
        self.over.set()
        return None

    def answered(self, failure):
        if failure is not None:
            self.failure = failure
            self.over.set()

    def peak_memory_bytes(self):
        """The most that was resident so far."""
        # The answer to the call that starts it may come later than its first request.
        while not hasattr(self, "process"):
            time.sleep(0.0001)
        status = pathlib.Path("/proc", str(self.process.pid), "status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What takes time for all functions alike is no matter, but a delay by the network's own rules is.
    disable_nagle_algorithm = True

    def parse_request(self):
        # Its first line has just arrived.
        self.arrived_at = time.perf_counter_ns()
        return super().parse_request()

    def do_GET(self):
        event = self.server.start.asked(self.arrived_at) if self.path == NEXT else None
        if event is None:
            # It is about to be ended.
            self.close_connection = True
            return
        self.send_response(200)
        deadline = int((time.time() + PATIENCE_SECONDS) * 1000)
        arn = "arn:aws:lambda:us-east-1:123456789012:function:measured"
        self.answer(event, {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": str(uuid.uuid4()),
            "lambda-runtime-deadline-ms": str(deadline),
            "lambda-runtime-invoked-function-arn": arn,
        })

    def do_POST(self):
        length = self.headers["content-length"]
        text = self.rfile.read(int(length)).decode() if length else self.rest_in_chunks()
        self.server.start.answered(text if self.path.endswith("/error") else None)
        self.send_response(202)
        self.answer(b"", {})

    def rest_in_chunks(self):
        text = b""
        while size := int(self.rfile.readline(), 16):
            text += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return text.decode()

    def answer(self, content, headers):
        for name, value in (headers | {"content-length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass
