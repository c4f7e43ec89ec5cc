#include "tools/takt/zkclient.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZKCLIENT_BUFFER_SIZE (64 << 10)
#define ZKCLIENT_HEADER_SIZE 12 /* frame size, xid, op */
#define ZKCLIENT_CLOSE_MS    1000
#define ZKCLIENT_SEND_MS_MAX 30000

/* Makes room for n more bytes behind `to`; moves or grows. False when memory ends. */
static bool zkclient_room(struct zkclient_buffer *buffer, size_t n)
{
    if (buffer->size - buffer->to >= n)
        return true;
    if (buffer->from > 0) {
        memmove(buffer->room, buffer->room + buffer->from, buffer->to - buffer->from);
        buffer->to -= buffer->from;
        buffer->from = 0;
    }
    if (buffer->size - buffer->to >= n)
        return true;
    size_t size = 2 * buffer->size > buffer->to + n ? 2 * buffer->size : buffer->to + n;
    uint8_t *room = realloc(buffer->room, size);
    if (room == NULL)
        return false;
    buffer->room = room;
    buffer->size = size;
    return true;
}

static void zkclient_hang_up(struct zkclient *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->in_flight = 0;
    client->in.from = client->in.to = 0;
    client->out.from = client->out.to = 0;
}

int zkclient_flush(struct zkclient *client, struct fault *fault)
{
    struct zkclient_buffer *out = &client->out;
    if (client->fd < 0)
        return fault_set(fault, ERR_CLOSED, "not connected");
    while (out->from < out->to) {
        ssize_t n = send(client->fd, out->room + out->from, out->to - out->from,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            out->from += (size_t)n;
            continue;
        }
        struct pollfd poll_fd = {.fd = client->fd, .events = POLLOUT};
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && poll(&poll_fd, 1, ZKCLIENT_SEND_MS_MAX) > 0)
            continue;
        int code = errno;
        zkclient_hang_up(client);
        return fault_set(fault, ERR_CLOSED, "the connection to %s broke while sending: %s",
                         client->server, strerror(code));
    }
    out->from = out->to = 0;
    client->sent_ns = clock_now().mono_ns;
    return 0;
}

