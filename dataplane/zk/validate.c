#include "dataplane/zk/validate.h"

#include "base/zk.h"

#define VALIDATE_ACL_SIZE_MIN 12 /* perms and two empty strings */

static void validate_acl(struct jute_in *in)
{
    int32_t count = jute_get_count(in, VALIDATE_ACL_SIZE_MIN);
    for (int32_t i = 0; i < count && !in->bad; i++) {
        jute_get_int(in);
        jute_get_bytes(in);
        jute_get_bytes(in);
    }
}

static void validate_create(struct jute_in *in)
{
    jute_get_bytes(in);
    jute_get_bytes(in);
    validate_acl(in);
    jute_get_int(in);
}

bool validate_record(int32_t op, struct bytes body)
{
    struct jute_in in = jute_in(body.at, (size_t)body.size);
    switch (op) {
    case ZK_OP_CREATE:
    case ZK_OP_CREATE2:
    case ZK_OP_CREATE_CONTAINER: validate_create(&in); break;
    case ZK_OP_CREATE_TTL:
        validate_create(&in);
        jute_get_long(&in);
        break;
    case ZK_OP_DELETE:
        jute_get_bytes(&in);
        jute_get_int(&in);
        break;
    case ZK_OP_SET_DATA:
        jute_get_bytes(&in);
        jute_get_bytes(&in);
        jute_get_int(&in);
        break;
    case ZK_OP_SET_ACL:
        jute_get_bytes(&in);
        validate_acl(&in);
        jute_get_int(&in);
        break;
    case ZK_OP_SYNC:
        if (jute_get_bytes(&in).size < 0)
            return false;
        break;
    case ZK_OP_GET_EPHEMERALS: jute_get_bytes(&in); break;
    case ZK_OP_RECONFIG:
        jute_get_bytes(&in);
        jute_get_bytes(&in);
        jute_get_bytes(&in);
        jute_get_long(&in);
        break;
    default: break; /* multi, closeSession */
    }
    return !in.bad;
}
