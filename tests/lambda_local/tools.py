"""Installs cargo-lambda and the SAM command line, pinned, where `cargo clean` removes them again."""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
# cargo-lambda links by zig, and it is zig that decides which version of the C library is needed when none is named.
CARGO_LAMBDA = {"cargo-lambda": "1.9.2", "ziglang": "0.17.1"}
# The emulator's names for the machines that Lambda has, by Python's.
EMULATORS = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}


class CannotInstall(Exception):
    """The machine has not what is needed; this is no fault of the project."""


class Tools:
    """What was installed."""

    def __init__(self, target_folder):
        machine = platform.machine()
        if sys.platform != "linux" or machine not in EMULATORS:
            raise CannotInstall(f"the emulator is a program for Linux, not for {sys.platform} {machine}")
        folder = pathlib.Path(target_folder, "ci")
        folder.mkdir(parents=True, exist_ok=True)
        # The same as that of `.ci/run`.
        sam = folder / "sam-venv"
        install(sam, {"aws-sam-cli": sam_version()})
        cargo_lambda = folder / "cargo-lambda-venv"
        install(cargo_lambda, CARGO_LAMBDA)
        # Has the YAML of `template.yaml` as SAM reads it.
        self.sam_python = sam / "bin" / "python"
        # The SAM command line carries the emulator to put it into the containers that it starts.
        found = list(sam.glob(f"lib/python*/site-packages/samcli/local/rapid/{EMULATORS[machine]}"))
        if len(found) != 1:
            raise CannotInstall(f"aws-sam-cli has no {EMULATORS[machine]}")
        self.emulator = found[0]
        self.emulator.chmod(self.emulator.stat().st_mode | 0o111)
        # `cargo lambda` is cargo-lambda in the path.
        self.environment = os.environ | {"PATH": f"{cargo_lambda / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def sam_version():
    """The version that `.ci/run` validates the template with."""
    return re.search(r"SAM_CLI_VERSION=(\S+)", REPOSITORY.joinpath(".ci", "run").read_text())[1]


def install(environment, packages):
    """Makes a virtual environment with exactly these versions, if it is not there."""
    if is_installed(environment, packages):
        return
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", environment], capture_output=True)
    if made.returncode != 0:
        raise CannotInstall("python3 cannot make a virtual environment with pip")
    pinned = [f"{name}=={version}" for name, version in packages.items()]
    pip = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *pinned]
    # What pip says is no part of what this script says.
    if subprocess.run(pip, stdout=sys.stderr).returncode != 0:
        names = " and ".join(pinned)
        raise CannotInstall(f"{names} cannot be installed: no package registry, or this Python is too old")


def is_installed(environment, packages):
    look = """
import importlib.metadata, json, sys
sys.exit(any(importlib.metadata.version(name) != version for name, version in json.loads(sys.argv[1]).items()))
"""
    try:
        command = [environment / "bin" / "python", "-c", look, json.dumps(packages)]
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
