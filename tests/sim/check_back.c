#include "tests/sim/check_back.h"

#include "base/zk.h"

#include <stdio.h>

const char *check_back_reply(struct check_back *check, bool owed, int32_t first, int32_t xid,
                             int64_t zxid)
{
    static char text[120];

    if (xid != ZK_XID_PING && (!owed || xid != first)) {
        snprintf(text, sizeof(text), "got the reply of xid %d, and %d is next", xid,
                 owed ? first : 0);
        return text;
    }
    if (zxid < check->zxid) {
        snprintf(text, sizeof(text), "zxid went back from %llx to %llx",
                 (unsigned long long)check->zxid, (unsigned long long)zxid);
        return text;
    }
    check->zxid = zxid;
    return NULL;
}
