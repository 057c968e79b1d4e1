"""Starts the program under test as one server on ports of its own, for the scripts in tests/."""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def free_ports(n):
    """n loopback ports that were free a moment ago, for TCP and UDP."""
    out = []
    while len(out) < n:
        port = random.randrange(24000, 32000)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(('127.0.0.1', port))
        except OSError:
            continue
        if port not in out:
            out.append(port)
    return out


class Server:
    """A server with a data directory that outlives restarts; a context manager that cleans up."""

    def __init__(self, binary, config=None, under=None):
        self.binary = os.path.abspath(binary)
        self.dir = tempfile.mkdtemp(prefix='rollcall-', dir=under)
        self.data = os.path.join(self.dir, 'data')
        self.log_path = os.path.join(self.dir, 'log')
        http_port, dns_port, server_port = free_ports(3)
        self.http_port, self.dns_port = http_port, dns_port
        self.config = {'ports': {'http': http_port, 'dns': dns_port, 'server': server_port,
                                 'grpc': -1, 'https': -1}}
        self.config.update(config or {})
        self.proc = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, env=None):
        path = os.path.join(self.dir, 'agent.json')
        with open(path, 'w') as f:
            json.dump(self.config, f)
        with open(self.log_path, 'ab') as log:
            self.proc = subprocess.Popen(
                [self.binary, 'agent', '-server', '-bootstrap-expect=1', '-data-dir=' + self.data,
                 '-node=node1', '-bind=127.0.0.1', '-client=127.0.0.1', '-config-file=' + path],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=dict(os.environ, **(env or {})))
        self.wait_ready()

    def wait_ready(self, limit=30.0):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise RuntimeError('the server ended at start:\n' + self.log())
            try:
                status, body, _ = self.call('GET', '/v1/status/leader', timeout=2)
                if status == 200 and body not in (b'', b'""'):
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError('the server did not become ready:\n' + self.log())

    def call(self, method, path, body=None, timeout=15, conn=None):
        """One request; returns (status, body, headers)."""
        own = conn is None
        if own:
            conn = http.client.HTTPConnection('127.0.0.1', self.http_port, timeout=timeout)
        try:
            data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
            conn.request(method, path, data)
            r = conn.getresponse()
            return r.status, r.read(), dict(r.getheaders())
        finally:
            if own:
                conn.close()

    def kill(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait()

    def stop(self, limit=20):
        """Ask it to end; returns its exit status."""
        if self.proc is None or self.proc.poll() is not None:
            return self.proc.returncode if self.proc else None
        self.proc.send_signal(signal.SIGTERM)
        try:
            return self.proc.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            return 'hung'

    def log(self):
        try:
            with open(self.log_path, errors='replace') as f:
                return f.read()[-6000:]
        except OSError:
            return ''
