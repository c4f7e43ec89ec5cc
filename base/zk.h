/* zk: the numbers of the ZooKeeper wire protocol that more than one layer speaks.
 * Source: zk_protocol.md sections 4-7, 12-14, 18 (facts of Apache ZooKeeper 3.9.5). */
#pragma once

#include <stdint.h>

enum zk_op {
    ZK_OP_CLOSE_SESSION = -11,
    ZK_OP_CREATE_SESSION = -10,
    ZK_OP_ERROR = -1, /* marker inside multi only */
    ZK_OP_CREATE = 1,
    ZK_OP_DELETE = 2,
    ZK_OP_EXISTS = 3,
    ZK_OP_GET_DATA = 4,
    ZK_OP_SET_DATA = 5,
    ZK_OP_GET_ACL = 6,
    ZK_OP_SET_ACL = 7,
    ZK_OP_GET_CHILDREN = 8,
    ZK_OP_SYNC = 9,
    ZK_OP_PING = 11,
    ZK_OP_GET_CHILDREN2 = 12,
    ZK_OP_CHECK = 13,
    ZK_OP_MULTI = 14,
    ZK_OP_CREATE2 = 15,
    ZK_OP_RECONFIG = 16,
    ZK_OP_CHECK_WATCHES = 17,
    ZK_OP_REMOVE_WATCHES = 18,
    ZK_OP_CREATE_CONTAINER = 19,
    ZK_OP_DELETE_CONTAINER = 20,
    ZK_OP_CREATE_TTL = 21,
    ZK_OP_MULTI_READ = 22,
    ZK_OP_AUTH = 100,
    ZK_OP_SET_WATCHES = 101,
    ZK_OP_SASL = 102,
    ZK_OP_GET_EPHEMERALS = 103,
    ZK_OP_GET_ALL_CHILDREN_NUMBER = 104,
    ZK_OP_SET_WATCHES2 = 105,
    ZK_OP_ADD_WATCH = 106,
    ZK_OP_WHO_AM_I = 107,
};

/* What a client is told. Never mixed with base/err.h. */
enum zk_error {
    ZK_OK = 0,
    ZK_SYSTEM_ERROR = -1,
    ZK_RUNTIME_INCONSISTENCY = -2,
    ZK_MARSHALLING_ERROR = -5,
    ZK_UNIMPLEMENTED = -6,
    ZK_BAD_ARGUMENTS = -8,
    ZK_NEW_CONFIG_NO_QUORUM = -13,
    ZK_RECONFIG_IN_PROGRESS = -14,
    ZK_NO_NODE = -101,
    ZK_NO_AUTH = -102,
    ZK_BAD_VERSION = -103,
    ZK_NO_CHILDREN_FOR_EPHEMERALS = -108,
    ZK_NODE_EXISTS = -110,
    ZK_NOT_EMPTY = -111,
    ZK_SESSION_EXPIRED = -112,
    ZK_INVALID_ACL = -114,
    ZK_AUTH_FAILED = -115,
    ZK_SESSION_MOVED = -118,
    ZK_NOT_READ_ONLY = -119,
    ZK_NO_WATCHER = -121,
    ZK_REQUEST_TIMEOUT = -122,
    ZK_RECONFIG_DISABLED = -123,
    ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH = -124,
    ZK_QUOTA_EXCEEDED = -125,
    ZK_THROTTLED_OP = -127,
};

enum zk_xid {
    ZK_XID_NOTIFICATION = -1,
    ZK_XID_PING = -2,
    ZK_XID_AUTH = -4,
    ZK_XID_SET_WATCHES = -8,
};

enum zk_perm {
    ZK_PERM_READ = 1,
    ZK_PERM_WRITE = 2,
    ZK_PERM_CREATE = 4,
    ZK_PERM_DELETE = 8,
    ZK_PERM_ADMIN = 16,
    ZK_PERM_ALL = 31,
};

enum zk_create_flag {
    ZK_CREATE_PERSISTENT = 0,
    ZK_CREATE_EPHEMERAL = 1,
    ZK_CREATE_PERSISTENT_SEQUENTIAL = 2,
    ZK_CREATE_EPHEMERAL_SEQUENTIAL = 3,
    ZK_CREATE_CONTAINER = 4,
    ZK_CREATE_TTL = 5,
    ZK_CREATE_TTL_SEQUENTIAL = 6,
};

enum zk_event {
    ZK_EVENT_CREATED = 1,
    ZK_EVENT_DELETED = 2,
    ZK_EVENT_DATA_CHANGED = 3,
    ZK_EVENT_CHILDREN_CHANGED = 4,
};

enum zk_watcher_type {
    ZK_WATCHER_CHILDREN = 1,
    ZK_WATCHER_DATA = 2,
    ZK_WATCHER_ANY = 3,
    ZK_WATCHER_PERSISTENT = 4,
    ZK_WATCHER_PERSISTENT_RECURSIVE = 5,
};

#define ZK_STATE_SYNC_CONNECTED 3
#define ZK_STAT_SIZE            68 /* bytes of a Stat on the wire */
#define ZK_PASSWORD_SIZE        16

/* Stored ephemeralOwner marks (zk_protocol.md section 18). On the wire both read as 0. */
#define ZK_OWNER_CONTAINER INT64_MIN
#define ZK_OWNER_TTL_TOP   0xFF00000000000000ull
#define ZK_TTL_MS_MAX      0xFFFFFFFFFFll /* inclusive; 1 is the least */

struct zk_stat {
    int64_t czxid, mzxid, ctime_ms, mtime_ms;
    int32_t version, cversion, aversion;
    int64_t ephemeral_owner;
    int32_t data_length, num_children;
    int64_t pzxid;
};

/* zk_op_name gives the lower-case name of an opcode ("create2"), or NULL when there is none. */
const char *zk_op_name(int32_t op);

/* zk_error_name gives the name of a wire code ("NoNode"), or "Unknown". */
const char *zk_error_name(int32_t error);
