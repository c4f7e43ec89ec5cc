/* verb_member: what the files of `takt member` share. */
#pragma once

#include "base/membership.h"
#include "tools/takt/zkclient.h"

struct verb_member {
    struct zkclient client;
    bool as_json, replace, lists;
    const char *addresses, *auth; /* of the command line; auth may be NULL */
    uint32_t timeout_ms, ask_ms;  /* of a request of a session; of a word of four letters */
    struct membership_server joins; /* of add */
    uint32_t id;                  /* of remove, promote, demote, transfer */
    struct membership servers;    /* as /zookeeper/config has them */
    int64_t version;
};

/* verb_member_list prints the servers and, of each that answers, how it stands. Returns a
 * verb_exit: VERB_FAILED when somebody does not answer. */
int verb_member_list(const struct verb_member *member);

/* verb_member_list_none says on stderr of each address of the command line why it could not show
 * the servers; `why` of one that is not a takt node. Returns VERB_FAILED. */
int verb_member_list_none(const struct verb_member *member, const char *why);
