/* wchs, wchc, wchp: the data-watch table, as the reference has it: data and persistent watches of
 * this NET; child watches are not listed. */
#include "dataplane/fourletter_word.h"

#define FOURLETTER_WATCHES (WATCH_DATA | WATCH_PERSISTENT | WATCH_RECURSIVE)

static struct conn *fourletter_watches_conn(struct watch_owner *owner)
{
    return (struct conn *)((uint8_t *)owner - offsetof(struct conn, watches));
}

static void fourletter_watches_count(void *self, struct bytes path)
{
    ++*(uint64_t *)self;
}

static void fourletter_watches_count_path(void *self, struct watch_path *path)
{
    ++*(uint64_t *)self;
}

void fourletter_watches_wchs(struct fourletter_word *word)
{
    const struct net *net = word->net;
    uint64_t conns = 0, paths = 0, watches = 0;
    for (uint32_t slot = 0; slot < net->conns_used; slot++) {
        uint64_t before = watches;
        if (net->conns[slot].state != CONN_FREE)
            watch_each_of(&net->conns[slot].watches, FOURLETTER_WATCHES, fourletter_watches_count,
                          &watches);
        conns += watches > before;
    }
    watch_each_path(&net->watches, FOURLETTER_WATCHES, fourletter_watches_count_path, &paths);
    text_add(&word->text, "%lu connections watching %lu paths\nTotal watches:%lu\n", conns, paths,
             watches);
}

static void fourletter_watches_path_line(void *self, struct bytes path)
{
    struct fourletter_word *word = self;
    text_add(&word->text, "\t");
    text_bytes(&word->text, path.at, (uint64_t)path.size);
    text_add(&word->text, "\n");
}

void fourletter_watches_wchc(struct fourletter_word *word)
{
    const struct net *net = word->net;
    for (uint32_t slot = 0; slot < net->conns_used; slot++) {
        const struct conn *conn = &net->conns[slot];
        uint64_t watches = 0;
        if (conn->state == CONN_FREE)
            continue;
        watch_each_of(&conn->watches, FOURLETTER_WATCHES, fourletter_watches_count, &watches);
        if (watches == 0)
            continue;
        text_add(&word->text, "0x%lx\n", (uint64_t)conn->session);
        watch_each_of(&conn->watches, FOURLETTER_WATCHES, fourletter_watches_path_line, word);
    }
}

static void fourletter_watches_session_line(void *self, struct watch_owner *owner)
{
    struct fourletter_word *word = self;
    text_add(&word->text, "\t0x%lx\n", (uint64_t)fourletter_watches_conn(owner)->session);
}

static void fourletter_watches_path_block(void *self, struct watch_path *path)
{
    struct fourletter_word *word = self;
    struct bytes name = watch_path_name(path);
    text_bytes(&word->text, name.at, (uint64_t)name.size);
    text_add(&word->text, "\n");
    watch_each_owner(path, FOURLETTER_WATCHES, fourletter_watches_session_line, word);
}

void fourletter_watches_wchp(struct fourletter_word *word)
{
    watch_each_path(&word->net->watches, FOURLETTER_WATCHES, fourletter_watches_path_block, word);
}
