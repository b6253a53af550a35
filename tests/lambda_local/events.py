"""The sample events of `tests/events`, and requests made of them."""

import json

from .checks import CheckFailed
from .tools import REPOSITORY


def sample(name):
    """A sample, as it is in its file."""
    return REPOSITORY.joinpath("tests", "events", f"{name}.json").read_bytes()


def request(method, path, key, body=None):
    """A request as API Gateway hands it over: that of the sample, with another method, path, key and body."""
    event = json.loads(sample("api-gateway-create-job"))
    path, _, query = path.partition("?")
    event |= {"rawPath": path, "rawQueryString": query}
    event["requestContext"]["http"] |= {"method": method, "path": path}
    event["headers"]["x-api-key"] = key
    del event["body"]
    text = None if body is None else json.dumps(body)
    event["headers"]["content-length"] = str(len((text or "").encode()))
    if text is None:
        del event["headers"]["content-type"]
    else:
        event["body"] = text
    return json.dumps(event).encode()


class Api:
    """The job API, each call of it an invocation of its function."""

    def __init__(self, function, cloud):
        self.function = function
        self.base, self.key = cloud.workspace, cloud.description["apiKey"]

    def call(self, method, path, body=None):
        """Answers with the status and the document."""
        answer = self.function.answer(request(method, self.base + path, self.key, body))
        return answer["statusCode"], json.loads(answer.get("body") or "null")

    def ok(self, method, path, body=None):
        status, document = self.call(method, path, body)
        if status not in (200, 201, 202, 204):
            raise CheckFailed(f"{method} {path} is answered with {status}: {json.dumps(document)}")
        return document
