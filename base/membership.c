#include "base/membership.h"

#include "base/check.h"
#include "base/jute.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- one server
 * --------------------------------------------------------------------------------*/

#define SERVER_FORM "host:2888:3888[:participant|:observer][;[client host:]2181]"

static bool membership_port(const char *text, uint16_t *port)
{
    size_t n = strspn(text, "0123456789");
    unsigned long value = n > 0 && n <= 5 && text[n] == '\0' ? strtoul(text, NULL, 10) : 0;

    if (value < 1 || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* A host name, an address, or several of them joined by '|'. */
static bool membership_is_host(const char *text, size_t size)
{
    size_t n =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_|[]:%");

    return n > 0 && n < size && text[n] == '\0';
}

/* Splits "host:quorum:election[:role]" from its end. */
static bool membership_server_part(struct membership_server *server, char *text)
{
    char *colon = strrchr(text, ':');

    if (!colon)
        return false;
    if (isalpha((unsigned char)colon[1])) {
        server->observer = strcasecmp(colon + 1, "observer") == 0;
        if (!server->observer && strcasecmp(colon + 1, "participant") != 0)
            return false;
        *colon = '\0';
        colon = strrchr(text, ':');
    }
    if (!colon || !membership_port(colon + 1, &server->election_port))
        return false;
    *colon = '\0';
    colon = strrchr(text, ':');
    if (!colon || !membership_port(colon + 1, &server->quorum_port) ||
        server->quorum_port == server->election_port)
        return false;
    *colon = '\0';
    if (!membership_is_host(text, sizeof(server->host)))
        return false;
    strcpy(server->host, text);
    return true;
}

static bool membership_client_part(struct membership_server *server, char *text)
{
    char *colon = strrchr(text, ':');

    if (!membership_port(colon ? colon + 1 : text, &server->client_port))
        return false;
    if (!colon)
        return true;
    *colon = '\0';
    if (!membership_is_host(text, sizeof(server->client_host)))
        return false;
    strcpy(server->client_host, text);
    return true;
}

int membership_server_parse(struct membership_server *server, uint32_t id, const char *text,
                            struct fault *fault)
{
    struct membership_server parsed;
    char copy[MEMBERSHIP_LINE_SIZE] = "";
    bool good = id >= 1 && id <= MEMBERSHIP_ID_MAX && strlen(text) < sizeof(copy);

    memset(&parsed, 0, sizeof(parsed)); /* servers are compared as bytes */
    parsed.id = id;
    if (good) {
        strcpy(copy, text);
        char *semicolon = strchr(copy, ';');
        if (semicolon) {
            *semicolon = '\0';
            good = membership_client_part(&parsed, semicolon + 1);
        }
        good = good && membership_server_part(&parsed, copy);
    }
    if (!good)
        return fault_set(fault, ERR_CONFIG,
                         "'%.200s' is not a server: " SERVER_FORM
                         ", ids are 1 to 254, ports 1 to 65535 and the first two differ",
                         text);
    *server = parsed;
    return 0;
}

static void membership_server_write(const struct membership_server *server,
                                    const char *client_default, char *out, size_t size)
{
    const char *client = *server->client_host ? server->client_host : client_default;
    char tail[MEMBERSHIP_CLIENT_SIZE + 16] = "";

    if (server->client_port)
        snprintf(tail, sizeof(tail), ";%s%s%u", client, *client ? ":" : "", server->client_port);
    snprintf(out, size, "%s:%u:%u:%s%s", server->host, server->quorum_port, server->election_port,
             server->observer ? "observer" : "participant", tail);
}

void membership_server_print(const struct membership_server *server, char *out, size_t size)
{
    membership_server_write(server, "", out, size);
}

const char *membership_client_host(const struct membership_server *server)
{
    const char *host = server->client_host;

    return !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0 ? server->host
                                                                               : host;
}

/* ---- a list
 * ------------------------------------------------------------------------------------*/

int membership_add(struct membership *m, const struct membership_server *server)
{
    uint32_t at = 0;

    CHECK(m->count <= MEMBERSHIP_MAX);
    CHECK(server->id >= 1 && server->id <= MEMBERSHIP_ID_MAX);
    while (at < m->count && m->server[at].id < server->id)
        at++;
    if (at == m->count || m->server[at].id != server->id) {
        if (m->count == MEMBERSHIP_MAX)
            return ERR_LIMIT;
        memmove(&m->server[at + 1], &m->server[at], (m->count - at) * sizeof(m->server[0]));
        m->count++;
    }
    m->server[at] = *server;
    return 0;
}

bool membership_remove(struct membership *m, uint32_t id)
{
    const struct membership_server *server = membership_find(m, id);

    if (!server)
        return false;
    size_t at = (size_t)(server - m->server);
    memmove(&m->server[at], &m->server[at + 1], (m->count - at - 1) * sizeof(m->server[0]));
    m->count--;
    memset(&m->server[m->count], 0, sizeof(m->server[0]));
    return true;
}

const struct membership_server *membership_find(const struct membership *m, uint32_t id)
{
    CHECK(m->count <= MEMBERSHIP_MAX);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->server[i].id == id)
            return &m->server[i];
    return NULL;
}

/* "" and 0.0.0.0 are the same to everybody. */
static const char *membership_client_written(const struct membership_server *server)
{
    return *server->client_host ? server->client_host : "0.0.0.0";
}

bool membership_server_equal(const struct membership_server *a, const struct membership_server *b)
{
    return a->id == b->id && a->quorum_port == b->quorum_port &&
           a->election_port == b->election_port && a->client_port == b->client_port &&
           a->observer == b->observer && strcmp(a->host, b->host) == 0 &&
           strcmp(membership_client_written(a), membership_client_written(b)) == 0;
}

bool membership_equal(const struct membership *a, const struct membership *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!membership_server_equal(&a->server[i], &b->server[i]))
            return false;
    return true;
}

