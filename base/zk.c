#include "base/zk.h"

#include <stddef.h>

const char *zk_op_name(int32_t op)
{
    switch (op) {
    case ZK_OP_CLOSE_SESSION: return "closeSession";
    case ZK_OP_CREATE_SESSION: return "createSession";
    case ZK_OP_CREATE: return "create";
    case ZK_OP_DELETE: return "delete";
    case ZK_OP_EXISTS: return "exists";
    case ZK_OP_GET_DATA: return "getData";
    case ZK_OP_SET_DATA: return "setData";
    case ZK_OP_GET_ACL: return "getACL";
    case ZK_OP_SET_ACL: return "setACL";
    case ZK_OP_GET_CHILDREN: return "getChildren";
    case ZK_OP_SYNC: return "sync";
    case ZK_OP_PING: return "ping";
    case ZK_OP_GET_CHILDREN2: return "getChildren2";
    case ZK_OP_CHECK: return "check";
    case ZK_OP_MULTI: return "multi";
    case ZK_OP_CREATE2: return "create2";
    case ZK_OP_RECONFIG: return "reconfig";
    case ZK_OP_CHECK_WATCHES: return "checkWatches";
    case ZK_OP_REMOVE_WATCHES: return "removeWatches";
    case ZK_OP_CREATE_CONTAINER: return "createContainer";
    case ZK_OP_DELETE_CONTAINER: return "deleteContainer";
    case ZK_OP_CREATE_TTL: return "createTTL";
    case ZK_OP_MULTI_READ: return "multiRead";
    case ZK_OP_AUTH: return "auth";
    case ZK_OP_SET_WATCHES: return "setWatches";
    case ZK_OP_SASL: return "sasl";
    case ZK_OP_GET_EPHEMERALS: return "getEphemerals";
    case ZK_OP_GET_ALL_CHILDREN_NUMBER: return "getAllChildrenNumber";
    case ZK_OP_SET_WATCHES2: return "setWatches2";
    case ZK_OP_ADD_WATCH: return "addWatch";
    case ZK_OP_WHO_AM_I: return "whoAmI";
    default: return NULL;
    }
}

const char *zk_error_name(int32_t error)
{
    switch (error) {
    case ZK_OK: return "Ok";
    case ZK_SYSTEM_ERROR: return "SystemError";
    case ZK_RUNTIME_INCONSISTENCY: return "RuntimeInconsistency";
    case ZK_MARSHALLING_ERROR: return "MarshallingError";
    case ZK_UNIMPLEMENTED: return "Unimplemented";
    case ZK_BAD_ARGUMENTS: return "BadArguments";
    case ZK_NEW_CONFIG_NO_QUORUM: return "NewConfigNoQuorum";
    case ZK_RECONFIG_IN_PROGRESS: return "ReconfigInProgress";
    case ZK_NO_NODE: return "NoNode";
    case ZK_NO_AUTH: return "NoAuth";
    case ZK_BAD_VERSION: return "BadVersion";
    case ZK_NO_CHILDREN_FOR_EPHEMERALS: return "NoChildrenForEphemerals";
    case ZK_NODE_EXISTS: return "NodeExists";
    case ZK_NOT_EMPTY: return "NotEmpty";
    case ZK_SESSION_EXPIRED: return "SessionExpired";
    case ZK_INVALID_ACL: return "InvalidACL";
    case ZK_AUTH_FAILED: return "AuthFailed";
    case ZK_SESSION_MOVED: return "SessionMoved";
    case ZK_NOT_READ_ONLY: return "NotReadOnly";
    case ZK_NO_WATCHER: return "NoWatcher";
    case ZK_REQUEST_TIMEOUT: return "RequestTimeout";
    case ZK_RECONFIG_DISABLED: return "ReconfigDisabled";
    case ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH: return "SessionClosedRequireSaslAuth";
    case ZK_QUOTA_EXCEEDED: return "QuotaExceeded";
    case ZK_THROTTLED_OP: return "ThrottledOp";
    default: return "Unknown";
    }
}
