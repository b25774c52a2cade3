# SPDX-License-Identifier: ISC
"""Web servers that behave and misbehave, with an authority of their own.

One server with as many names as wanted: what it does with a request is said
by host name. It counts what it was asked.
"""
import http.server
import os
import socket
import ssl
import subprocess
import threading
import time

from world import add_address


def run(*args):
    subprocess.run(args, check=True, capture_output=True)


class Authority:
    def __init__(self, directory, name="Test authority"):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.pem, self.key = os.path.join(directory, "ca.pem"), os.path.join(directory, "ca.key")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem)

    def certificate(self, name, names, cn=None, days=10):
        """(chain and key) in one file. names: of the subjectAltName; may be empty; days < 0: it is over."""
        path = os.path.join(self.dir, name)
        with open(path + ".ext", "w") as f:
            f.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n" if names else "basicConstraints=CA:FALSE\n")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={cn or name}", "-keyout", path + ".key", "-out", path + ".csr")
        run("openssl", "x509", "-req", "-in", path + ".csr", "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial",
            "-days", str(days), "-extfile", path + ".ext", "-out", path + ".crt")
        with open(path + ".pem", "w") as f:
            f.write(open(path + ".crt").read() + open(path + ".key").read())
        return path + ".pem"


class Page:
    """What a host says. `seconds`: between the octets of the body, or before the reply when there is none."""

    def __init__(self, body=b"", status=200, type="text/plain", headers=(), seconds=0, certificate=None):
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.type, self.headers, self.seconds = status, type, headers, seconds
        self.certificate = certificate


class Web:
    def __init__(self, address, certificate, port=443):
        add_address(address)
        self.address, self.default = address, certificate
        self.pages, self.asked, self.posted = {}, [], []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self):
                host = self.headers.get("Host", "").split(":")[0]
                web.asked.append((host, self.command, self.path))
                page = web.pages.get(host)
                if page is None:
                    self.send_error(404)
                    return
                if page.seconds and not page.body:
                    time.sleep(page.seconds)
                self.send_response(page.status)
                for name, value in page.headers:
                    self.send_header(name, value)
                if page.type:
                    self.send_header("Content-Type", page.type)
                self.send_header("Content-Length", str(len(page.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                if page.seconds:
                    for octet in page.body:
                        self.wfile.write(bytes([octet]))
                        time.sleep(page.seconds)
                else:
                    self.wfile.write(page.body)

            def do_GET(self):
                self.answer()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                web.posted.append((self.headers.get("Host", ""), self.path, dict(self.headers), body))
                self.answer()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client):
                request.settimeout(60)
                try:
                    Handler(web._tls(request), client, self)
                except OSError:
                    pass

            def handle_error(self, request, client):
                pass

        self.server = Server((address, port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def _context(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context

    def _tls(self, sock):
        def choose(connection, name, _):
            page = self.pages.get(name)
            if page is not None and page.certificate is not None:
                connection.context = self._context(page.certificate)
        context = self._context(self.default)
        context.sni_callback = choose
        return context.wrap_socket(sock, server_side=True)

    def count(self, host):
        return sum(1 for asked in self.asked if asked[0] == host)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


def silent(address, port=443):
    """A socket that takes connections and says nothing."""
    add_address(address)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(20)
    return s
