/* check_member: who decides. Voters change by way of a joint membership only, and what is committed
 * is held by a majority of those who decide about it.
 *
 *   entry      ...   40 joint: 1 2 3 ▶ 2 3 4    41      42: 2 3 4     43 ...
 *   held by    1 2 3     both majorities        2 3 4    2 3 4        2 3 4
 *
 * Who holds what is what nodes have acknowledged; a node that led when an entry was made, or later,
 * is taken to hold it. Both are kept for ever, so it never blames what is right. */
#pragma once

#include "base/membership.h"

#define CHECK_MEMBER_NODES 8

struct check_member {
    bool begun, joint;
    uint32_t now, next; /* voters, a set of node indexes: id - 1 */
    bool both;          /* the last entry shown is the joint one */
    uint64_t acked[CHECK_MEMBER_NODES];
    uint64_t changes;
};

/* check_member_entry takes a committed membership, in order. Returns NULL, or what is wrong. */
const char *check_member_entry(struct check_member *check, const struct membership_body *body);

/* check_member_acked: the node says that it holds the entries up to index. */
void check_member_acked(struct check_member *check, uint32_t node, uint64_t index);

/* check_member_shown: an entry is applied somewhere for the first time; call it behind
 * check_member_entry. led: a set of nodes that led then or later. Returns NULL, or what is wrong.
 */
const char *check_member_shown(struct check_member *check, uint64_t index, uint32_t led);