uint32_t membership_voter_count(const struct membership *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->count; i++)
        n += !m->server[i].observer;
    return n;
}

uint32_t membership_quorum(const struct membership *m)
{
    return membership_voter_count(m) / 2 + 1;
}

bool membership_reachable(const struct membership *m, const uint8_t *ids, uint32_t id_count)
{
    bool seen[MEMBERSHIP_ID_MAX + 2] = {false};
    uint32_t n = 0;

    for (uint32_t i = 0; i < id_count; i++)
        seen[ids[i]] = true;
    for (uint32_t i = 0; i < m->count; i++)
        n += !m->server[i].observer && seen[m->server[i].id];
    return n >= membership_quorum(m);
}

/* Do two servers want one port of one host? Names are compared as they are written. */
static bool membership_overlap(const struct membership_server *a, const struct membership_server *b,
                               const char **host, uint16_t *port)
{
    const char *a_client = membership_client_host(a), *b_client = membership_client_host(b);
    const struct {
        const char *host;
        uint16_t port;
    } as[] = {{a->host, a->quorum_port}, {a->host, a->election_port}, {a_client, a->client_port}},
      bs[] = {{b->host, b->quorum_port}, {b->host, b->election_port}, {b_client, b->client_port}};

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            if (as[i].port && as[i].port == bs[j].port && strcasecmp(as[i].host, bs[j].host) == 0) {
                *host = as[i].host;
                *port = as[i].port;
                return true;
            }
    return false;
}

int membership_check(const struct membership *m, struct fault *fault)
{
    const char *host;
    uint16_t port;

    CHECK(m->count <= MEMBERSHIP_MAX);
    if (m->count == 0)
        return fault_set(fault, ERR_CONFIG, "no servers");
    if (membership_voter_count(m) == 0)
        return fault_set(fault, ERR_CONFIG, "every server is an observer; somebody must vote");
    for (uint32_t i = 0; i < m->count; i++) {
        const struct membership_server *a = &m->server[i];
        if (strchr(a->host, '|'))
            return fault_set(fault, ERR_CONFIG,
                             "server %u: several addresses (%.100s) are not in this version; give "
                             "one",
                             a->id, a->host);
        for (uint32_t j = 0; j < i; j++)
            if (membership_overlap(a, &m->server[j], &host, &port))
                return fault_set(fault, ERR_CONFIG, "servers %u and %u both want port %u of %.100s",
                                 m->server[j].id, a->id, port, host);
    }
    return 0;
}

/* FNV-1a, 64 bits: no more is asked than that different lists differ. */
static uint64_t membership_hash(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
    return hash;
}

uint64_t membership_cluster_id(const struct membership *m, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    char text[64];

    if (*name)
        hash = membership_hash(hash, name);
    for (uint32_t i = 0; !*name && i < m->count; i++) {
        const struct membership_server *server = &m->server[i];
        hash = membership_hash(hash, server->host);
        snprintf(text, sizeof(text), "|%u|%u|%d|", server->id, server->quorum_port,
                 server->observer);
        hash = membership_hash(hash, text);
    }
    return hash ? hash : 1;
}

