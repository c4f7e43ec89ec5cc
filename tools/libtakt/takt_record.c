/* Records of requests and answers: PROTOCOL.md section 7. A request's is written into the slot that
 * it will have. */
#include "tools/libtakt/takt_client.h"

#include "base/jute.h"

/* The record of every operation that names a node is made of some of these, in this order. */
struct record {
    const char *path;
    const void *data;
    uint32_t data_size;
    bool has_data, has_acl, has_byte, has_int;
    uint8_t byte;
    int32_t number;
};

static void record_put(struct jute_out *out, const struct record *r)
{
    jute_put_bytes(out, bytes_of_string(r->path));
    if (r->has_data)
        jute_put_bytes(out, bytes_of(r->data, r->data_size));
    if (r->has_acl) {
        jute_put_int(out, 1);
        jute_put_int(out, 31);
        jute_put_bytes(out, bytes_of_string("world"));
        jute_put_bytes(out, bytes_of_string("anyone"));
    }
    if (r->has_byte)
        jute_put_byte(out, r->byte);
    if (r->has_int)
        jute_put_int(out, r->number);
}

/* Written into the place that takt_submit would give it, then submitted from there. */
static int64_t record_submit(struct takt_client *client, int32_t operation, const struct record *r,
                             const struct takt_done *done)
{
    struct takt_slot *slot =
        &client->slots[(uint64_t)(client->ticket_last + 1) % client->slot_count];
    if (client->state > TAKT_LIVE || client->closing)
        return TAKT_ERROR_STATE;
    if (slot->ticket)
        return TAKT_ERROR_FULL;
    if (r->data_size > TAKT_MESSAGE_MAX)
        return TAKT_ERROR_SIZE;
    struct jute_out out = jute_out(slot->request, client->config.request_size);
    record_put(&out, r);
    if (out.bad)
        return TAKT_ERROR_SIZE;
    return takt_submit(client, operation, slot->request, (uint32_t)(out.at - slot->request), done);
}

int64_t takt_create(struct takt_client *client, const char *path, const void *data, uint32_t size,
                    int32_t flags, const struct takt_done *done)
{
    struct record r = {.path = path,
                       .data = data,
                       .data_size = size,
                       .has_data = true,
                       .has_acl = true,
                       .has_int = true,
                       .number = flags};
    return record_submit(client, 1, &r, done);
}

int64_t takt_delete(struct takt_client *client, const char *path, int32_t version,
                    const struct takt_done *done)
{
    struct record r = {.path = path, .has_int = true, .number = version};
    return record_submit(client, 2, &r, done);
}

int64_t takt_get(struct takt_client *client, const char *path, int watch,
                 const struct takt_done *done)
{
    struct record r = {.path = path, .has_byte = true, .byte = watch != 0};
    return record_submit(client, 4, &r, done);
}

int64_t takt_exists(struct takt_client *client, const char *path, int watch,
                    const struct takt_done *done)
{
    struct record r = {.path = path, .has_byte = true, .byte = watch != 0};
    return record_submit(client, 3, &r, done);
}

int64_t takt_children(struct takt_client *client, const char *path, int watch,
                      const struct takt_done *done)
{
    struct record r = {.path = path, .has_byte = true, .byte = watch != 0};
    return record_submit(client, 8, &r, done);
}

int64_t takt_set(struct takt_client *client, const char *path, const void *data, uint32_t size,
                 int32_t version, const struct takt_done *done)
{
    struct record r = {.path = path,
                       .data = data,
                       .data_size = size,
                       .has_data = true,
                       .has_int = true,
                       .number = version};
    return record_submit(client, 5, &r, done);
}

int64_t takt_sync(struct takt_client *client, const char *path, const struct takt_done *done)
{
    struct record r = {.path = path};
    return record_submit(client, 9, &r, done);
}

int64_t takt_watch(struct takt_client *client, const char *path, int recursive,
                   const struct takt_done *done)
{
    struct record r = {.path = path, .has_int = true, .number = recursive != 0};
    return record_submit(client, 106, &r, done);
}

int64_t takt_close(struct takt_client *client, const struct takt_done *done)
{
    return takt_submit(client, -11, NULL, 0, done);
}

/* ---- multi ---- */

static int part_put(void *room, uint32_t size, uint32_t *used, int32_t code, const struct record *r)
{
    if (*used > size || r->data_size > TAKT_MESSAGE_MAX)
        return TAKT_ERROR_SIZE;
    struct jute_out out = jute_out((uint8_t *)room + *used, size - *used);
    jute_put_int(&out, code);
    jute_put_byte(&out, 0);
    jute_put_int(&out, -1);
    record_put(&out, r);
    if (out.bad)
        return TAKT_ERROR_SIZE;
    *used = (uint32_t)(out.at - (uint8_t *)room);
    return 0;
}

