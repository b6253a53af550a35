"""Lets `sundial dev` call a target, deliver to a sink and notify of a run's end, and verifies each of these requests
by the Python library of Standard Webhooks: with the secrets that were shown, after their rotation as well."""

import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PAYLOADS = 3
PATIENCE_SECONDS = 60


class Receiver(BaseHTTPRequestHandler):
    """Takes everything, and keeps it as it came."""

    received = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.received.append((self.path, headers, body))
        answer = b'{"result": 1}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def is_signed_by(secret, headers, body):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def wait_for(what, look):
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"waited in vain for {what}")


class Api:
    def __init__(self, description):
        self.base = f"{description['apiUrl']}/v1/workspaces/{description['workspaceId']}/projects/signed"
        self.key = description["apiKey"]

    def call(self, method, path, document=None):
        headers = {"x-api-key": self.key, "content-type": "application/json"}
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(self.base + path, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())


def run_and_verify(api, secrets, foreign):
    """Runs the job, and verifies every request by each of the secrets that must have signed it."""
    before = len(Receiver.received)
    api.call("POST", "/jobs/job/trigger")
    wanted = 2 * PAYLOADS + 1
    wait_for(f"{wanted} requests", lambda: len(Receiver.received) >= before + wanted)
    kinds = {"/target/echo": 0, "/sink": 0, "/told": 0}
    for path, headers, body in Receiver.received[before:]:
        kinds[path] += 1
        own = secrets["calls" if path == "/target/echo" else "webhooks"]
        others = secrets["webhooks" if path == "/target/echo" else "calls"]
        for secret in own:
            assert is_signed_by(secret, headers, body), f"{path}: a secret that is valid did not sign"
            tampered = body.replace(b"{", b"{ ", 1)
            assert not is_signed_by(secret, headers, tampered), f"{path}: the body can be changed"
            moved = headers | {"webhook-id": headers["webhook-id"] + "x"}
            assert not is_signed_by(secret, moved, body), f"{path}: the id can be changed"
        for secret in others + foreign:
            assert not is_signed_by(secret, headers, body), f"{path}: signed by another secret"
    assert kinds == {"/target/echo": PAYLOADS, "/sink": PAYLOADS, "/told": 1}, kinds
    return wanted


def main(sundial):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sundial, "dev", "--port", "0", "--data-dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            file = pathlib.Path(folder) / "dev.json"
            wait_for("dev.json", file.exists)
            api = Api(wait_for("its text", lambda: json.loads(file.read_text() or "null")))
            target = {"type": "http", "baseUrl": f"{place}/target"}
            project = api.call("PUT", "", {"target": target})
            api.call("POST", "/jobs", {
                "id": "job",
                "payload": [{"apiName": "echo", "parameters": {"n": n, "text": "ä"}} for n in range(PAYLOADS)],
                "sink": {"type": "webhook", "url": f"{place}/sink"},
                "notifications": [{"type": "webhook", "url": f"{place}/told"}],
            })
            secrets = {"calls": [project["signingSecret"]], "webhooks": [project["webhookSecret"]]}
            verified = run_and_verify(api, secrets, [])
            # Whoever has one of them is content: the new one, or the one before.
            for name, kind in (("signing-secret", "calls"), ("webhook-secret", "webhooks")):
                secrets[kind].insert(0, api.call("POST", f"/{name}/rotate")["secret"])
            foreign = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
            verified += run_and_verify(api, secrets, foreign)
            print(f"{verified} requests are signed as they should be, {PAYLOADS * 2 + 1} of them by two secrets")
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
