"""Runs the functions as they are deployed: see `tests/lambda-local`."""

import argparse
import pathlib
import signal
import sys
import tempfile

from . import checks, cold_start, function_target_story
from .binaries import Binaries
from .build import ECHO_TARGET, FUNCTIONS, build_bootstraps, build_sundial, target_folder
from .cloud import Cloud
from .emulated_function import EmulatedFunction
from .events import Api
from .http_target_story import HttpTargetStory
from .lambda_endpoint import LambdaEndpoint
from .processes import Processes
from .relay import Relay
from .samples import send_samples
from .target_and_sink import TargetAndSink
from .template import Template
from .tools import CannotInstall, Tools


def main():
    description = "Runs the three functions as they are deployed."
    parser = argparse.ArgumentParser(prog="tests/lambda-local", description=description)
    parser.add_argument("--cold-start", action="store_true", help="measures their start and their memory instead")
    asked = parser.parse_args()
    # Whoever ends this script ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        folder = target_folder()
        tools = Tools(folder)
        bootstraps = build_bootstraps(tools, folder)
        binaries = Binaries(bootstraps)
        sundial = build_sundial(tools, folder)
        with tempfile.TemporaryDirectory() as temporary, Processes(temporary) as processes:
            tell = measure if asked.cold_start else tell_stories
            told = tell(tools, bootstraps, sundial, processes)
    except CannotInstall as problem:
        print(problem)
        sys.exit(3)
    except checks.CheckFailed as problem:
        sys.exit(f"FAILED: {problem}")
    print(f"\n{binaries.table}\n\n{told}")
    if binaries.problems:
        sys.exit("\n".join(["", *(f"FAILED: {problem}" for problem in binaries.problems)]))


def environments(tools, cloud, lambda_url):
    """What each function is started with: what the template says, and what is otherwise here."""
    template = Template(tools, cloud.references())
    here = cloud.environment(lambda_url) | {"SUNDIAL_ALLOWED_CIDRS": "127.0.0.0/8"}
    here |= function_target_story.allowance(cloud.description["workspaceId"])
    return {name: template.environment(name) | here for name in FUNCTIONS}


def tell_stories(tools, bootstraps, sundial, processes):
    try:
        cloud, endpoint, services = Cloud(processes, sundial, processes.folder), LambdaEndpoint(), TargetAndSink()

        def start(name, environment):
            return EmulatedFunction(processes, tools.emulator, name, bootstraps[name], environment)

        functions = {
            name: start(name, environment) for name, environment in environments(tools, cloud, endpoint.url).items()
        }
        told = [send_samples(functions)]
        relay, api = Relay(cloud.events_path, functions), Api(functions["job-api"], cloud)
        told.append(HttpTargetStory(api, functions, relay, services).tell())
        target = start(ECHO_TARGET, function_target_story.ENVIRONMENT)
        endpoint.add(function_target_story.ARN, target)
        told.append(function_target_story.tell(api, relay, target, services))
        for name, function in functions.items():
            checks.same([it.text for it in function.outcomes if it.failed], [], f"the failed invocations of {name}")
        counts = ", ".join(f"{name} {len(it.outcomes)}" for name, it in (functions | {ECHO_TARGET: target}).items())
        return "\n".join([*told, f"invocations: {counts}", f"{checks.made()} checks passed"])
    except BaseException:
        processes.print_logs()
        raise


def measure(tools, bootstraps, sundial, processes):
    cloud = Cloud(processes, sundial, pathlib.Path(processes.folder))
    # Nobody calls a function here, so that there is no Lambda.
    started_with = environments(tools, cloud, "http://127.0.0.1:1")
    return cold_start.measure(bootstraps, started_with, Api(None, cloud))


if __name__ == "__main__":
    main()
