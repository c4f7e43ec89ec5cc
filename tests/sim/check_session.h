/* check_session: a session lives as long as it should, and its ephemerals as long as it does.
 *
 *   OPEN ──────────── heard, heard ──────────────── EXPIRE or close
 *   └─ ephemerals may be seen, from here ... ────── to here, and at no later zxid
 *
 * A leader may expire a session only when it has been in office for the session's whole timeout;
 * and once everything is mended, not while its client is heard. Fed with what is committed, in
 * order; knows nothing of the tree but the owners that readers are shown. */
#pragma once

#include "base/messages.h"

#include <stdbool.h>
#include <stdint.h>

#define CHECK_SESSION_COUNT 16384u /* ids in one run, open addressing */

struct check_session_life {
    int64_t id;
    int64_t opened_zxid, ended_zxid; /* ended_zxid 0: it lives */
    int32_t timeout_ms,
        timeout_ms_before; /* a re-attach changes it; the leader may learn it late */
    uint64_t attached_ns; /* when an attach of it was last seen; 0 = never */
    bool again;            /* the id was another session's before */
    uint64_t heard_ns;
};

struct check_session {
    struct check_session_life *lives;
    uint32_t count;
    uint64_t calm_ns; /* since when every link is whole; 0: not yet */
};

/* What is known of a committed command: when the leader of its term came into office (0: unknown),
 * and when it was committed. True time. */
struct check_session_when {
    uint64_t leader_since_ns, now_ns;
};

void check_session_init(struct check_session *check);
void check_session_fini(struct check_session *check);

/* check_session_entry takes a committed command, the session it opened or ended, whether it did
 * (effect), and its zxid. Returns NULL, or what is wrong. */
const char *check_session_entry(struct check_session *check, const struct command *command,
                                int64_t session, bool effect, int64_t zxid,
                                struct check_session_when when);

/* check_session_heard: a node has answered what the client of the session sent at sent_ns. */
void check_session_heard(struct check_session *check, int64_t session, uint64_t sent_ns);

/* check_session_owner: an ephemeral of that session is seen at zxid. Returns NULL, or what is
 * wrong. */
const char *check_session_owner(const struct check_session *check, int64_t session, int64_t zxid);
