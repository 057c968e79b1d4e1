"""What the cases of the benchmark stand on: the server, the load generator, and rows of the table."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from server import Server                                      # noqa: E402

MIB = 1 << 20
TICKS = os.sysconf('SC_CLK_TCK')


class Wrong(Exception):
    """The server, or a tool, did not do what the case needs."""


class Durable(Server):
    """Ready means: has accepted a write. How long that took is start_ms."""

    def start(self, env=None):
        begin = time.monotonic()
        super().start(env)
        self.start_ms = (time.monotonic() - begin) * 1e3

    def wait_ready(self, limit=30.0):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise Wrong('the server ended at start:\n' + self.log())
            try:
                if self.call('PUT', '/v1/kv/first', b'1', timeout=2)[:2] == (200, b'true'):
                    return
            except OSError:
                pass
            time.sleep(0.001)
        raise Wrong('the server accepted no write:\n' + self.log())

    @property
    def pid(self):
        return self.proc.pid

    def get(self, path):
        """The decoded body of a GET that must succeed."""
        status, body, _ = self.call('GET', path)
        if status != 200:
            raise Wrong(f'GET {path}: status {status}: {body[:200]!r}')
        return json.loads(body)

    def register(self, body, conn=None):
        """catalog/register; it must succeed."""
        status, text, _ = self.call('PUT', '/v1/catalog/register', body, conn=conn)
        if (status, text) != (200, b'true'):
            raise Wrong(f'catalog/register: status {status}: {text[:200]!r}')

    def length(self, path, entries):
        """The length of the body at path, which must have so many entries."""
        status, body, _ = self.call('GET', path)
        found = len(json.loads(body)) if status == 200 else None
        if found != entries:
            raise Wrong(f'GET {path}: status {status}, {found} entries, wanted {entries}')
        return len(body)

    def rss(self):
        """(all resident memory, the part of it that is not the mapped database), in bytes."""
        found = {}
        with open(f'/proc/{self.pid}/status') as f:
            for line in f:
                name, _, value = line.partition(':')
                if name in ('VmRSS', 'RssAnon'):
                    found[name] = int(value.split()[0]) * 1024
        return found['VmRSS'], found['RssAnon']


def cpu_s(*pids):
    """CPU time of processes, user and system."""
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat') as f:
            fields = f.read().rpartition(')')[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Bench:
    """The means to measure: what to run, where, for how long."""

    def __init__(self, binary, folder, quick):
        self.binary, self.folder, self.quick = binary, folder, quick
        self.generator = os.environ.get('BENCH_LOAD') or os.path.join(
            os.path.dirname(binary), 'bench-load')
        self.seconds, self.warm = (1.0, 0.3) if quick else (5.0, 1.0)
        for tool in (self.binary, self.generator):
            if not os.access(tool, os.X_OK):
                raise SystemExit(f'{tool} is not there; `make bench` builds it')

    def server(self, config=None):
        return Durable(self.binary, config, under=self.folder)

    def load(self, mode, *args):
        """Run the generator to its end; its result as a dictionary."""
        cmd = [self.generator, mode] + [str(a) for a in args]
        done = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300)
        if done.returncode != 0:
            raise Wrong(f'{" ".join(cmd)}: {done.stderr}')
        return json.loads(done.stdout.splitlines()[-1])

    def timed(self):
        return ('-w', self.warm, '-d', self.seconds)

    def http(self, server, connections, target, *args, method='GET', body=None):
        extra = ('-b', body) if body is not None else ()
        return self.load('http', '-a', server.http_port, '-p', server.pid, '-c', connections,
                         '-m', method, '-u', target, *extra, *self.timed(), *args)

    def seed(self, server, count, target, body, want):
        """Send count writes, numbered from 0; each must be answered with want."""
        done = self.load('http', '-a', server.http_port, '-c', 32, '-n', count, '-m', 'PUT',
                         '-u', target, '-b', body, '-e', want)
        if done['errors'] or done['ops'] != count:
            raise Wrong(f'PUT {target}: {done["ops"]} of {count} done, {done["errors"]} errors: '
                        f'{done["error"]}')
        return done

    def tool(self, mode, *args):
        return Tool([self.generator, mode] + [str(a) for a in args])


class Tool:
    """A generator that runs beside: ends with its input, at the latest with the context."""

    def __init__(self, cmd):
        self.proc = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()                    # does nothing when it has ended
        self.proc.stdin.close()
        self.proc.stdout.close()
        self.proc.wait()

    def line(self):
        return self.proc.stdout.readline().strip()

    def ask(self):
        self.proc.stdin.write('\n')
        self.proc.stdin.flush()
        return self.line()

    def finish(self):
        self.proc.stdin.close()
        return json.loads(self.line())


def micro(us):
    """A time in microseconds, for people."""
    if us is None or us < 0:
        return '–'
    return f'{us / 1e3:.1f} ms' if us >= 10000 else f'{us:.0f} µs' if us >= 100 else f'{us:.1f} µs'


class Row:
    """One line of the table. value is compared with the bound in the target: '≥ 30,000 /s'."""

    def __init__(self, name, target, value=None, figure=None, p50=None, p99=None, cpu=None,
                 rss=None, wrong=''):
        self.name, self.target, self.value = name, target, value
        self.figure, self.p50, self.p99, self.cpu, self.rss = figure, p50, p99, cpu, rss
        self.wrong = wrong
        self.others = None          # share of the machine that other programs took

    @classmethod
    def of(cls, name, target, result, server=None):
        """From a result of the generator: the value is the rate."""
        wrong = ''
        if result['errors'] or not result['ops']:
            wrong = f'{result["errors"]} errors, the first: {result["error"]}'
        return cls(name, target, value=result['rate'],
                   figure=f'{result["rate"]:,.0f} /s' + (' FAIL' if wrong else ''),
                   p50=micro(result['p50_us']), p99=micro(result['p99_us']),
                   cpu=micro(result['cpu_us']), rss=server and server.rss(), wrong=wrong)

    def met(self):
        words = self.target.split()
        if self.wrong or self.value is None or not words or words[0] not in '≥≤':
            return ''
        bound = float(words[1].replace(',', '').replace('−', '-'))
        good = self.value >= bound if words[0] == '≥' else self.value <= bound
        return 'yes' if good else 'no'

    def cells(self):
        rss = f'{self.rss[0] / MIB:.1f} ({self.rss[1] / MIB:.1f} anon) MiB' if self.rss else '–'
        return (self.name, self.figure or '–', self.p50 or '–', self.p99 or '–', self.cpu or '–',
                rss, self.target or '–', self.met(),
                '–' if self.others is None else f'{self.others:.0%}')
