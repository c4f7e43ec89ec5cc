/* Writes and queries: decoded enough to be well-formed, then passed to CORE. What they mean is the
 * state machine's to decide, so that every error and its precedence come from one place. */
#include "dataplane/write.h"
#include "base/check.h"
#include "base/core_state.h"
#include "base/plant.h"
#include "dataplane/net.h"
#include "dataplane/net_quorum.h"
#include "dataplane/request.h"
#include "dataplane/zk/validate.h"

void write_sent(struct net *net, struct conn *conn, struct command *command)
{
    command->conn = conn_token(conn);
    command->session = conn->session;
    command->attach = conn->attach;
    if (conn->native && command->kind == COMMAND_REQUEST) {
        command->sequence = conn->sequence;
        command->flags = COMMAND_ONCE | (conn->late ? COMMAND_LATE : 0);
    } else if (command->kind == COMMAND_REQUEST || command->kind == COMMAND_AUTH) {
        command->sequence = conn->native ? 0 : ++conn->sequence;
    }
    conn->in_flight++;
    net->outstanding++;
    net_count(net, METRIC_net_writes_total, 1);
    if (UNLIKELY(net->trace) && conn->trace == 0) {
        command->trace = conn->trace = net->trace;
        conn->trace_ahead = conn->in_flight;
    }
    if (conn->sample_ns == 0) {
        conn->sample_ns = conn->received_ns;
        conn->sample_ahead = conn->in_flight;
    }
}

enum request_step write_command(struct net *net, struct conn *conn, const struct request *request)
{
    bool query = request->op == ZK_OP_SYNC || request->op == ZK_OP_GET_EPHEMERALS;
    if (net->read_only)
        return net_quorum_refuse(net, conn, request);
    if (!validate_record(request->op, request->body)) {
        if (conn->in_flight > 0) {
            conn->wait = CONN_WAIT_REPLIES;
            conn->wait_in_flight = 0;
            return REQUEST_WAIT;
        }
        net_count(net, METRIC_net_malformed_total, 1);
        conn_answer(net, conn, request->xid, net->view.zxid, ZK_MARSHALLING_ERROR);
        return REQUEST_DONE;
    }
    if (net->outstanding >= net->config.writes_max)
        return REQUEST_RETRY;
    struct command *command = net_command_room(net, query ? COMMAND_QUERY : COMMAND_REQUEST,
                                               (uint32_t)request->body.size);
    if (!command)
        return REQUEST_RETRY;
    command->op = request->op;
    command->xid = request->xid;
    if (request->body.size)
        memcpy(command + 1, request->body.at, (size_t)request->body.size);
    write_sent(net, conn, command);
    net_command_done(net, command);
    bool ends_turn = (query && !PLANTED(44)) || request->op == ZK_OP_RECONFIG;
    if (ends_turn && !core_state_alone(net->parts.state)) {
        /* It does not travel in the log here, or is answered by a later entry: nothing behind it
         * may be answered before it. */
        conn->wait = CONN_WAIT_REPLIES;
        conn->wait_in_flight = 0;
    }
    return REQUEST_DONE;
}