/* ---- texts
 * -------------------------------------------------------------------------------------*/

/* Order of the printed lines: "server.10=" stands before "server.1=" and "server.2=". */
static int membership_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *membership_any_client(const struct membership_server *server)
{
    return server->client_port && !*server->client_host ? "0.0.0.0:" : "";
}

/* "server.1=...": like membership_server_print, but a client host is always there. */
static void membership_line(const struct membership_server *server, char *out, size_t size)
{
    char text[MEMBERSHIP_LINE_SIZE];
    const char *client;

    membership_server_print(server, text, sizeof(text));
    client = strchr(text, ';');
    int head = client ? (int)(client + 1 - text) : (int)strlen(text);
    snprintf(out, size, "server.%u=%.*s%s%s", server->id, head, text, membership_any_client(server),
             client ? client + 1 : "");
}

size_t membership_print(const struct membership *m, int64_t version, char *out, size_t size)
{
    char lines[MEMBERSHIP_MAX][MEMBERSHIP_LINE_SIZE];
    const char *order[MEMBERSHIP_MAX];
    size_t n = 0;

    CHECK(size >= MEMBERSHIP_TEXT_SIZE);
    CHECK(m->count <= MEMBERSHIP_MAX);
    for (uint32_t i = 0; i < m->count; i++) {
        membership_line(&m->server[i], lines[i], sizeof(lines[i]));
        order[i] = lines[i];
    }
    qsort(order, m->count, sizeof(order[0]), membership_by_text);
    out[0] = '\0';
    for (uint32_t i = 0; i < m->count; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "\n" : "", order[i]);
    if (version >= 0)
        n += (size_t)snprintf(out + n, size - n, "%sversion=%" PRIx64, n ? "\n" : "",
                              (uint64_t)version);
    CHECK(n < size);
    return n;
}

/* Takes the next piece up to a '\n' or ',', without the blanks around it. False: no more. *unfit:
 * it did not fit, or holds a NUL. */
static bool membership_piece(const char **text, const char *end, char *out, size_t size,
                             bool *unfit)
{
    const char *at = *text, *last = at;

    if (at >= end)
        return false;
    while (last < end && *last != '\n' && *last != ',')
        last++;
    *text = last + 1;
    while (at < last && strchr(" \t\r", *at) && *at)
        at++;
    while (last > at && strchr(" \t\r", last[-1]) && last[-1])
        last--;
    size_t n = (size_t)(last - at);
    *unfit = n >= size || memchr(at, '\0', n);
    if (n >= size)
        n = size - 1;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

/* "server.<id>=..." */
static int membership_line_parse(struct membership_server *server, const char *line,
                                 struct fault *fault)
{
    const char *id_text = line + 7;
    char *end;

    if (strncmp(line, "server.", 7) != 0 || *id_text < '0' || *id_text > '9')
        return fault_set(fault, ERR_CONFIG, "'%.100s' is not server.<id>=...", line);
    unsigned long id = strtoul(id_text, &end, 10);
    if (*end != '=')
        return fault_set(fault, ERR_CONFIG, "'%.100s' is not server.<id>=...", line);
    return membership_server_parse(server, id <= MEMBERSHIP_ID_MAX ? (uint32_t)id : 0, end + 1,
                                   fault);
}

static int membership_enter(struct membership *m, const struct membership_server *server,
                            struct fault *fault)
{
    int err = membership_add(m, server);

    if (err)
        return fault_set(fault, ERR_CONFIG, "more than %d servers", MEMBERSHIP_MAX);
    return 0;
}

static int membership_version_parse(const char *text, int64_t *version, struct fault *fault)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    unsigned long long value = n > 0 && n <= 16 && !text[n] ? strtoull(text, NULL, 16) : UINT64_MAX;

    if (value > INT64_MAX)
        return fault_set(fault, ERR_CONFIG, "version=%.32s is not a hexadecimal number", text);
    *version = (int64_t)value;
    return 0;
}

int membership_parse(struct membership *m, const char *text, size_t size, int64_t *version,
                     struct fault *fault)
{
    struct membership parsed;
    struct membership_server server;
    const char *end = text + size;
    char line[MEMBERSHIP_LINE_SIZE];
    int64_t of_text = -1;
    bool unfit;

