/* check_beat: what a native session is promised (dataplane/beat/PROTOCOL.md): its requests are
 * carried out in the order of their numbers; what it is answered is what was committed for that
 * number, however often it was sent; reads are those of their zxid; events come in order, and
 * before the data that they tell of. That each number takes effect once is check_once's. */
#pragma once

#include "tests/sim/sim_log.h"
#include "tools/libtakt/takt.h"

#define CHECK_BEAT_SESSIONS 4096u /* ids in one run, open addressing */

struct check_beat {
    struct check_beat_life {
        int64_t session;
        uint64_t last; /* the highest number that took effect */
    } lives[CHECK_BEAT_SESSIONS];
};

/* check_beat_entry takes the command of a committed entry, and whether it took effect, as the model
 * says: that nodes did the same is check_log_done's. Returns NULL, or what is wrong. */
const char *check_beat_entry(struct check_beat *check, const struct command *command, bool effect);

/* check_beat_final: does the state machine alone answer so, of what it carried out or could not? */
bool check_beat_final(int32_t error);

/* check_beat_write: the answer to number `sequence` of a session. Returns NULL, or what is wrong.
 * Answers that leave open whether it was carried out are right. */
const char *check_beat_write(const struct sim_log *log, int64_t session, uint64_t sequence,
                             const struct takt_answer *answer);

/* check_beat_read: the answer to a read of path's data. */
const char *check_beat_read(const struct sim_log *log, const char *path,
                            const struct takt_answer *answer);

/* The watch of one path. */
struct check_beat_watch {
    bool armed;
    int64_t zxid; /* of the read that set it; not armed: of its last event */
};

/* check_beat_event: an event has come, behind that of zxid `before`. */
const char *check_beat_event(const struct sim_log *log, const struct takt_event *event,
                             int64_t before);

/* check_beat_seen: data of path is seen at zxid, and the watch is still armed. */
const char *check_beat_seen(const struct sim_log *log, const struct check_beat_watch *watch,
                            const char *path, int64_t zxid);
