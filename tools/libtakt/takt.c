/* Opening and freeing a client, and what it tells about itself. */
#include "tools/libtakt/takt_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int config_settle(struct takt_config *c)
{
    c->timeout_ms = c->timeout_ms ? c->timeout_ms : 5000;
    c->drift_ppm = c->drift_ppm ? c->drift_ppm : 200;
    c->request_count = c->request_count ? c->request_count : 16;
    c->request_size = c->request_size ? c->request_size : TAKT_MESSAGE_MAX;
    c->answer_size = c->answer_size ? c->answer_size : TAKT_MESSAGE_MAX;
    while (c->endpoint == 0) {
        if (getrandom(&c->endpoint, sizeof(c->endpoint), 0) != sizeof(c->endpoint))
            c->endpoint = (uint32_t)takt_now_ns();
    }
    if (c->opening == 0) {
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        c->opening = (uint64_t)at.tv_sec * 1000000000ull + (uint64_t)at.tv_nsec;
    }
    if (c->timeout_ms > INT32_MAX || c->drift_ppm > 100000 ||
        c->request_count > TAKT_REQUESTS_MAX || c->request_size > TAKT_MESSAGE_MAX ||
        c->answer_size > TAKT_MESSAGE_MAX || (!c->transport && !c->nodes) ||
        (c->session == 0 && c->sequence != 0))
        return TAKT_ERROR_ARGUMENT;
    if (c->transport &&
        (c->transport->node_count == 0 || c->transport->node_count > TAKT_NODES_MAX ||
         !c->transport->send || !c->transport->receive))
        return TAKT_ERROR_ARGUMENT;
    return 0;
}

/* Room for the pieces of a message: each is copied to its place. */
static int client_room(struct takt_client *client)
{
    client->slot_count = client->config.request_count;
    client->slots = calloc(client->slot_count, sizeof(*client->slots));
    client->event_path = malloc(TAKT_MESSAGE_MAX);
    if (!client->slots || !client->event_path)
        return TAKT_ERROR_MEMORY;
    for (uint32_t i = 0; i < client->slot_count; i++) {
        client->slots[i].request = malloc(client->config.request_size);
        client->slots[i].answer = malloc(client->config.answer_size);
        if (!client->slots[i].request || !client->slots[i].answer)
            return TAKT_ERROR_MEMORY;
    }
    return 0;
}

int takt_open(const struct takt_config *config, struct takt_client **result)
{
    struct takt_client *client = calloc(1, sizeof(*client));
    if (!client)
        return TAKT_ERROR_MEMORY;
    client->config = *config;
    int err = config_settle(&client->config);
    if (!err)
        err = client_room(client);
    struct fault fault;
    if (!err && config->keys &&
        peer_keys_parse(&client->keys, config->keys, strlen(config->keys), &fault))
        err = TAKT_ERROR_KEYS;
    if (!err && config->transport)
        client->transport = *config->transport;
    else if (!err)
        err = takt_socket_open(config->nodes, &client->transport);
    if (err) {
        takt_free(client);
        return err;
    }
    client->config.keys = client->config.nodes = NULL; /* were borrowed */
    client->config.transport = NULL;
    client->opening = client->config.opening + 1;
    client->open_resend_ns = TAKT_RESEND_NS_MIN;
    client->session = config->session;
    client->acked = config->sequence;
    client->ticket_last = (int64_t)config->sequence;
    memcpy(client->password, config->password, TAKT_PASSWORD_SIZE);
    *result = client;
    return 0;
}

void takt_free(struct takt_client *client)
{
    if (!client)
        return;
    if (client->transport.close)
        client->transport.close(client->transport.context);
    for (uint32_t i = 0; client->slots && i < client->slot_count; i++) {
        free(client->slots[i].request);
        free(client->slots[i].answer);
    }
    free(client->slots);
    free(client->event_path);
    free(client);
}

int takt_restart(struct takt_client *client)
{
    if (client->state <= TAKT_LIVE)
        return TAKT_ERROR_STATE;
    for (uint32_t i = 0; i < client->slot_count; i++)
        client->slots[i].ticket = 0;
    client->ticket_base = client->ticket_last;
    client->acked = client->zxid = 0;
    client->session = 0;
    client->closing = false;
    memset(client->password, 0, sizeof(client->password));
    takt_session_open(client, 0);
    return 0;
}

int takt_identity(const struct takt_client *client, int64_t *session,
                  uint8_t password[TAKT_PASSWORD_SIZE], uint64_t *sequence)
{
    if (client->session == 0 || client->state > TAKT_LIVE ||
        client->acked != (uint64_t)(client->ticket_last - client->ticket_base))
        return TAKT_ERROR_PENDING;
    *session = client->session;
    *sequence = client->acked;
    memcpy(password, client->password, TAKT_PASSWORD_SIZE);
    return 0;
}

void takt_status(const struct takt_client *client, struct takt_status *status)
{
    *status = client->counts;
    status->state = client->state;
    status->node = client->node;
    status->leader = client->leader;
    status->session = client->session;
    status->timeout_ms = client->timeout_ms;
    status->credits = client->credits;
    status->rtt_ns = client->rtt_ns;
    status->zxid = (int64_t)client->zxid;
    for (uint32_t i = 0; i < client->slot_count; i++) {
        const struct takt_slot *slot = &client->slots[i];
        status->submitted += slot->ticket && !slot->done;
        status->in_flight += slot->ticket && !slot->done && slot->sends && !slot->whole;
    }
}

const char *takt_error_text(int32_t code)
{
    static const struct {
        int32_t code;
        const char *text;
    } texts[] = {
        {0, "done"},
        {-1, "the node could not"},
        {-5, "malformed"},
        {-8, "bad argument"},
        {-101, "no such node"},
        {-102, "no permission"},
        {-103, "another version"},
        {-108, "ephemerals have no children"},
        {-110, "the node exists"},
        {-111, "the node has children"},
        {-112, "the session has expired"},
        {-114, "bad ACL"},
        {-115, "credential refused"},
        {-118, "the session is attached elsewhere"},
        {-119, "read-only"},
        {-121, "no such watch"},
        {-122, "past its deadline"},
        {-125, "quota"},
        {TAKT_ERROR_ARGUMENT, "an argument is out of range"},
        {TAKT_ERROR_FULL, "the table of requests is full"},
        {TAKT_ERROR_MEMORY, "no memory"},
        {TAKT_ERROR_SOCKET, "no socket, or no such host"},
        {TAKT_ERROR_KEYS, "the keys are wrong"},
        {TAKT_ERROR_TIMEOUT, "not in time"},
        {TAKT_ERROR_STATE, "the session is over"},
        {TAKT_ERROR_PENDING, "not known yet"},
        {TAKT_ERROR_TICKET, "no such ticket"},
        {TAKT_ERROR_MALFORMED, "not such a record"},
        {TAKT_ERROR_SIZE, "too large"},
    };
    for (uint32_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].code == code)
            return texts[i].text;
    }
    return "unknown error";
}
