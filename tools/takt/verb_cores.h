/* verb_cores: the parts of `takt cores`. */
#pragma once

#include "tools/host/stage.h"
#include "tools/takt/verb.h"
#include "tools/takt/verb_host.h"

struct verb_cores {
    struct verb_host where;
    const char *output, *journal;
    const char *data_dir; /* move, workers: of the running node */
    const char *words[2]; /* behind the first: ROLE, CPU */
    bool system, dry_run;
    bool as_json;
    struct host host;
    struct config config;
    struct plan plan;
};

extern const struct verb_page verb_cores_page;

/* Each does one word of `takt cores` and returns its exit code. The machine is read, and the plan
 * made, before apply and check. */
int verb_cores_apply(struct verb_cores *cores);
int verb_cores_check(struct verb_cores *cores);
int verb_cores_undo(struct verb_cores *cores);
int verb_cores_workers(struct verb_cores *cores);
int verb_cores_move(struct verb_cores *cores);
