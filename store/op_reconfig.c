/* reconfig, as a standalone server answers it (zk_protocol.md section 7): it has no membership to
 * change, so a request that passes the switch and the session ends with -6. */
#include "store/op.h"

#include "base/check.h"

bool op_reconfig_decode(struct jute_in *in, struct op_request *r)
{
    CHECK(r->op == ZK_OP_RECONFIG);
    jute_get_bytes(in); /* joining */
    jute_get_bytes(in); /* leaving */
    jute_get_bytes(in); /* new members */
    jute_get_long(in);  /* the configuration it is based on */
    return !in->bad;
}

int32_t op_reconfig_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    CHECK(r->op == ZK_OP_RECONFIG);
    CHECK(out != NULL);
    if (!op->m->config.reconfig_enabled)
        return ZK_RECONFIG_DISABLED;
    return op->session ? ZK_UNIMPLEMENTED : ZK_SESSION_EXPIRED;
}
