#include "dataplane/fourletter.h"

#include "base/check.h"
#include "base/core_state.h"
#include "dataplane/fourletter_word.h"

/* Counters move between the run that measures and the run that writes. */
#define FOURLETTER_SLACK 512u

struct fourletter_entry {
    char word[5];
    bool always;                                 /* answered although the node does not serve */
    void (*write)(struct fourletter_word *word); /* NULL: dump, which asks APPLY first */
};

static const struct fourletter_entry fourletter_entries[] = {
    {"conf", true, fourletter_info_conf},
    {"cons", false, fourletter_conns_cons},
    {"crst", false, fourletter_conns_crst},
    {"dirs", true, fourletter_info_dirs},
    {"dump", false, NULL},
    {"envi", true, fourletter_info_envi},
    {"gtmk", true, fourletter_info_gtmk},
    {"hash", false, fourletter_info_hash},
    {"isro", true, fourletter_info_isro},
    {"memb", true, fourletter_ensemble_memb},
    {"mntr", false, fourletter_server_mntr},
    {"ruok", true, fourletter_info_ruok},
    {"srst", false, fourletter_server_srst},
    {"srvr", false, fourletter_server_srvr},
    {"stat", false, fourletter_server_stat},
    {"stmk", true, fourletter_info_stmk},
    {"wchc", false, fourletter_watches_wchc},
    {"wchp", false, fourletter_watches_wchp},
    {"wchs", false, fourletter_watches_wchs},
};
#define FOURLETTER_COUNT (sizeof(fourletter_entries) / sizeof(fourletter_entries[0]))

static uint32_t fourletter_index(const char *word)
{
    uint32_t i = 0;
    while (i < FOURLETTER_COUNT && memcmp(fourletter_entries[i].word, word, 4) != 0)
        i++;
    return i;
}

uint32_t fourletter_allow(const char *whitelist)
{
    uint32_t denied = (1u << FOURLETTER_COUNT) - 1;
    for (const char *at = whitelist; *at;) {
        size_t size = strcspn(at, ", ");
        if (size == 1 && *at == '*')
            return 0;
        uint32_t i = size == 4 ? fourletter_index(at) : FOURLETTER_COUNT;
        if (i < FOURLETTER_COUNT)
            denied &= ~(1u << i);
        at += size + (at[size] != '\0');
    }
    return denied;
}

/* Runs one writer for the size and again into the stream, then closes the connection. */
static void fourletter_send(struct fourletter_word *word, void (*write)(struct fourletter_word *),
                            const char *front, uint32_t front_size)
{
    struct net *net = word->net;
    word->text = (struct text){0};
    write(word);
    uint64_t size = word->text.size + front_size + FOURLETTER_SLACK;
    if (size > net->config.reply_size_max) { /* wchc, wchp, cons of very many */
        static const char refusal[] = "The answer is larger than this node's reply limit.\n";
        net_count(net, METRIC_net_unanswerable_total, 1);
        size = sizeof(refusal) - 1;
        uint8_t *room = conn_send_room(net, word->conn, (uint32_t)size);
        if (!room)
            return;
        memcpy(room, refusal, size);
    } else {
        uint8_t *room = conn_send_room(net, word->conn, (uint32_t)size);
        if (!room)
            return;
        word->text = (struct text){(char *)room, (char *)room + size, 0};
        text_bytes(&word->text, front, front_size);
        write(word);
        size = (uint64_t)(word->text.at - (char *)room);
    }
    stream_tx_commit(word->conn->stream, (uint32_t)size);
    conn_close(net, word->conn, true);
}

static void fourletter_facts_get(struct net *net, struct fourletter_facts *facts)
{
    *facts = (struct fourletter_facts){.serving = true};
    if (net->config.words.facts)
        net->config.words.facts(net->config.words.facts_self, facts);
    facts->serving = facts->serving && (net->read_only || core_state_has_leader(net->parts.state));
}

static void fourletter_not_serving(struct fourletter_word *word)
{
    text_add(&word->text, "This ZooKeeper instance is not currently serving requests\n");
}

static void fourletter_denied(struct fourletter_word *word)
{
    uint32_t i = (uint32_t)word->arg;
    text_add(&word->text, "%s is not executed because it is not in the whitelist.\n",
             fourletter_entries[i].word);
}

/* Asks APPLY for sessions and ephemerals; fourletter_dump goes on when they come. */
static void fourletter_ask(struct net *net, struct conn *conn)
{
    struct command *command = net_command_room(net, COMMAND_QUERY, 0);
    if (!command) {
        conn_close(net, conn, false);
        return;
    }
    command->op = COMMAND_OP_DUMP;
    command->conn = conn_token(conn);
    net_command_done(net, command);
    conn->wait = CONN_WAIT_SESSION; /* nothing more is read */
}

void fourletter_serve(struct net *net, struct conn *conn, const char *name, uint64_t arg)
{
    struct fourletter_word word = {.net = net, .conn = conn, .arg = arg};
    uint32_t i = fourletter_index(name);
    CHECK(i < FOURLETTER_COUNT);
    const struct fourletter_entry *entry = &fourletter_entries[i];

    fourletter_facts_get(net, &word.facts);
    if (net->config.words.denied & 1u << i) {
        word.arg = i;
        fourletter_send(&word, fourletter_denied, "", 0);
    } else if ((!word.facts.serving && !entry->always) || (!entry->write && net->read_only)) {
        fourletter_send(&word, fourletter_not_serving, "", 0);
    } else if (!entry->write) {
        fourletter_ask(net, conn);
    } else {
        fourletter_send(&word, entry->write, "", 0);
    }
}

void fourletter_dump(struct net *net, struct conn *conn, const char *text, uint32_t size)
{
    struct fourletter_word word = {.net = net, .conn = conn};
    fourletter_facts_get(net, &word.facts);
    fourletter_send(&word, fourletter_conns_dump, text, size);
}