int takt_put_create(void *room, uint32_t size, uint32_t *used, const char *path, const void *data,
                    uint32_t data_size, int32_t flags)
{
    struct record r = {.path = path,
                       .data = data,
                       .data_size = data_size,
                       .has_data = true,
                       .has_acl = true,
                       .has_int = true,
                       .number = flags};
    return part_put(room, size, used, 1, &r);
}

int takt_put_set(void *room, uint32_t size, uint32_t *used, const char *path, const void *data,
                 uint32_t data_size, int32_t version)
{
    struct record r = {.path = path,
                       .data = data,
                       .data_size = data_size,
                       .has_data = true,
                       .has_int = true,
                       .number = version};
    return part_put(room, size, used, 5, &r);
}

int takt_put_delete(void *room, uint32_t size, uint32_t *used, const char *path, int32_t version)
{
    struct record r = {.path = path, .has_int = true, .number = version};
    return part_put(room, size, used, 2, &r);
}

int takt_put_check(void *room, uint32_t size, uint32_t *used, const char *path, int32_t version)
{
    struct record r = {.path = path, .has_int = true, .number = version};
    return part_put(room, size, used, 13, &r);
}

int64_t takt_multi(struct takt_client *client, const void *parts, uint32_t used,
                   const struct takt_done *done)
{
    struct takt_slot *slot =
        &client->slots[(uint64_t)(client->ticket_last + 1) % client->slot_count];
    if (client->state > TAKT_LIVE || client->closing)
        return TAKT_ERROR_STATE;
    if (slot->ticket)
        return TAKT_ERROR_FULL;
    struct jute_out out = jute_out(slot->request, client->config.request_size);
    jute_put_raw(&out, parts, used);
    jute_put_int(&out, -1);
    jute_put_byte(&out, 1);
    jute_put_int(&out, -1);
    if (out.bad)
        return TAKT_ERROR_SIZE;
    return takt_submit(client, 14, slot->request, used + 9, done);
}

/* ---- answers ---- */

static void stat_get(struct jute_in *in, struct takt_stat *stat)
{
    struct takt_stat s;
    s.czxid = jute_get_long(in);
    s.mzxid = jute_get_long(in);
    s.ctime_ms = jute_get_long(in);
    s.mtime_ms = jute_get_long(in);
    s.version = jute_get_int(in);
    s.cversion = jute_get_int(in);
    s.aversion = jute_get_int(in);
    s.ephemeral_owner = jute_get_long(in);
    s.data_length = jute_get_int(in);
    s.children_count = jute_get_int(in);
    s.pzxid = jute_get_long(in);
    if (stat && !in->bad)
        *stat = s;
}

int takt_read_data(const struct takt_answer *answer, const uint8_t **data, uint32_t *size,
                   struct takt_stat *stat)
{
    struct jute_in in = jute_in(answer->bytes, answer->size);
    struct bytes bytes = jute_get_bytes(&in);
    stat_get(&in, stat);
    if (in.bad || answer->error)
        return TAKT_ERROR_MALFORMED;
    *data = bytes.at;
    *size = bytes.size < 0 ? 0 : (uint32_t)bytes.size;
    return 0;
}

int takt_read_stat(const struct takt_answer *answer, struct takt_stat *stat)
{
    struct jute_in in = jute_in(answer->bytes, answer->size);
    stat_get(&in, stat);
    return in.bad || answer->error ? TAKT_ERROR_MALFORMED : 0;
}

int takt_read_path(const struct takt_answer *answer, const char **path, uint32_t *size)
{
    struct jute_in in = jute_in(answer->bytes, answer->size);
    struct bytes bytes = jute_get_bytes(&in);
    if (in.bad || answer->error || bytes.size < 0)
        return TAKT_ERROR_MALFORMED;
    *path = (const char *)bytes.at;
    *size = (uint32_t)bytes.size;
    return 0;
}

int takt_read_children(const struct takt_answer *answer, uint32_t *at, const char **name,
                       uint32_t *size)
{
    if (answer->error || answer->size < 4 || *at > answer->size)
        return TAKT_ERROR_MALFORMED;
    uint32_t from = *at ? *at : 4;
    if (from == answer->size)
        return 0;
    struct jute_in in = jute_in(answer->bytes + from, answer->size - from);
    struct bytes bytes = jute_get_bytes(&in);
    if (in.bad || bytes.size < 0)
        return TAKT_ERROR_MALFORMED;
    *name = (const char *)bytes.at;
    *size = (uint32_t)bytes.size;
    *at = (uint32_t)(in.at - answer->bytes);
    return 1;
}
