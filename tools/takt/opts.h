/* opts: one table describes a verb's options; parsing and the help text both come from it, so they
 * cannot differ. Pure but for opts_help, which prints. One call at a time. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdint.h>
#include <stdio.h>

enum opts_kind {
    OPTS_FLAG,   /* bool: present or not */
    OPTS_STRING, /* const char *: borrows argv */
    OPTS_NUMBER, /* uint64_t in [min, max]; suffixes k, M, G are powers of 1000 */
    OPTS_REAL,   /* double in [min, max] */
    OPTS_CHOICE, /* const char *: one of the words of `choices`, separated by | */
    OPTS_SERVERS, /* const char *: HOST:PORT, or several with commas between (address.h) */
    OPTS_CPUS,    /* const char *: a list of cpus that is not empty, such as 2-5,8 */
};

struct opts_item {
    const char *name; /* without the dashes; NULL ends the table */
    char letter;      /* 0 when there is no short form */
    enum opts_kind kind;
    void *into;          /* keeps its value when the option is absent: that is the default */
    const char *arg;     /* how help calls the value; NULL for a flag */
    const char *help;    /* one sentence */
    uint64_t min, max;   /* for OPTS_NUMBER and OPTS_REAL; max 0 means no upper bound */
    const char *choices; /* for OPTS_CHOICE */
};

/* opts_parse reads argv[0..argc) into the table's places. Words that are no options are moved, in
 * order, to the front of argv and counted in *rest_count; "--" ends the options. Returns 0, or
 * ERR_CONFIG with a sentence that names the option, the value and what is allowed.
 * Borrows argv for as long as the places are used. */
MUST_USE int opts_parse(const struct opts_item *items, int argc, char **argv, int *rest_count,
                        struct fault *fault);

/* opts_number reads a whole text such as "64", "10k", "1M" into *value, a count in [min, max] (max
 * 0: no bound). Returns 0, ERR_MALFORMED, or ERR_RANGE; *value is written only on success. */
MUST_USE int opts_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* opts_help prints one line or two for each option, with its default. */
void opts_help(const struct opts_item *items, FILE *to);
