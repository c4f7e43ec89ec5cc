/* verb: what the verbs of `takt` have in common: their table, their help page, colours, exit codes.
 * stdout is for answers, stderr for talk. */
#pragma once

#include "tools/takt/opts.h"

#include <stdbool.h>

enum verb_exit {
    VERB_OK = 0,
    VERB_FAILED = 1, /* the question was fine, the answer is no */
    VERB_USAGE = 2,  /* the command line makes no sense; the message says why */
};

struct verb {
    const char *name;
    const char *line;                  /* one line for `takt --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the verb's name; returns a verb_exit */
};

/* One page of help. */
struct verb_page {
    const char *usage;    /* "takt ready [options]" */
    const char *about;    /* a paragraph */
    const char *examples; /* lines, each indented by two blanks */
};

#define VERB_GO_ON (-1)

/* verb_begin parses argv[1..argc): answers --help on stdout, and complains on stderr. Returns
 * VERB_GO_ON with the other words in argv[1..1 + *rest_count), or the exit code to return. */
MUST_USE int verb_begin(const struct verb_page *page, const struct opts_item *items, int argc,
                        char **argv, int *rest_count);

/* verb_usage complains about the command line and points at --help; returns VERB_USAGE. */
int verb_usage(const struct verb_page *page, const char *format, ...) PRINTF_LIKE(2, 3);

/* The escape for a colour ("1;32") when `to` is a terminal and NO_COLOR is not set, else "". */
const char *verb_tint(FILE *to, const char *code);

int verb_ready(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_member(int argc, char **argv);
int verb_sh(int argc, char **argv);
int verb_bench(int argc, char **argv);
int verb_cores(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_jitter(int argc, char **argv);
int verb_nic(int argc, char **argv);
int verb_log(int argc, char **argv);
int verb_snapshot(int argc, char **argv);
int verb_top(int argc, char **argv);
int verb_trace(int argc, char **argv);
int verb_latency(int argc, char **argv);
