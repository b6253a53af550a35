"""A job whose target is a function: it is invoked through Lambda's API, and what goes wrong has its code and is tried
again."""

from .checks import holds, same, wait_for
from .lambda_endpoint import THROTTLED_ONCE

ARN = "arn:aws:lambda:us-east-1:123456789012:function:echo-target"
# What the function does is in `tests/lambda-bootstraps`. Payload, status, and how each failed attempt has ended.
CASES = [
    ({"apiName": "echo", "parameters": {"n": 0}}, "SUCCEEDED", []),
    ({"apiName": "echo", "parameters": {"failUntilAttempt": 2}}, "SUCCEEDED", ["function-error"]),
    ({"apiName": THROTTLED_ONCE, "parameters": {"n": 2}}, "SUCCEEDED", ["throttled"]),
    # Lambda kills it, and says so.
    ({"apiName": "echo", "parameters": {"hangUntilAttempt": 2}}, "SUCCEEDED", ["timeout"]),
    ({"apiName": "echo", "parameters": {"failUntilAttempt": 4}}, "FAILED", ["function-error"] * 3),
]


# As Lambda sets it for the target function.
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "echo-target",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    # Soon, because a payload waits for it.
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "2",
}


def allowance(workspace_id):
    """What lets a workspace have the function as a target."""
    return {"SUNDIAL_TARGET_FUNCTIONS": f"{workspace_id}={ARN}"}


def tell(api, relay, target, services):
    """Needs the allowance, and the relay to hold nothing back."""
    document = {"type": "lambda", "functionArn": ARN, "qualifier": "live"}
    project = api.ok("PUT", "/projects/by-function", {"target": document})
    same(project["target"], document, "the target")
    other = document | {"functionArn": f"{ARN}-of-somebody-else"}
    status, problem = api.call("PUT", "/projects/closed", {"target": other})
    same((status, problem["errors"][0]["pointer"]), (400, "/target/functionArn"), "a function that is not allowed")

    api.ok("POST", "/projects/by-function/jobs", {
        "id": "job",
        "payload": [payload for payload, _, _ in CASES],
        "configuration": {
            # The emulator has one instance of the function.
            "maxConcurrentRequests": 1,
            "retry": {"maximumAttempts": 3, "initialInterval": "200ms"},
        },
        "sink": {"type": "webhook", "url": f"{services.url}/sink/by-function"},
    })
    job_run = api.ok("POST", "/projects/by-function/jobs/job/trigger")["id"]
    path = f"/projects/by-function/jobs/job/runs/{job_run}"

    def is_over():
        run = api.ok("GET", path)
        return run if run["status"] in ("COMPLETED", "FAILED") and run["deliveries"]["pending"] == 0 else None

    run = wait_for("the end of the run by the function", is_over)
    same((run["status"], run["deliveries"]["delivered"]), ("COMPLETED", len(CASES)), "the end of the run")
    for index, (payload, status, codes) in enumerate(CASES):
        found = api.ok("GET", f"{path}/payloads/{index}")
        same(found["status"], status, f"payload {index}")
        attempts = len(codes) + (1 if status == "SUCCEEDED" else 0)
        same(found["attempts"], attempts, f"the attempts of payload {index}")
        failed = [it["error"]["code"] for it in found.get("failedAttempts", [])]
        same(failed, codes, f"the failed attempts of payload {index}")
        if status == "SUCCEEDED":
            result = {"api": payload["apiName"], "echo": payload["parameters"], "attempt": attempts}
            same(found["result"], result, f"the result of payload {index}")
        else:
            same(found["error"]["code"], codes[-1], f"the error of payload {index}")
    holds(any(it.is_timeout for it in target.outcomes), "the function was never killed for its time")
    same(len(services.deliveries_of(job_run)), len(CASES), "the deliveries")
    failed = [code for _, _, codes in CASES for code in codes]
    return (
        f"a job whose target is a function: {len(CASES)} payloads, {len(failed)} attempts of which failed as "
        f"{', '.join(sorted(set(failed)))}, and {len(CASES)} results delivered"
    )
