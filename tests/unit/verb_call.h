/* verb_call: calls a verb of `takt` as a user's shell would, and keeps what it said. One thread. */
#pragma once

#include "tools/takt/verb.h"

#define VERB_CALL_WORDS_MAX 12
#define VERB_CALL_SAID_SIZE (1 << 18)

/* What the last call wrote to stdout and stderr, ended by a zero byte; what is too much is left
 * out. */
extern char verb_call_said[VERB_CALL_SAID_SIZE];

/* verb_call runs a verb with the words that follow, ended by NULL; the first is the verb's name.
 * Assumes at most VERB_CALL_WORDS_MAX words. Returns the verb's exit code. */
int verb_call(int (*verb)(int argc, char **argv), ...);