    memset(&parsed, 0, sizeof(parsed));
    while (membership_piece(&text, end, line, sizeof(line), &unfit)) {
        int err = 0;
        if (unfit)
            return fault_set(fault, ERR_CONFIG,
                             "'%.60s...' is not a server: too long, or it holds a NUL", line);
        if (!*line)
            continue;
        if (strncmp(line, "version=", 8) == 0) {
            err = membership_version_parse(line + 8, &of_text, fault);
            if (err)
                return err;
            continue;
        }
        err = membership_line_parse(&server, line, fault);
        if (!err && membership_find(&parsed, server.id))
            err = fault_set(fault, ERR_CONFIG, "server %u is given twice", server.id);
        if (!err)
            err = membership_enter(&parsed, &server, fault);
        if (err)
            return err;
    }
    *m = parsed;
    if (version)
        *version = of_text;
    return 0;
}

static int membership_leave(struct membership *m, const char *leaving, size_t size,
                            struct fault *fault)
{
    const char *end = leaving + size;
    char word[32];
    bool unfit;

    while (membership_piece(&leaving, end, word, sizeof(word), &unfit)) {
        size_t n = strspn(word, "0123456789");
        if (!*word && !unfit)
            continue;
        if (unfit || n == 0 || n > 9 || word[n])
            return fault_set(fault, ERR_CONFIG, "'%s' is not the id of a server", word);
        membership_remove(m, (uint32_t)strtoul(word, NULL, 10));
    }
    return 0;
}

int membership_change(struct membership *m, const char *joining, size_t joining_size,
                      const char *leaving, size_t leaving_size, struct fault *fault)
{
    struct membership changed = *m, joined;
    int err = 0;

    if (leaving_size)
        err = membership_leave(&changed, leaving, leaving_size, fault);
    memset(&joined, 0, sizeof(joined));
    if (!err && joining_size)
        err = membership_parse(&joined, joining, joining_size, NULL, fault);
    for (uint32_t i = 0; !err && i < joined.count; i++) {
        if (!joined.server[i].client_port)
            return fault_set(fault, ERR_CONFIG, "server %u joins without a client port",
                             joined.server[i].id);
        err = membership_enter(&changed, &joined.server[i], fault);
    }
    if (!err)
        *m = changed;
    return err;
}

/* ---- the body of COMMAND_CONFIG: version, flags, error, two texts -----------------------------
 */

#define BODY_VERSION 1

static void membership_put(struct jute_out *out, const struct membership *m)
{
    char text[MEMBERSHIP_TEXT_SIZE];
    size_t size = membership_print(m, -1, text, sizeof(text));

    jute_put_bytes(out, bytes_of(text, (int32_t)size));
}

size_t membership_body_encode(const struct membership_body *body, uint8_t *out, size_t size)
{
    struct jute_out to = jute_out(out, size);

    CHECK(size >= MEMBERSHIP_BODY_SIZE);
    CHECK((body->flags & MEMBERSHIP_REFUSED) || body->after.count > 0);
    CHECK(!(body->flags & MEMBERSHIP_JOINT) || body->before.count > 0);
    jute_put_int(&to, BODY_VERSION);
    jute_put_int(&to, (int32_t)body->flags);
    jute_put_int(&to, body->error);
    membership_put(&to, &body->before);
    membership_put(&to, &body->after);
    CHECK(!to.bad);
    return (size_t)(to.at - out);
}

static bool membership_get(struct jute_in *in, struct membership *m)
{
    struct bytes text = jute_get_bytes(in);
    int64_t version;

    if (in->bad || text.size < 0)
        return false;
    return membership_parse(m, (const char *)text.at, (size_t)text.size, &version, NULL) == 0 &&
           version == -1 && (m->count == 0 || membership_check(m, NULL) == 0);
}

int membership_body_decode(struct membership_body *body, const uint8_t *at, size_t size)
{
    struct membership_body decoded;
    struct jute_in in = jute_in(at, size);
    int32_t version = jute_get_int(&in);

    if (!in.bad && version != BODY_VERSION)
        return ERR_VERSION;
    memset(&decoded, 0, sizeof(decoded));
    decoded.flags = (uint32_t)jute_get_int(&in);
    decoded.error = jute_get_int(&in);
    if (in.bad || !membership_get(&in, &decoded.before) || !membership_get(&in, &decoded.after) ||
        in.at != in.end)
        return ERR_MALFORMED;
    bool joint = decoded.flags & MEMBERSHIP_JOINT, refused = decoded.flags & MEMBERSHIP_REFUSED;
    if (decoded.flags & ~7u || (decoded.flags & (decoded.flags - 1)) ||
        joint != (decoded.before.count > 0) || refused != (decoded.after.count == 0) ||
        refused != (decoded.error != 0))
        return ERR_MALFORMED;
    *body = decoded;
    return 0;
}
