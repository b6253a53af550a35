"""HTTP servers of this script, on a thread of their own, for as long as it runs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(answer):
    """Answers POST requests by `answer(path, headers, body)`, which gives back status, headers and document."""

    class Handler(BaseHTTPRequestHandler):
        # Connections stay open, as those of real servers do.
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers, document = answer(self.path, self.headers, body)
            content = json.dumps(document).encode()
            self.send_response(status)
            own = {"content-type": "application/json", "content-length": str(len(content))}
            for name, value in (own | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
