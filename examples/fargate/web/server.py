"""The service: says hello over HTTP, on port 8080."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    """Answers every path, the load balancer's check among them."""

    def do_GET(self) -> None:
        """Say hello."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Hello\n")


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Hello).serve_forever()
