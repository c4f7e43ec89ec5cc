#include "dataplane/request.h"

#include "base/check.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/net_quorum.h"

struct request_kind {
    enum request_step (*serve)(struct net *net, struct conn *conn, const struct request *request);
    enum request_order order;
    const char *name; /* what `cons` prints */
};

#define REQUEST_OP_MIN ZK_OP_CLOSE_SESSION
#define REQUEST_OP_MAX ZK_OP_WHO_AM_I
#define REQUEST_AT(op) [(op)-REQUEST_OP_MIN]

/* createSession, deleteContainer and check are not for clients: no handler, as for unknown ops. */
static const struct request_kind request_kinds[REQUEST_OP_MAX - REQUEST_OP_MIN + 1] = {
    REQUEST_AT(ZK_OP_CLOSE_SESSION) = {client_close, REQUEST_AMONG, "CLOS"},
    REQUEST_AT(ZK_OP_CREATE) = {write_command, REQUEST_AMONG, "CREA"},
    REQUEST_AT(ZK_OP_DELETE) = {write_command, REQUEST_AMONG, "DELE"},
    REQUEST_AT(ZK_OP_EXISTS) = {read_node_record, REQUEST_READ, "EXIS"},
    REQUEST_AT(ZK_OP_GET_DATA) = {read_node_record, REQUEST_READ, "GETD"},
    REQUEST_AT(ZK_OP_SET_DATA) = {write_command, REQUEST_AMONG, "SETD"},
    REQUEST_AT(ZK_OP_GET_ACL) = {read_node_acl, REQUEST_READ, "GETA"},
    REQUEST_AT(ZK_OP_SET_ACL) = {write_command, REQUEST_AMONG, "SETA"},
    REQUEST_AT(ZK_OP_GET_CHILDREN) = {read_children_list, REQUEST_READ, "GETC"},
    REQUEST_AT(ZK_OP_SYNC) = {write_command, REQUEST_AMONG, "SYNC"},
    REQUEST_AT(ZK_OP_PING) = {client_ping, REQUEST_AMONG, "PING"},
    REQUEST_AT(ZK_OP_GET_CHILDREN2) = {read_children_list, REQUEST_READ, "GETC"},
    REQUEST_AT(ZK_OP_MULTI) = {write_command, REQUEST_AMONG, "MULT"},
    REQUEST_AT(ZK_OP_CREATE2) = {write_command, REQUEST_AMONG, "CREA"},
    REQUEST_AT(ZK_OP_RECONFIG) = {write_command, REQUEST_AMONG, "RECO"},
    REQUEST_AT(ZK_OP_CHECK_WATCHES) = {read_watches_check, REQUEST_BEHIND, "CHKW"},
    REQUEST_AT(ZK_OP_REMOVE_WATCHES) = {read_watches_remove, REQUEST_BEHIND, "REMW"},
    REQUEST_AT(ZK_OP_CREATE_CONTAINER) = {write_command, REQUEST_AMONG, "CREA"},
    REQUEST_AT(ZK_OP_CREATE_TTL) = {write_command, REQUEST_AMONG, "CREA"},
    REQUEST_AT(ZK_OP_MULTI_READ) = {read_multi_serve, REQUEST_READ, "MLTR"},
    REQUEST_AT(ZK_OP_AUTH) = {client_auth, REQUEST_AMONG, "AUTH"},
    REQUEST_AT(ZK_OP_SET_WATCHES) = {read_watches_set, REQUEST_BEHIND, "SETW"},
    REQUEST_AT(ZK_OP_SASL) = {client_sasl, REQUEST_BEHIND, "SASL"},
    REQUEST_AT(ZK_OP_GET_EPHEMERALS) = {write_command, REQUEST_AMONG, "GETE"},
    REQUEST_AT(ZK_OP_GET_ALL_CHILDREN_NUMBER) = {read_node_descendants, REQUEST_READ, "GETACN"},
    REQUEST_AT(ZK_OP_SET_WATCHES2) = {read_watches_set, REQUEST_BEHIND, "STW2"},
    REQUEST_AT(ZK_OP_ADD_WATCH) = {read_watches_add, REQUEST_BEHIND, "ADDW"},
    REQUEST_AT(ZK_OP_WHO_AM_I) = {client_who_am_i, REQUEST_BEHIND, "HOMI"},
};

static const struct request_kind *request_kind(int32_t op)
{
    if (op < REQUEST_OP_MIN || op > REQUEST_OP_MAX)
        return NULL;
    const struct request_kind *kind = &request_kinds[op - REQUEST_OP_MIN];
    return kind->serve ? kind : NULL;
}

