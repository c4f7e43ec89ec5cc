/* verb_snapshot: what the files of `takt snapshot` share. */
#pragma once

#include "tools/takt/verb.h"

/* `takt snapshot diff`, as the command line has it. */
struct verb_snapshot_diff {
    uint64_t limit;
    bool all, as_json;
};

/* verb_snapshot_diff compares two files or directories and prints. Returns VERB_OK when they are
 * the same, VERB_FAILED when they differ, VERB_USAGE when one cannot be read or found. */
int verb_snapshot_diff(const struct verb_snapshot_diff *options, const char *a, const char *b);

/* verb_snapshot_split cuts the path of a file into directory and name, in place, or leaves *name
 * NULL for a directory. False: there is no such thing. */
bool verb_snapshot_split(char *path, const char **dir, const char **name);
