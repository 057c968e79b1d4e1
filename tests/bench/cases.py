"""The cases of the benchmark, in the order of DESIGN's table. A case is a function from the bench to
its rows; the decorator gives it its name and the target that the table states."""
import http.client
import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from kit import MIB, Row, Wrong, cpu_s, micro
from server import free_ports

CASES = []
KEYS = 10000
VALUE = 'x' * 248 + '{n}'            # 256 bytes, never the same twice


@dataclass
class Case:
    name: str
    target: str
    measure: Callable


def case(name, target=''):
    def add(f):
        CASES.append(Case(name, target, lambda bench: f(bench, name, target)))
        return f
    return add


def registration(n, tag='v1', name='web'):
    """Instance n of a service as catalog/register takes it: ten to a node, each with its address."""
    return {'Node': f'host-{n // 10}', 'Address': f'10.0.{n // 2500}.{n // 10 % 250 + 1}',
            'Service': {'ID': f'{name}-{n}', 'Service': name, 'Port': 8080, 'Tags': [tag],
                        'Address': f'10.1.{n // 250}.{n % 250 + 1}', 'Meta': {'zone': 'a'}},
            'Check': {'CheckID': f'{name}-{n}', 'Name': 'alive', 'Status': 'passing',
                      'ServiceID': f'{name}-{n}'}}


def instances(server, count):
    """Register count passing instances of the service "web"."""
    conn = http.client.HTTPConnection('127.0.0.1', server.http_port, timeout=10)
    for n in range(count):
        server.register(registration(n), conn)
    conn.close()


# What this machine can do: to compare runs by.

@case('ref-disk', '(reference)')
def ref_disk(bench, name, target):
    r = bench.load('disk', bench.folder, '-d', bench.seconds)
    return [Row.of(name, target, r)]


