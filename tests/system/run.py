#!/usr/bin/python3
"""Runs the system tests: real server processes, real clients. TAP on stdout.

usage: tests/system/run.py [--target takt|zookeeper] [--port-kind kernel|dpdk] [--only TEXT[,TEXT]...]
                           [--build DIR] [--set KEY=VALUE]... [--list] [FILE...]
  FILE      names of files here (test_wire or wire); all when none is given
  --only    tests whose function name holds a TEXT
  --set     one more setting for each server
"""
import argparse
import sys

import harness


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='*')
    parser.add_argument('--target', choices=['takt', 'zookeeper'], default='takt')
    parser.add_argument('--port-kind', choices=['kernel', 'dpdk'], default='kernel')
    parser.add_argument('--only', default='')
    parser.add_argument('--build', default='build')
    parser.add_argument('--set', action='append', default=[])
    parser.add_argument('--list', action='store_true')
    args = parser.parse_args()
    names = [f.rsplit('/', 1)[-1].replace('.py', '') for f in args.files]
    tests = [f for f in harness.load_tests(names) if any(text in f.__name__ for text in args.only.split(','))]
    if args.list:
        for function in tests:
            print(function.__module__, function.__name__)
        return 0
    if args.port_kind == 'dpdk':
        try:
            harness.need_dpdk(args.build)
            harness.prepare(names)
            harness.enter_namespace()
        except harness.Skip as why:
            print('ok - system tests on the dpdk port # SKIP %s\n1..1' % why)
            return 0
    elif any(harness.wants_namespace(f) for f in tests):
        try:
            harness.enter_namespace()
        except harness.Skip:
            pass    # on loopback addresses then; the tests that cut cables skip
    harness.DEFAULTS.update(setting.split('=', 1) for setting in args.set)
    suite = harness.Suite(args.target, args.port_kind, args.build)
    try:
        for function in tests:
            suite.run(function)
    finally:
        code = suite.finish()
    print('1..%d' % (suite.passed + suite.failed + suite.skipped))
    return code


if __name__ == '__main__':
    sys.exit(main())
