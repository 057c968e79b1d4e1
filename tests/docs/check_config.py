#!/usr/bin/env python3
"""docs/configuration.md names every configuration key and flag, and no other.  check_config.py [BIN]

Compares the page with the tables in cli/config_keys.c (key, effect, type) and cli/agent.c (flag, key).
With BIN, a rollcall program, the examples marked for it and deploy/examples are also put through
`validate`. On the page a block begins with `<!-- keys: EFFECT -->` or `<!-- flags -->` and ends with
`<!-- end -->`; its keys are what stands in backticks, in tables only in the first cell."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
TYPES = {'STRING': 'string', 'BOOL': 'bool', 'INT': 'int', 'DURATION': 'duration', 'SECONDS': 'seconds',
         'STRINGS': 'strings', 'MAP': 'map', 'TTLS': 'durations', 'SERVICES': 'service', 'CHECKS': 'check'}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding='utf-8') as f:
        return f.read()


def code_keys():
    """{effect: {key: type}} of the table in the code; objects are left out."""
    out = {'USED': {}, 'QUIET': {}, 'LATER': {}, 'REFUSED': {}}
    for effect, key, rest in re.findall(r'^    (USED|QUIET|LATER|REFUSED)\("([^"]+)",\s*(\w*)',
                                        read('cli', 'config_keys.c'), re.M):
        out[effect][key] = rest
    return out


def code_flags():
    """{flag: key} of the agent's flags that stand for keys."""
    return dict(re.findall(r'X\("([^"]+)", "([^"]+)",', read('cli', 'agent.c')))


def block(page, name):
    found = re.search(rf'<!-- {re.escape(name)} -->\n(.*?)<!-- end -->', page, re.S)
    return found.group(1) if found else ''


def rows(text):
    """The cells of each table row that has a name in backticks first."""
    return [[c.strip() for c in line.strip().strip('|').split('|')]
            for line in text.splitlines() if line.startswith('| `')]


def page_keys(page, effect):
    text = block(page, f'keys: {effect}')
    cells = rows(text)
    return re.findall(r'`([^`]+)`', '\n'.join(r[0] for r in cells) if cells else text)


def compare(what, code, page):
    """Complaints about two lists of names that must be the same."""
    wrong = [f'{what} {n} is missing in docs/configuration.md' for n in sorted(set(code) - set(page))]
    wrong += [f'{what} {n} is in docs/configuration.md only' for n in sorted(set(page) - set(code))]
    wrong += [f'{what} {n} is twice in docs/configuration.md'
              for n in sorted(n for n in set(page) if page.count(n) > 1)]
    return wrong


def check_types(page, used):
    documented = {r[0].strip('`'): r[1] for r in rows(block(page, 'keys: USED'))}
    return [f'key {k}: the type is {TYPES[t]}, not {documented[k]}'
            for k, t in sorted(used.items()) if k in documented and documented[k] != TYPES[t]]


def check_flags(page, flags):
    documented = {r[0].strip('`').lstrip('-'): r[1].strip('`') for r in rows(block(page, 'flags'))}
    wrong = compare('flag', list(flags), list(documented))
    return wrong + [f'flag -{f} sets {k}, not {documented[f]}' for f, k in sorted(flags.items())
                    if f in documented and documented[f] != k]


def validate(binary, paths):
    run = subprocess.run([binary, 'validate', '-quiet', *paths], capture_output=True, text=True)
    return [] if run.returncode == 0 else [run.stderr.strip()]


def check_examples(page, binary):
    """(number of examples, complaints)."""
    found = re.findall(r'<!-- validate -->\n```json\n(.*?)```', page, re.S)
    wrong = []
    for text in found:
        with tempfile.NamedTemporaryFile('w', suffix='.json') as f:
            f.write(text)
            f.flush()
            wrong += validate(binary, [f.name])
    examples = os.path.join(ROOT, 'deploy', 'examples')
    server = os.path.join(examples, 'server.json')
    wrong += validate(binary, [server])
    wrong += validate(binary, [server, os.path.join(examples, 'dns.json')])
    return len(found) + 2, wrong


def main():
    page = read('docs', 'configuration.md')
    keys, flags = code_keys(), code_flags()
    total = sum(len(k) for k in keys.values()) + len(flags)
    if not keys['USED'] or not flags:
        print('FAIL the tables in the code were not found\n0 passed, 1 failed')
        return 1
    wrong = check_types(page, keys['USED']) + check_flags(page, flags)
    for effect, code in keys.items():
        wrong += compare(f'{effect} key', list(code), page_keys(page, effect))
    if len(sys.argv) > 1:
        n, bad = check_examples(page, os.path.abspath(sys.argv[1]))
        total += n
        wrong += bad
    for w in wrong:
        print('FAIL ' + w)
    print(f'{max(0, total - len(wrong))} passed, {len(wrong)} failed')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
