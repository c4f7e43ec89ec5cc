/* Requests about the connection itself: ping, auth, SASL, whoAmI, closeSession. */
#include "base/zk.h"
#include "dataplane/digest.h"
#include "dataplane/net.h"
#include "dataplane/read.h"
#include "dataplane/write.h"
#include "dataplane/zk/reply.h"

enum request_step client_ping(struct net *net, struct conn *conn, const struct request *request)
{
    conn_answer(net, conn, ZK_XID_PING, net->view.zxid, ZK_OK);
    return REQUEST_DONE;
}

static enum request_step client_auth_refuse(struct net *net, struct conn *conn, int32_t xid)
{
    net_count(net, METRIC_net_auth_failed_total, 1);
    conn_answer(net, conn, xid, 0, ZK_AUTH_FAILED);
    return REQUEST_CLOSE;
}

/* The identities that a digest credential proves, packed: digest, and super when it is that one.
 * Returns their size, or ERR_LIMIT. */
static int client_digest(struct net *net, struct bytes auth, uint8_t *packed, uint32_t room)
{
    uint8_t id[LIMIT_IDENTITIES_SIZE];
    int size = digest_id(auth, id, sizeof(id));
    if (size < 0)
        return size;
    struct bytes name = bytes_of(id, (size_t)size);
    const char *super = net->config.super_digest;
    bool is_super = super && bytes_equal(name, bytes_of_string(super));
    struct jute_out out = jute_out(packed, room);
    jute_put_int(&out, is_super ? 2 : 1);
    jute_put_bytes(&out, bytes_of_string("digest"));
    jute_put_bytes(&out, name);
    if (is_super) {
        jute_put_bytes(&out, bytes_of_string("super"));
        jute_put_bytes(&out, bytes_of("", 0));
    }
    return out.bad ? ERR_LIMIT : (int)(out.at - packed);
}

/* A credential counts from here on: for reads at once, for writes as a command in their order. */
static enum request_step client_auth_take(struct net *net, struct conn *conn, int32_t xid,
                                          struct bytes packed)
{
    uint8_t all[LIMIT_IDENTITIES_SIZE];
    int32_t size = conn->identities_size;
    memcpy(all, conn->identities, (size_t)size);
    if (acl_identities_add(all, &size, packed) || conn_identities_grow(net, conn, (uint32_t)size))
        return client_auth_refuse(net, conn, xid);
    if (size == conn->identities_size) { /* it was known: nothing to tell anybody */
        conn_answer(net, conn, xid, 0, ZK_OK);
        return REQUEST_DONE;
    }
    if (net->read_only) { /* for this connection alone: it is closed when there is a leader */
        memcpy(conn->identities, all, (size_t)size);
        conn->identities_size = size;
        conn_answer(net, conn, xid, 0, ZK_OK);
        return REQUEST_DONE;
    }
    struct command *command = net_command_room(net, COMMAND_AUTH, (uint32_t)packed.size);
    if (!command)
        return REQUEST_RETRY;
    memcpy(conn->identities, all, (size_t)size);
    conn->identities_size = size;
    memcpy(command + 1, packed.at, (size_t)packed.size);
    command->op = ZK_OP_AUTH;
    command->xid = xid;
    write_sent(net, conn, command);
    net_command_done(net, command);
    return REQUEST_DONE;
}

enum request_step client_auth(struct net *net, struct conn *conn, const struct request *request)
{
    uint8_t packed[LIMIT_IDENTITIES_SIZE];
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    jute_get_int(&in);
    struct bytes scheme = jute_get_bytes(&in);
    struct bytes auth = jute_get_bytes(&in);
    if (conn->in_flight > 0) { /* a refusal closes: nothing before it may be lost */
        conn->wait = CONN_WAIT_REPLIES;
        conn->wait_in_flight = 0;
        return REQUEST_WAIT;
    }
    if (in.bad)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    if (bytes_equal(scheme, bytes_of_string("ip"))) { /* every connection has it */
        conn_answer(net, conn, request->xid, 0, ZK_OK);
        return REQUEST_DONE;
    }
    if (!bytes_equal(scheme, bytes_of_string("digest")) || auth.size < 0 || net->config.digest_off)
        return client_auth_refuse(net, conn, request->xid);
    int size = client_digest(net, auth, packed, sizeof(packed));
    if (size < 0)
        return client_auth_refuse(net, conn, request->xid);
    return client_auth_take(net, conn, request->xid, bytes_of(packed, (size_t)size));
}

/* As a server without SASL configured: a null token, no credential. */
enum request_step client_sasl(struct net *net, struct conn *conn, const struct request *request)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    jute_get_bytes(&in);
    if (in.bad)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    uint8_t *room = conn_send_room(net, conn, REPLY_HEADER_SIZE + 4);
    if (!room)
        return REQUEST_DONE;
    struct jute_out out = jute_out(room, REPLY_HEADER_SIZE + 4);
    reply_header(&out, request->xid, 0, ZK_OK, 4);
    jute_put_int(&out, -1);
    conn_sent(net, conn, REPLY_HEADER_SIZE + 4);
    return REQUEST_DONE;
}

/* Copies packed identities; of a digest only the user is shown. */
static uint32_t client_put_identities(struct jute_out *out, struct bytes packed)
{
    struct jute_in in = jute_in(packed.at, (size_t)packed.size);
    uint8_t *begin = out->at;
    int32_t count = jute_get_int(&in);
    jute_put_int(out, count);
    for (int32_t i = 0; i < count && !in.bad; i++) {
        struct bytes scheme = jute_get_bytes(&in);
        struct bytes id = jute_get_bytes(&in);
        const uint8_t *colon = id.size > 0 ? memchr(id.at, ':', (size_t)id.size) : NULL;
        if (colon && bytes_equal(scheme, bytes_of_string("digest")))
            id.size = (int32_t)(colon - id.at);
        jute_put_bytes(out, scheme);
        jute_put_bytes(out, id);
    }
    return (uint32_t)(out->at - begin);
}

enum request_step client_who_am_i(struct net *net, struct conn *conn, const struct request *request)
{
    uint8_t body[LIMIT_IDENTITIES_SIZE];
    struct jute_out out = jute_out(body, sizeof(body));
    uint32_t size = client_put_identities(&out, conn_identities(conn));
    CHECK(!out.bad);
    if (!read_node_open(net, conn, request, size, &out))
        return REQUEST_DONE;
    jute_put_raw(&out, body, size);
    read_node_done(net, conn, size);
    return REQUEST_DONE;
}

enum request_step client_close(struct net *net, struct conn *conn, const struct request *request)
{
    if (net->read_only) { /* a session of the ensemble lives on until it times out: not answered */
        if (conn->local)
            conn_answer(net, conn, request->xid, net->view.zxid, ZK_OK);
        return REQUEST_CLOSE;
    }
    struct command *command = net_command_room(net, COMMAND_REQUEST, 0);
    if (!command)
        return REQUEST_RETRY;
    command->op = ZK_OP_CLOSE_SESSION;
    command->xid = request->xid;
    write_sent(net, conn, command);
    net_command_done(net, command);
    conn->leaving = true;
    return REQUEST_DONE;
}