/* Waits for bytes at most until deadline_ns and takes them in. */
static int zkclient_receive(struct zkclient *client, uint64_t deadline_ns, struct fault *fault)
{
    struct zkclient_buffer *in = &client->in;
    uint64_t now_ns = clock_now().mono_ns;
    int wait_ms = deadline_ns > now_ns ? (int)((deadline_ns - now_ns + 999999) / NS_PER_MS) : 0;
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (!zkclient_room(in, ZKCLIENT_BUFFER_SIZE / 2))
        return fault_set(fault, ERR_NOMEM, "no memory for a reply");
    int ready = poll(&poll_fd, 1, wait_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return ERR_SHORT;
    ssize_t n = recv(client->fd, in->room + in->to, in->size - in->to, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_SHORT;
    if (n <= 0) {
        const char *why = n == 0 ? "the server closed the connection" : strerror(errno);
        zkclient_hang_up(client);
        return fault_set(fault, ERR_CLOSED, "%s: %s", client->server, why);
    }
    in->to += (size_t)n;
    return 0;
}

/* The next whole frame in the buffer. Returns 0, ERR_SHORT, or ERR_MALFORMED. */
static int zkclient_frame(struct zkclient *client, struct jute_in *frame, struct fault *fault)
{
    struct zkclient_buffer *in = &client->in;
    struct jute_in size_in = jute_in(in->room + in->from, in->to - in->from);
    int32_t size = jute_get_int(&size_in);
    if (size_in.bad)
        return ERR_SHORT;
    if (size < 0 || size > ZKWIRE_FRAME_SIZE_MAX) {
        zkclient_hang_up(client);
        return fault_set(fault, ERR_MALFORMED,
                         "%s sent a frame of %d bytes; is it ZooKeeper's "
                         "client port?",
                         client->server, size);
    }
    if (in->to - in->from < 4 + (size_t)size) {
        if (!zkclient_room(in, 4 + (size_t)size - (in->to - in->from)))
            return fault_set(fault, ERR_NOMEM, "no memory for a reply of %d bytes", size);
        return ERR_SHORT;
    }
    *frame = jute_in(in->room + in->from + 4, (size_t)size);
    in->from += 4 + (size_t)size;
    return 0;
}

static int zkclient_handshake(struct zkclient *client, uint64_t deadline_ns, struct fault *fault)
{
    uint8_t room[64];
    struct jute_out out = jute_out(room, sizeof(room));
    struct jute_in frame;
    zkwire_put_connect(&out, client->last_zxid, client->config.session_ms, client->session.id,
                       client->session.password);
    CHECK(!out.bad);
    CHECK(zkclient_room(&client->out, sizeof(room)));
    memcpy(client->out.room, room, (size_t)(out.at - room));
    client->out.from = 0;
    client->out.to = (size_t)(out.at - room);
    int err = zkclient_flush(client, fault);
    while (err == 0 && (err = zkclient_frame(client, &frame, fault)) == ERR_SHORT) {
        if (clock_now().mono_ns >= deadline_ns)
            return fault_set(fault, ERR_IO, "%s accepted but did not answer the handshake",
                             client->server);
        err = zkclient_receive(client, deadline_ns, fault);
        if (err == ERR_SHORT)
            err = 0;
    }
    if (err != 0)
        return err;
    if (!zkwire_get_session(&frame, &client->session))
        return fault_set(fault, ERR_MALFORMED, "%s: the handshake's answer is not ZooKeeper's",
                         client->server);
    if (client->session.timeout_ms <= 0)
        return fault_set(fault, ERR_NOTFOUND, "the session has expired");
    return 0;
}

/* Connects to one server of the list. */
static int zkclient_connect_one(struct zkclient *client, struct fault *fault)
{
    struct address_tcp address;
    uint64_t deadline_ns = clock_now().mono_ns + client->config.connect_ms * NS_PER_MS;
    int err = address_resolve(client->server, &address, fault);
    if (err == 0)
        err = address_connect(&address, client->config.connect_ms, &client->fd, fault);
    if (err != 0)
        return fault_wrap(fault, err, "%s", client->server);
    err = zkclient_handshake(client, deadline_ns, fault);
    if (err != 0)
        zkclient_hang_up(client);
    return err;
}

static int zkclient_connect(struct zkclient *client, struct fault *fault)
{
    int err = fault_set(fault, ERR_MALFORMED, "no server is named");
    for (const char *at = client->config.servers; *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size > 0) {
            if (size >= sizeof(client->server))
                return fault_set(fault, ERR_MALFORMED, "a server's name is too long");
            memcpy(client->server, at, size);
            client->server[size] = '\0';
            err = zkclient_connect_one(client, fault);
            if (err == 0 || err == ERR_NOTFOUND)
                return err;
        }
        at += size + (at[size] == ',');
    }
    return err;
}

int zkclient_open(struct zkclient *client, const struct zkclient_config *config,
                  struct fault *fault)
{
    *client = (struct zkclient){.config = *config, .fd = -1, .xid_next = 1};
    client->in = (struct zkclient_buffer){malloc(ZKCLIENT_BUFFER_SIZE), ZKCLIENT_BUFFER_SIZE, 0, 0};
    client->out =
        (struct zkclient_buffer){malloc(ZKCLIENT_BUFFER_SIZE), ZKCLIENT_BUFFER_SIZE, 0, 0};
    int err = client->in.room && client->out.room ? zkclient_connect(client, fault)
                                                  : fault_set(fault, ERR_NOMEM, "no memory");
    if (err != 0) {
        free(client->in.room);
        free(client->out.room);
        client->in.room = client->out.room = NULL;
    }
    return err;
}

int zkclient_reattach(struct zkclient *client, struct fault *fault)
{
    zkclient_hang_up(client);
    int err = zkclient_connect(client, fault);
    if (err != ERR_NOTFOUND)
        return err;
    client->session = (struct zkwire_session){0};
    err = zkclient_connect(client, fault);
    return err != 0 ? err
                    : fault_set(fault, ERR_NOTFOUND,
                                "the session had expired; this is a new "
                                "one: ephemerals and watches of the old one are gone");
}

struct jute_out *zkclient_request(struct zkclient *client, int32_t op, size_t record_size)
{
    size_t size = ZKCLIENT_HEADER_SIZE + record_size;
    if (!zkclient_room(&client->out, size))
        return NULL;
    int32_t xid = op == ZK_OP_AUTH ? ZK_XID_AUTH : client->xid_next;
    client->record = jute_out(client->out.room + client->out.to, size);
    client->mark = zkwire_begin(&client->record, xid, op);
    return &client->record;
}

int32_t zkclient_submit(struct zkclient *client)
{
    CHECK(!client->record.bad); /* record_size was too small: a bug of the caller */
    zkwire_end(&client->record, client->mark);
    client->out.to = (size_t)(client->record.at - client->out.room);
    client->in_flight++;
    struct jute_in in = jute_in(client->mark + 4, 4);
    int32_t xid = jute_get_int(&in);
    if (xid > 0)
        client->xid_next = client->xid_next == INT32_MAX ? 1 : client->xid_next + 1;
    return xid;
}

static void zkclient_event(struct zkclient *client, int64_t zxid, struct jute_in *body)
{
    struct zkclient_event event = {.zxid = zxid};
    event.type = jute_get_int(body);
    event.state = jute_get_int(body);
    event.path = jute_get_bytes(body);
    if (!body->bad && client->config.event != NULL)
        client->config.event(client->config.context, &event);
}

/* The next frame that is a reply; events and ping answers on the way are dealt with. */
static int zkclient_take(struct zkclient *client, struct zkclient_reply *reply, struct fault *fault)
{
    for (;;) {
        int err = zkclient_frame(client, &reply->body, fault);
        if (err != 0)
            return err;
        reply->xid = jute_get_int(&reply->body);
        reply->zxid = jute_get_long(&reply->body);
        reply->error = jute_get_int(&reply->body);
        if (reply->body.bad) {
            zkclient_hang_up(client);
            return fault_set(fault, ERR_MALFORMED, "%s sent a reply without a header",
                             client->server);
        }
        if (reply->zxid > client->last_zxid)
            client->last_zxid = reply->zxid;
        if (reply->xid == ZK_XID_NOTIFICATION)
            zkclient_event(client, reply->zxid, &reply->body);
        else if (reply->xid != ZK_XID_PING)
            return 0;
    }
}

int zkclient_wait_ms(const struct zkclient *client)
{
    uint64_t due_ns = client->sent_ns + (uint64_t)client->session.timeout_ms * NS_PER_MS / 3;
    uint64_t now_ns = clock_now().mono_ns;
    return due_ns > now_ns ? (int)((due_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static int zkclient_ping_if_due(struct zkclient *client, struct fault *fault)
{
    if (client->fd < 0 || zkclient_wait_ms(client) > 0)
        return client->fd < 0 ? fault_set(fault, ERR_CLOSED, "not connected") : 0;
    if (!zkclient_room(&client->out, ZKCLIENT_HEADER_SIZE))
        return fault_set(fault, ERR_NOMEM, "no memory for a ping");
    struct jute_out out = jute_out(client->out.room + client->out.to, ZKCLIENT_HEADER_SIZE);
    zkwire_end(&out, zkwire_begin(&out, ZK_XID_PING, ZK_OP_PING));
    client->out.to += ZKCLIENT_HEADER_SIZE;
    return zkclient_flush(client, fault);
}

int zkclient_next(struct zkclient *client, struct zkclient_reply *reply, struct fault *fault)
{
    uint64_t deadline_ns = clock_now().mono_ns + client->config.reply_ms * NS_PER_MS;
    int err = zkclient_flush(client, fault);
    while (err == 0) {
        err = zkclient_take(client, reply, fault);
        if (err == 0) {
            client->in_flight -= client->in_flight > 0;
            return 0;
        }
        if (err != ERR_SHORT)
            return err;
        uint64_t now_ns = clock_now().mono_ns;
        if (now_ns >= deadline_ns) {
            zkclient_hang_up(client);
            return fault_set(fault, ERR_IO, "%s gave no answer within %u ms", client->server,
                             client->config.reply_ms);
        }
        uint64_t ping_ns = now_ns + (uint64_t)zkclient_wait_ms(client) * NS_PER_MS;
        err = zkclient_receive(client, ping_ns < deadline_ns ? ping_ns : deadline_ns, fault);
        if (err == ERR_SHORT)
            err = zkclient_ping_if_due(client, fault);
    }
    return err;
}

int zkclient_call(struct zkclient *client, struct zkclient_reply *reply, struct fault *fault)
{
    int32_t xid = zkclient_submit(client);
    int err = zkclient_next(client, reply, fault);
    if (err == 0 && reply->xid != xid) {
        zkclient_hang_up(client);
        return fault_set(fault, ERR_MALFORMED, "%s answered request %d when %d was asked",
                         client->server, reply->xid, xid);
    }
    return err;
}

int zkclient_poll(struct zkclient *client, struct fault *fault)
{
    struct zkclient_reply reply;
    int err = client->fd < 0 ? fault_set(fault, ERR_CLOSED, "not connected") : 0;
    while (err == 0) {
        err = zkclient_take(client, &reply, fault);
        if (err == ERR_SHORT)
            err = zkclient_receive(client, 0, fault);
    }
    return err == ERR_SHORT ? zkclient_ping_if_due(client, fault) : err;
}

void zkclient_close(struct zkclient *client)
{
    struct fault fault;
    struct zkclient_reply reply;
    if (client->fd >= 0 && zkclient_request(client, ZK_OP_CLOSE_SESSION, 0) != NULL) {
        client->config.reply_ms = ZKCLIENT_CLOSE_MS;
        client->config.event = NULL;
        (void)!zkclient_call(client, &reply, &fault);
    }
    zkclient_hang_up(client);
    free(client->in.room);
    free(client->out.room);
    client->in.room = client->out.room = NULL;
}
