"""The processes that were started: each has a log, and none outlives this one."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from .checks import CheckFailed

# How long a process may take to end of itself.
END_SECONDS = 5


class Processes:
    """Starts processes; when it is left, in whatever way, they are ended."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.terminate()
        until = time.monotonic() + END_SECONDS
        for process in self.running.values():
            try:
                process.wait(max(until - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                pass
            # The emulator makes a process group of its own for its function, but no session.
            for member in members_of_session(process.pid):
                kill(member)
            process.wait()

    def start(self, name, command, environment):
        with open(self.log_path(name), "wb") as log:
            self.running[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def check_runs(self, name):
        status = self.running[name].poll()
        if status is not None:
            raise CheckFailed(f"{name} has ended by itself, with {status}")

    def log_path(self, name):
        return self.folder / f"{name}.log"

    def log(self, name):
        return self.log_path(name).read_text(errors="replace")

    def print_logs(self):
        for name in self.running:
            print(f"\n---- the log of {name}\n{self.log(name)}", flush=True)


def members_of_session(leader):
    """The processes of a session whose leader we have started, and not waited for since or only just now."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            # "{pid} ({name}) {state} {parent} {group} {session} …", and the name may have anything in it.
            fields = folder.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            yield int(folder.name)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
