#include "base/err.h"

const char *err_name(int err)
{
    switch (err) {
    case ERR_OK: return "ok";
    case ERR_NOMEM: return "out of memory";
    case ERR_IO: return "input/output error";
    case ERR_CORRUPT: return "corrupt";
    case ERR_TORN: return "torn tail";
    case ERR_FULL: return "full";
    case ERR_RANGE: return "out of range";
    case ERR_SHORT: return "too short";
    case ERR_NOTFOUND: return "not found";
    case ERR_EXISTS: return "exists already";
    case ERR_BUSY: return "in use";
    case ERR_VERSION: return "unknown version";
    case ERR_CONFIG: return "bad configuration";
    case ERR_UNSUPPORTED: return "not supported here";
    case ERR_CLOSED: return "closed";
    case ERR_NOSPACE: return "no space left on device";
    case ERR_MALFORMED: return "malformed";
    case ERR_LIMIT: return "limit reached";
    case ERR_RESTART: return "restart";
    }
    return "unknown";
}
