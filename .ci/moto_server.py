"""moto's server at a free port of this machine, one request at a time. Prints its address first.

moto answers requests on many threads, and keeps no order between them: a transaction copies the table, writes item by
item where everybody sees it, and puts the copy back when a condition does not hold, which undoes what others have
written meanwhile. One at a time, a transaction of moto is what AWS documents.

moto also makes that copy once for each write of a transaction, item by item. Nothing that Sundial sends changes an item
in place, so a copy of the table that shares them is as good, and costs less than a transaction's time limit.
"""

from collections import defaultdict
from threading import Lock

from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def copy_sharing_items(table, _):
    """The table, with the same items; unlike others that are made, moto does not keep it for good."""
    copied = object.__new__(type(table))
    copied.__dict__.update(table.__dict__)
    copied.items = defaultdict(dict, {key: dict(items) for key, items in table.items.items()})
    return copied


def one_at_a_time(application):
    """The application, which carries out one request at a time."""
    lock = Lock()

    def carry_out(environment, start_response):
        with lock:
            return list(application(environment, start_response))

    return carry_out


class SilentHandler(MotoRequestHandler):
    """Logs no requests."""

    def log_request(self, *_):
        """Nothing."""


Table.__deepcopy__ = copy_sharing_items
application = one_at_a_time(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=SilentHandler)
print(f"http://127.0.0.1:{server.port}", flush=True)
server.serve_forever()
