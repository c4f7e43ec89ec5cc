#!/usr/bin/env python3
"""Runs meson suites and says each single test as TAP.

usage: tests/meson_tap.py BUILD_DIR SUITE...

meson counts a cmocka program as one test; here every test function counts. A program that
crashed, hung or ended with an error adds a failed line of its own.
"""
import json
import re
import subprocess
import sys

RESULT = re.compile(r'^(not ok|ok)\b\s*\d*\s*-?\s*(.*)$')


def tap_of(program):
    """The TAP lines of one meson test (a dict of testlog.json)."""
    name = program['name'].split(' / ')[-1]
    result = program['result']
    if result == 'FAIL' and program.get('returncode') == 0 and '# SKIP' in (program.get('stdout') or ''):
        result = 'OK'       # meson reads cmocka's way of skipping as a failure
    out = program.get('stdout') or ''
    single = [RESULT.match(line) for line in out.splitlines()]
    # cmocka 1.1 writes a skipped test as `not ok N # SKIP name`.
    single = [('ok' if '# SKIP' in m.group(2) else m.group(1), m.group(2)) for m in single if m]
    lines = ['%s - %s: %s' % (verdict, name, text) for verdict, text in single]
    if result == 'SKIP' and not lines:
        lines.append('ok - %s # SKIP by the program' % name)
    elif result in ('OK', 'EXPECTEDFAIL') and not lines:
        lines.append('ok - %s' % name)
    elif result not in ('OK', 'SKIP', 'EXPECTEDFAIL') and not any(v == 'not ok' for v, _ in single):
        lines.append('not ok - %s: meson says %s, exit code %s'
                     % (name, result, program.get('returncode')))
    if any(line.startswith('not ok') for line in lines):
        for line in (out + '\n' + (program.get('stderr') or '')).splitlines()[-60:]:
            lines.append('# ' + line)
    return lines


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    build, suites = sys.argv[1], sys.argv[2:]
    base = 'suite-' + '-'.join(suites)
    command = ['meson', 'test', '-C', build, '--no-rebuild', '--logbase', base, '--num-processes', '2']
    if build != 'build':        # a sanitizer's build: several times slower
        command += ['--timeout-multiplier', '5']
    for suite in suites:
        command += ['--suite', suite]
    # meson's own verdict is not asked for: it takes a skipped cmocka test for a failed one.
    subprocess.run(command, stdout=sys.stderr, stderr=sys.stderr)
    failed = False
    with open('%s/meson-logs/%s.json' % (build, base)) as log:
        for line in log:
            for said in tap_of(json.loads(line)):
                failed |= said.startswith('not ok')
                print(said)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
