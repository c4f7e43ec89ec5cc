/* sh_write: the shell's commands that change the tree; sh_table.c says what each does. */
#pragma once

#include "tools/takt/acltext.h"
#include "tools/takt/sh.h"

/* A create as its words ask for it: the same for the command and inside a multi. */
struct sh_create {
    int32_t op, flags; /* ZK_OP_CREATE, .._CONTAINER or .._TTL; ZK_CREATE_* */
    int64_t ttl_ms;
    struct bytes path, data;
    struct zkwire_acl acl[ACL_COUNT_MAX];
    uint32_t acl_count;
};

/* sh_write_parse_create reads args of "secpt:". Pure. Returns 0 or ERR_* with a sentence. */
MUST_USE int sh_write_parse_create(const struct sh_args *args, struct sh_create *create,
                                   struct fault *fault);
/* The bytes that its record needs, at most; and the record. */
size_t sh_write_create_size(const struct sh_create *create);
void sh_write_put_create(struct jute_out *out, const struct sh_create *create);

MUST_USE int sh_write_create(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_write_set(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_write_rm(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_write_set_acl(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_write_reconfig(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_write_add_auth(struct sh *sh, const struct sh_args *args);
