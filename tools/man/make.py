#!/usr/bin/env python3
"""Makes the man pages takt.1, taktd.8 and takt.yaml.5 from what the programs say of themselves.

usage: tools/man/make.py [--check] [BUILD_DIR]
  --check   writes nothing; prints TAP: is each page here what would be written?
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def says(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def roff(text):
    """Text that no line of is a request, and nothing in an escape."""
    text = text.replace('\\', '\\e').replace('-', '\\-')
    return re.sub(r"(?m)^([.'])", r'\\&\1', text)


def literal(text):
    return '.nf\n%s\n.fi\n' % roff(text.strip('\n'))


def head(name, section, what):
    return ('.\\" Made by tools/man/make.py from --help: change the help, not this page.\n'
            '.TH %s %d "" takt "takt"\n.SH NAME\n%s \\- %s\n' % (name.upper(), section, roff(name), roff(what)))


def options(text):
    """Lines of "  -c, --config FILE   what"; a line further right goes on with the last."""
    page = ''
    for line in text.strip('\n').split('\n'):
        row = re.match(r' {1,8}(-.*?)(?: {2,}(.*))?$', line)
        if row:
            page += '.TP\n.B %s\n%s\n' % (roff(row.group(1)), roff(row.group(2) or ''))
        else:
            page += roff(line.strip()) + '\n'
    return page


def verb(name, text):
    usage, rest = text.split('\n\n', 1)
    about, _, rest = rest.partition('\noptions:\n')
    listed, _, examples = rest.partition('\nexamples:\n')
    page = '.SH %s\n' % roff(name.upper())
    page += literal('\n'.join(line.replace('usage: ', '', 1).strip() for line in usage.split('\n')))
    page += '.PP\n' + literal(about)
    if listed.strip():
        page += '.SS Options of takt %s\n%s' % (roff(name), options(listed))
    if examples.strip():
        page += '.SS Examples of takt %s\n%s' % (roff(name), literal(examples))
    return page


def takt_1(build):
    takt = build + '/tools/takt'
    text = says(takt, '--help')
    names = re.findall(r'(?m)^  ([a-z]+) {2,}\S', text)
    about = text.split('\n\n', 1)[1]
    page = head('takt', 1, "talks to takt nodes, and looks at the machine below them")
    page += '.SH SYNOPSIS\n.B takt\n.I VERB\n[options]\n.SH DESCRIPTION\n' + literal(about)
    for name in names:
        page += verb(name, says(takt, name, '--help'))
    return page + ('.SH EXIT STATUS\n0 fine; 1 the answer is a failure; 2 the command line makes no sense.\n'
                   '.SH SEE ALSO\n.BR taktd (8),\n.BR takt.yaml (5),\n.BR takt (3)\n')


def taktd_8(build):
    text = says(build + '/tools/taktd', '--help')
    what, usage, listed, rest = text.strip('\n').split('\n\n', 3)
    page = head('taktd', 8, what.split(': ', 1)[1].rstrip('.'))
    page += '.SH SYNOPSIS\n' + literal(usage) + '.SH OPTIONS\n' + options(listed)
    return page + ('.SH DESCRIPTION\n' + literal(rest) + '.SH EXIT STATUS\n0 stopped as asked; 1 failed; 2 the '
                   'command line or the configuration is wrong.\n'
                   '.SH SEE ALSO\n.BR takt (1),\n.BR takt.yaml (5)\n')


def takt_yaml_5(build):
    first, rest = says(build + '/tools/taktd', '--help-config').split('\n\n', 1)
    plain = re.sub(r'(?m)^# ?', '', first)
    page = head('takt.yaml', 5, 'the settings of a takt node') + '.SH DESCRIPTION\n%s\n.SH SETTINGS\n' % roff(plain)
    above, words = [], []
    for line in rest.rstrip('\n').split('\n'):
        depth = (len(line) - len(line.lstrip())) // 2
        key = re.match(r'\s*#([a-z_0-9]+):(?: (.*))?$', line)
        section = re.match(r'\s*([a-z_0-9]+):$', line)
        if section:
            above = above[:depth] + [section.group(1)]
        elif key:
            page += '.TP\n.BR %s " (%s)"\n%s\n' % (roff('.'.join(above[:depth] + [key.group(1)])),
                                                   roff((key.group(2) or '').replace('"', '\\(dq')), roff('\n'.join(words)))
            words = []
        elif line.strip():
            words.append(line.strip().lstrip('# '))
    return page + '.SH SEE ALSO\n.BR taktd (8),\n.BR takt (1)\n'


def main():
    words = [word for word in sys.argv[1:] if word != '--check']
    build, check = words[0] if words else 'build', '--check' in sys.argv
    failed = 0
    for number, (name, make) in enumerate((('takt.1', takt_1), ('taktd.8', taktd_8), ('takt.yaml.5', takt_yaml_5)), 1):
        path, text = os.path.join(HERE, name), make(build)
        if not check:
            with open(path, 'w') as file:
                file.write(text)
            continue
        with open(path) as file:
            same = file.read() == text
        failed += not same
        print('%s %d - %s is what tools/man/make.py makes of --help' % ('ok' if same else 'not ok', number, name))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
