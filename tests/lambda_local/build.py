"""Builds the functions as they are deployed, and the `sundial` command."""

import json
import pathlib
import subprocess

from .checks import CheckFailed
from .tools import REPOSITORY

FUNCTIONS = ["job-api", "schedule-evaluator", "payload-executor"]
HELLO_WORLD = "hello-world"
ECHO_TARGET = "echo-target"


def target_folder():
    """Where cargo builds to, whoever has said so."""
    asked = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    answer = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True)
    if answer.returncode != 0:
        raise CheckFailed(f"cargo metadata: {answer.stderr}")
    return json.loads(answer.stdout)["target_directory"]


def build_bootstraps(tools, folder):
    """Builds the functions and what is run beside them, and says where each is.

    As `sam build` does for each function: `cargo lambda build --release --bin {name}`, for the architecture of this
    machine. It names no version of the C library, so this does not either, and `binaries.py` looks at what came of it.
    All at once, so that cargo compiles what they share once.
    """
    names = [*FUNCTIONS, HELLO_WORLD, ECHO_TARGET]
    command = ["cargo", "lambda", "build", "--release"] + [word for name in names for word in ("--bin", name)]
    run(command, tools.environment)
    return {name: pathlib.Path(folder, "lambda", name, "bootstrap") for name in names}


def build_sundial(tools, folder):
    """Builds the command line, for its embedded DynamoDB, S3 and event bus."""
    run(["cargo", "build", "--workspace", "--bin", "sundial"], tools.environment)
    return pathlib.Path(folder, "debug", "sundial")


def run(command, environment):
    print("$ " + " ".join(command), flush=True)
    status = subprocess.run(command, cwd=REPOSITORY, env=environment).returncode
    if status != 0:
        raise CheckFailed(f"{' '.join(command)} exits with {status}")
