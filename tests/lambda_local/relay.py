"""The rules of the bus: what the functions put on it is handed to the functions, each event as it was written."""

import json
import threading
import time

# Which events go to which function; those of no rule are only read.
RULES = {"Schedule Changed": "schedule-evaluator", "Work Ready": "payload-executor"}


class Relay:
    """Reads the bus. What is for a function that is held back waits until it is released."""

    def __init__(self, path, functions):
        self.path, self.functions = path, functions
        self.held = {}
        # Every event that was on the bus, in its order.
        self.events = []
        self.lock = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def hold_back(self, *names):
        with self.lock:
            for name in names:
                self.held.setdefault(name, [])

    def release(self, name):
        with self.lock:
            for line in self.held.pop(name, []):
                self.functions[name].send(line)

    def read(self):
        rest, place = b"", 0
        while True:
            if self.path.exists():
                with open(self.path, "rb") as file:
                    file.seek(place)
                    new = file.read()
                place += len(new)
                *lines, rest = (rest + new).split(b"\n")
                for line in lines:
                    self.hand_over(line)
            time.sleep(0.02)

    def hand_over(self, line):
        event = json.loads(line)
        with self.lock:
            self.events.append(event)
            name = RULES.get(event["detail-type"])
            if name in self.held:
                self.held[name].append(line)
            elif name is not None:
                self.functions[name].send(line)

    def seen(self, detail_type, **detail):
        """The events of a kind whose detail has these values."""
        with self.lock:
            return [
                event
                for event in self.events
                if event["detail-type"] == detail_type
                and all(event["detail"].get(name) == value for name, value in detail.items())
            ]
