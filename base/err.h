/* err: the closed list of reasons an internal call can fail with.
 *
 * Functions that can fail return int: 0, or one of these, negative. What a ZooKeeper client is told
 * is another type (base/zk.h) and is chosen where the reply is made, never by casting one of
 * these. */
#pragma once

enum err {
    ERR_OK = 0,
    ERR_NOMEM = -1,       /* a configured memory limit, or the machine's memory, is used up */
    ERR_IO = -2,          /* the operating system reported an I/O error */
    ERR_CORRUPT = -3,     /* stored bytes do not match their checksum or their place */
    ERR_TORN = -4,        /* an unfinished write at the tail of a log: expected after a crash */
    ERR_FULL = -5,        /* a bounded queue, table or buffer has no room now */
    ERR_RANGE = -6,       /* a value lies outside what the interface states */
    ERR_SHORT = -7,       /* more bytes are needed before an answer is possible */
    ERR_NOTFOUND = -8,    /* the thing named does not exist */
    ERR_EXISTS = -9,      /* the thing named exists already */
    ERR_BUSY = -10,       /* held by somebody else, for example a data directory in use */
    ERR_VERSION = -11,    /* a format or protocol version this build cannot read */
    ERR_CONFIG = -12,     /* a configuration is not usable; the message says where and why */
    ERR_UNSUPPORTED = -13, /* this machine, kernel or build lacks what is needed */
    ERR_CLOSED = -14,     /* the other side, or this object, is closed */
    ERR_NOSPACE = -15,    /* the file system is full */
    ERR_MALFORMED = -16,  /* bytes from outside break their own format */
    ERR_LIMIT = -17,      /* a limit of base/limits.h or of the configuration was reached */
    ERR_RESTART = -18,    /* the node is to recover again from its disk, in the same process */
};

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* err_name names an ERR_* for a person ("corrupt"); any other value gives "unknown". Any role. */
const char *err_name(int err);
