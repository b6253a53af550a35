"""Lambda's own API, as far as it invokes functions: the emulator serves one function under one name, and says in no
header that a function has failed. This puts before it what the SDK expects.

    POST /2015-03-31/functions/{name or ARN}/invocations?Qualifier={version or alias}
"""

import json
import re
import threading
import time
import urllib.parse
import uuid

from .server import serve

INVOCATION = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
# An event for this API is refused the first time, as when all of the account's concurrency is in use.
THROTTLED_ONCE = "throttled-once"


class LambdaEndpoint:
    """Serves functions that are added by their ARN."""

    def __init__(self):
        self.functions = {}
        self.lock = threading.Lock()
        self.throttled = set()
        self.url = serve(self.answer)

    def add(self, arn, function):
        self.functions[arn] = function

    def answer(self, path, headers, body):
        called = urllib.parse.urlsplit(path)
        match = INVOCATION.fullmatch(called.path)
        name = urllib.parse.unquote(match[1]) if match else None
        found = [it for arn, it in self.functions.items() if name in (arn, arn.rpartition(":")[2])]
        if not found:
            return refusal(404, "ResourceNotFoundException", f"Function not found: {name}")
        if not headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential="):
            return refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if self.is_throttled(json.loads(body)):
            return refusal(429, "TooManyRequestsException", "Rate Exceeded.", {"retry-after": "1"})
        answer_headers = {"x-amzn-requestid": str(uuid.uuid4()), "x-amz-executed-version": "$LATEST"}
        outcome = found[0].invoke(body)
        if not outcome.failed:
            return 200, answer_headers, outcome.document
        # To Lambda an invocation has succeeded even if its function has not: the status is 200, and a header tells.
        document = outcome.document
        if outcome.is_timeout:
            document = {"errorMessage": f"{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime())} {outcome.text}"}
        return 200, answer_headers | {"x-amz-function-error": "Unhandled"}, document

    def is_throttled(self, event):
        run = event.get("context", {}).get("runId")
        with self.lock:
            if event.get("api") != THROTTLED_ONCE or run in self.throttled:
                return False
            self.throttled.add(run)
            return True


def refusal(status, kind, message, headers=None):
    return status, {"x-amzn-errortype": kind} | (headers or {}), {"Type": "User", "message": message}