const char *request_name(int32_t op)
{
    const struct request_kind *kind = request_kind(op);
    return kind ? kind->name : op == ZK_OP_CREATE_SESSION ? "SESS" : "NA";
}

/* enforce.auth: does the connection have a credential of one of the wanted schemes? */
static bool request_authorized(const struct net *net, const struct conn *conn)
{
    const char *at = net->config.auth_schemes;
    while (at && *at) {
        char scheme[32];
        size_t size = strcspn(at, ", ");
        if (size > 0 && size < sizeof(scheme)) {
            memcpy(scheme, at, size);
            scheme[size] = '\0';
            if (acl_identities_have(conn_identities(conn), scheme))
                return true;
        }
        at += size + (at[size] != '\0');
    }
    return net->config.auth_schemes == NULL;
}

static bool request_must_wait(const struct net *net, struct conn *conn, enum request_order order)
{
    uint32_t most = order != REQUEST_AMONG ? 0 : net->config.conn_writes_max - 1;
    if (conn->in_flight <= most)
        return false;
    conn->wait = CONN_WAIT_REPLIES;
    conn->wait_in_flight = most / 2;
    return true;
}

static void request_trace(struct net *net, const struct conn *conn, int32_t op)
{
    trace_stamp_at(net->parts.trace, net->trace, TRACE_RX, conn->received_ns, (uint32_t)op);
    trace_stamp(net->parts.trace, net->trace, TRACE_DECODE, 0);
}

enum request_step request_serve(struct net *net, struct conn *conn, struct bytes payload)
{
    struct jute_in in = jute_in(payload.at, (size_t)payload.size);
    struct request request = {.xid = jute_get_int(&in), .op = jute_get_int(&in)};
    if (in.bad) {
        net_count(net, METRIC_net_malformed_total, 1);
        return REQUEST_CLOSE;
    }
    request.body = bytes_of(in.at, (size_t)(in.end - in.at));
    return request_take(net, conn, &request, (uint32_t)payload.size + 4);
}

/* Answers what is not served at all; the connection ends. */
static enum request_step request_refuse(struct net *net, struct conn *conn,
                                        const struct request *request, int64_t zxid, int32_t error)
{
    if (request_must_wait(net, conn, REQUEST_BEHIND))
        return REQUEST_WAIT;
    conn_answer(net, conn, request->xid, zxid, error);
    return REQUEST_CLOSE;
}

inline enum request_step request_admit(struct net *net, struct conn *conn,
                                       const struct request *request, enum request_order order,
                                       uint32_t frame_size)
{
    if (UNLIKELY(net->config.auth_schemes != NULL) && request->op != ZK_OP_AUTH &&
        request->op != ZK_OP_SASL && !request_authorized(net, conn))
        return request_refuse(net, conn, request, net->view.zxid,
                              ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH);
    if (request_must_wait(net, conn, order))
        return REQUEST_WAIT;
    if (order == REQUEST_READ && !net_quorum_read(net, conn, frame_size))
        return REQUEST_WAIT;
    net->trace = trace_sample(&net->sampler);
    if (UNLIKELY(net->trace))
        request_trace(net, conn, request->op);
    return REQUEST_DONE;
}

static inline void request_note(struct conn *conn, const struct request *request)
{
    conn->op_last = request->op;
    conn->xid_last = request->xid;
    conn->has_xid = true;
}

inline void request_answered(struct net *net, struct conn *conn, const struct request *request)
{
    request_note(conn, request);
    conn->zxid_last = net->view.zxid;
    conn->response_ms = net->now.wall_ms;
    conn_latency(net, conn, net->now.mono_ns - conn->received_ns);
    if (UNLIKELY(net->trace))
        net_answered(net, net->trace);
}

inline enum request_step request_take(struct net *net, struct conn *conn,
                                      const struct request *request, uint32_t frame_size)
{
    const struct request_kind *kind = request_kind(request->op);
    if (!kind)
        return request_refuse(net, conn, request, -1, ZK_UNIMPLEMENTED);
    enum request_step step = request_admit(net, conn, request, kind->order, frame_size);
    if (step != REQUEST_DONE)
        return step;
    step = kind->serve(net, conn, request);
    if (step != REQUEST_DONE && step != REQUEST_CLOSE)
        return step;
    if (conn->in_flight == 0 && conn->state == CONN_LIVE)
        request_answered(net, conn, request);
    else
        request_note(conn, request);
    return step;
}