@case('ref-nginx', '(reference)')
def ref_nginx(bench, name, target):
    """nginx `return 200`, where it is installed."""
    nginx = shutil.which('nginx') or shutil.which('nginx', path='/usr/sbin')
    if nginx is None:
        return [Row(name, target, figure='not installed')]
    port, = free_ports(1)
    conf = os.path.join(bench.folder, 'nginx.conf')
    with open(conf, 'w') as f:
        f.write(f'daemon off; worker_processes auto; pid {bench.folder}/nginx.pid;\n'
                'events {} http { access_log off; keepalive_requests 1000000000;\n'
                f'server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 "true"; }}'
                ' } }\n')
    proc = subprocess.Popen([nginx, '-e', f'{bench.folder}/nginx.log', '-c', conf],
                            stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        with open(f'/proc/{proc.pid}/task/{proc.pid}/children') as f:
            workers = f.read().split()
        before = cpu_s(*workers)
        r = bench.load('http', '-a', port, '-c', 32, '-u', '/', '-e', 'true', '-w', 0,
                       '-d', bench.seconds)
        r['cpu_us'] = (cpu_s(*workers) - before) * 1e6 / max(r['ops'], 1)
        return [Row.of(name, target, r)]
    finally:
        proc.terminate()
        proc.wait()


@case('ref-generator', '(reference)')
def ref_generator(bench, name, target):
    """The generator against its own smallest server: no figure below can be higher."""
    port, = free_ports(1)
    with bench.tool('serve', '-a', port) as other_end:
        other_end.ask()
        r = bench.load('http', '-a', port, '-c', 32, '-u', '/', '-e', 'ok', '-p',
                       other_end.proc.pid, *bench.timed())
        return [Row.of(name, target, r)]


@case('start', '≤ 100 ms')
def start(bench, name, target):
    """From exec to the first accepted write, with a new data directory; p99 is the worst."""
    took = []
    for _ in range(3 if bench.quick else 9):
        with bench.server() as s:
            took.append(s.start_ms)
            rss = s.rss()
    middle = statistics.median(took)
    return [Row(name, target, value=middle, figure=f'{middle:.0f} ms', p50=f'{middle:.0f} ms',
                p99=f'{max(took):.0f} ms', rss=rss)]


@case('idle-memory', '≤ 12 MiB')
def idle_memory(bench, name, target):
    """Two seconds after the first write; CPU/op is the share of a core while idle."""
    with bench.server() as s:
        time.sleep(2)
        before = cpu_s(s.pid)
        time.sleep(2)
        idle = (cpu_s(s.pid) - before) / 2
        rss = s.rss()
    return [Row(name, target, value=rss[0] / MIB, figure=f'{rss[0] / MIB:.1f} MiB',
                cpu=f'{idle:.1%} of a core', rss=rss)]


def kv_put(connections, least):
    @case(f'kv-put-{connections}', f'≥ {least:,} /s')
    def measure(bench, name, target):
        with bench.server() as s:
            r = bench.http(s, connections, '/v1/kv/bench/{n%' + str(KEYS) + '}', '-e', 'true',
                           method='PUT', body=VALUE)
            return [Row.of(name, target, r, s)]


for _connections, _least in ((1, 3000), (32, 30000), (256, 60000)):
    kv_put(_connections, _least)


def kv_get(mode, query, least):
    @case(f'kv-get-{mode}', f'≥ {least:,} /s')
    def measure(bench, name, target):
        """One after the other of 10,000 keys."""
        with bench.server() as s:
            bench.seed(s, KEYS, '/v1/kv/bench/{n}', VALUE, 'true')
            r = bench.http(s, 32, '/v1/kv/bench/{n%' + str(KEYS) + '}' + query,
                           '-e', '[{"LockIndex":0,"Key":"bench/')
            return [Row.of(name, target, r, s)]


for _mode, _query, _least in (('default', '', 100000), ('stale', '?stale', 100000),
                              ('consistent', '?consistent', 80000)):
    kv_get(_mode, _query, _least)


@case('agent-register', '≥ 25,000 /s')
def agent_register(bench, name, target):
    """10,000 instances of 100 services, each time with another tag."""
    with bench.server() as s:
        r = bench.http(s, 32, '/v1/agent/service/register', '-l', 0, method='PUT',
                       body='{"ID":"web-{n%10000}","Name":"web-{n%100}","Address":"10.1.2.3",'
                            '"Port":8080,"Tags":["{n}"]}')
        return [Row.of(name, target, r, s)]


@case('catalog-register', '≥ 30,000 /s')
def catalog_register(bench, name, target):
    with bench.server() as s:
        r = bench.http(s, 32, '/v1/catalog/register', '-e', 'true', method='PUT',
                       body='{"Node":"host-{n%1000}","Address":"10.0.0.1","Service":'
                            '{"ID":"web-{n%10000}","Service":"web-{n%100}","Address":"10.1.2.3",'
                            '"Port":8080,"Tags":["{n}"]}}')
        return [Row.of(name, target, r, s)]


def health_service(count, least):
    @case(f'health-{count}', f'≥ {least:,} /s')
    def measure(bench, name, target):
        path = '/v1/health/service/web?passing'
        with bench.server() as s:
            instances(s, count)
            r = bench.http(s, 32, path, '-l', s.length(path, count))
            return [Row.of(name, target, r, s)]


for _count, _least in ((3, 90000), (100, 20000), (1000, 2000)):
    health_service(_count, _least)


@case('health-100-changing')
def health_changing(bench, name, target):
    """As health-100, but 100 times a second an instance changes: nothing stays rendered for long."""
    path = '/v1/health/service/web?passing'
    with bench.server() as s:
        instances(s, 100)
        tool = bench.tool('http', '-a', s.http_port, '-p', s.pid, '-c', 32, '-u', path,
                          *bench.timed())
        with tool:
            n = 0
            while tool.proc.poll() is None:
                s.register(registration(n % 100, tag=f'v{n}'))
                n += 1
                time.sleep(0.01)
            r = tool.finish()
        s.length(path, 100)
        return [Row.of(name, target, r, s)]


@case('catalog-services', '≥ 30,000 /s')
def catalog_services(bench, name, target):
    """300 names and the server's own."""
    path = '/v1/catalog/services'
    with bench.server() as s:
        bench.seed(s, 300, '/v1/catalog/register',
                   '{"Node":"host-1","Address":"10.0.0.1","Service":{"Service":"web-{n}",'
                   '"Port":8080,"Tags":["v1","http"]}}', 'true')
        r = bench.http(s, 32, path, '-l', s.length(path, 301))
        return [Row.of(name, target, r, s)]


def dns(kind, qtype, question, *expect, least=None):
    @case(f'dns-{kind}', f'≥ {least:,} /s' if least else '')
    def measure(bench, name, target):
        """96 queries on their way, from 16 ports. The target for CPU has a row of its own."""
        with bench.server() as s:
            instances(s, 3)
            r = bench.load('dns', '-a', s.dns_port, '-p', s.pid, '-c', 16, '-W', 6, '-q', question,
                           '-y', qtype, *expect, *bench.timed())
            rows = [Row.of(name, target, r, s)]
        if least and not rows[0].wrong:
            rows.append(Row(name + '-cpu', '≤ 12 µs', value=r['cpu_us'], cpu=micro(r['cpu_us']),
                            figure=micro(r['cpu_us'])))
        return rows


dns('srv', 33, 'web.service.consul', '-l', 3, least=100000)
dns('a', 1, 'web.service.consul', '-l', 3, least=100000)
dns('nxdomain', 1, 'none-{n}.service.consul', '-s', 3, '-l', 0)


@case('watch-8000', '≤ 80 ms')
def watch(bench, name, target):
    """The rate column holds the median over the rounds of the time from sending the change to the
    last wake; p50 and p99 are over all wakes."""
    with bench.server() as s:
        instances(s, 3)
        r = bench.load('watch', '-a', s.http_port, '-p', s.pid, '-c', 8000, '-r',
                       3 if bench.quick else 9, '-u', '/v1/health/service/web?passing',
                       '-U', '/v1/catalog/register',
                       '-b', json.dumps(registration(0, tag='{n}')))
        row = Row.of(name, target, r, s)
    row.value = r['last_ms_median']
    row.figure = f'{r["last_ms_median"]:.0f} ms' + (' FAIL' if row.wrong else '')
    return [row]


def checked_put(bench, server):
    """kv-put-32 for a short while: neighbours on a shared machine change slower than that."""
    r = bench.load('http', '-a', server.http_port, '-p', server.pid, '-c', 32, '-m', 'PUT',
                   '-u', '/v1/kv/bench/{n%' + str(KEYS) + '}', '-b', VALUE, '-e', 'true',
                   '-w', 0.2, '-d', 0.8 if bench.quick else 2)
    if r['errors']:
        raise Wrong(f'{r["errors"]} errors, the first: {r["error"]}')
    return r


@case('put-5000-watchers', '≥ −3 %')
def put_with_watchers(bench, name, target):
    """What the rate of kv-put-32 changes by when 5,000 watchers hang on other keys: the median of
    rounds of without, with, with, without, so that a drift cancels out. p50 and p99 are with them;
    RSS is while they hang."""
    without, beside, changes = [], [], []
    with bench.server() as s:
        bench.seed(s, 5000, '/v1/kv/watched/{n}', VALUE, 'true')
        bench.seed(s, KEYS, '/v1/kv/bench/{n}', VALUE, 'true')
        for _ in range(2 if bench.quick else 5):
            first = checked_put(bench, s)
            with bench.tool('hold', '-a', s.http_port, '-p', s.pid, '-c', 5000,
                            '-u', '/v1/kv/watched/{n}') as hold:
                if hold.line() != 'ready':
                    raise Wrong('the watchers did not start')
                pair = [checked_put(bench, s), checked_put(bench, s)]
                rss = s.rss()
                held = hold.finish()
            if held['errors'] or held['ops'] != 5000:
                raise Wrong(f'{held["ops"]} watchers still hang, {held["errors"]} errors: '
                            f'{held["error"]}')
            without += [first, checked_put(bench, s)]
            beside += pair
            changes.append(sum(r['rate'] for r in pair) /
                           sum(r['rate'] for r in without[-2:]) * 100 - 100)

    def middle(results, what):
        return statistics.median(r[what] for r in results)
    change = statistics.median(changes)
    return [Row(name, target, value=change, rss=rss,
                figure=f'{change:+.1f} % of {middle(without, "rate"):,.0f} /s',
                p50=micro(middle(beside, 'p50_us')), p99=micro(middle(beside, 'p99_us')),
                cpu=f'{middle(without, "cpu_us"):.1f} → {middle(beside, "cpu_us"):.1f} µs')]


@case('checks-2000', '≤ 8 %')
def checks(bench, name, target):
    """2,000 HTTP checks, each every second; the share of a core they take."""
    count, span = 2000, 4 if bench.quick else 10
    port, = free_ports(1)
    with bench.tool('serve', '-a', port) as other_end, bench.server() as s:
        other_end.ask()
        bench.seed(s, count, '/v1/agent/service/register',
                   '{"ID":"web-{n}","Name":"web-{n%100}","Address":"10.1.2.3","Port":8080,'
                   f'"Check":{{"HTTP":"http://127.0.0.1:{port}/health","Interval":"1s",'
                   '"Timeout":"1s"}}', '')
        time.sleep(3)
        first, cpu, begin = int(other_end.ask()), cpu_s(s.pid), time.monotonic()
        time.sleep(span)
        probes = int(other_end.ask()) - first
        cpu, took = cpu_s(s.pid) - cpu, time.monotonic() - begin
        passing = sum(c['ServiceID'].startswith('web-') for c in s.get('/v1/health/state/passing'))
        rss = s.rss()
    wrong = '' if passing == count else f'{passing} of {count} checks pass'
    if abs(probes / took - count) > 0.1 * count:
        wrong = f'{probes / took:.0f} probes a second, wanted {count}'
    return [Row(name, target, value=cpu / took * 100, rss=rss, wrong=wrong,
                figure=f'{cpu / took:.1%} of a core at {probes / took:,.0f} /s',
                cpu=micro(cpu * 1e6 / max(probes, 1)))]


@case('memory-10000', '≤ 60 MiB')
def memory(bench, name, target):
    """10,000 instances with a TTL check each, and 10,000 keys; the second row is after a restart."""
    rows = []
    with bench.server() as s:
        bench.seed(s, 10000, '/v1/agent/service/register',
                   '{"ID":"web-{n}","Name":"web-{n%100}","Address":"10.1.2.3","Port":8080,'
                   '"Tags":["v1"],"Check":{"TTL":"1h","Status":"passing"}}', '')
        bench.seed(s, KEYS, '/v1/kv/bench/{n}', VALUE, 'true')
        for label in (name, name + '-restarted'):
            s.length('/v1/agent/checks', 10000)
            time.sleep(1)
            rss = s.rss()
            rows.append(Row(label, target, value=rss[0] / MIB, rss=rss,
                            figure=f'{rss[0] / MIB:.1f} MiB'))
            if label == name:
                s.stop()
                s.start()
        rows[-1].p50 = f'started in {s.start_ms:.0f} ms'
    return rows
