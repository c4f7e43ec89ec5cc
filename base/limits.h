/* limits: the bounds that more than one module must agree on, each with the arithmetic behind it.
 * A bound that only one file needs stays in that file. What happens at a bound is said where the
 * bound is enforced; every one has a test that reaches it. */
#pragma once

#include "base/check.h"

/* ---- packets ---- */
/* jute.maxbuffer of the reference: the largest packet a client may send, in bytes. */
#define LIMIT_PACKET_SIZE_DEFAULT 0xFFFFF
/* The most the configuration may raise it to: a request, its command header and its log record fit
 * in one batch of the log tail (4 MiB, consensus/log_tail.h). The links that carry requests are
 * made deep enough for the largest that is configured (tools/taktd/topology.c). */
#define LIMIT_PACKET_SIZE_MAX ((4 << 20) - 8192)

/* ---- sessions ---- */
/* What the configuration may allow at most. */
#define LIMIT_SESSION_COUNT_MAX (1 << 24)
/* Packed identities of one session (store/acl.h): about 60 digest identities of 64 bytes. */
#define LIMIT_IDENTITIES_SIZE 4096

/* Requests of a native session that may be in flight, and so its answers that are recorded; a power
 * of two. The largest answer that is recorded, bytes: a multi of 53 sets answers 4090. So a session
 * keeps at most 16 * 4096 bytes of answers, and 16 * 85 when it sets or creates. */
#define LIMIT_SESSION_ONCE_COUNT 16
#define LIMIT_SESSION_ONCE_SIZE  4096

/* ---- ACLs ---- */
/* Entries of one ACL after `auth` is expanded, and its packed size: 200 digest entries of 40 bytes.
 * De-duplication compares each pair of entries, 200 * 200 / 2 short compares, under 1 ms; and each
 * change of a node carries its ACL and its parent's to every NET. More is an invalid ACL. */
#define LIMIT_ACL_ENTRY_COUNT 200
#define LIMIT_ACL_SIZE        (8 << 10)
/* Distinct ACLs a node keeps at a time: 2^20 slots of 24 bytes of address space. */
#define LIMIT_ACL_COUNT_DEFAULT (1 << 20)

/* ---- multi ---- */
/* Paths and ACLs of all changes that one multi may tell: it needs 22 bytes a change, so the largest
 * request with the largest ACLs could ask for 3 GB. More is refused whole, ZK_SYSTEM_ERROR. */
#define LIMIT_CHANGES_SIZE (32 << 20)

static_assert(LIMIT_ACL_SIZE >= LIMIT_IDENTITIES_SIZE, "an expanded `auth` entry must fit");
