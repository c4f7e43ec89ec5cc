/* Words about the process and its settings: conf, envi, dirs, isro, ruok, hash, gtmk, stmk. */
#include "dataplane/fourletter_word.h"

#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FOURLETTER_TRACE_MASK 306 /* what the reference prints when nobody has set it */

void fourletter_info_conf(struct fourletter_word *word)
{
    const struct net_config *config = &word->net->config;
    const struct fourletter_config *words = &config->words;
    struct text *text = &word->text;
    text_add(text, "clientPort=%u\nsecureClientPort=-1\n", words->client_port);
    text_add(text, "dataDir=%s\ndataDirSize=%lu\n", words->data_dir, word->facts.snapshot_size);
    text_add(text, "dataLogDir=%s\ndataLogSize=%lu\n", words->log_dir, word->facts.log_size);
    text_add(text, "tickTime=%d\nmaxClientCnxns=%u\n", config->tick_ms, config->conns_per_address);
    text_add(text, "minSessionTimeout=%d\nmaxSessionTimeout=%d\n", config->timeout_ms_min,
             config->timeout_ms_max);
    text_add(text, "clientPortListenBacklog=-1\nserverId=%u\n", words->server_id);
    text_add(text, "durabilityMode=%s\n", words->memory ? "memory" : "disk");
    fourletter_ensemble_conf(word);
}

/* Only system calls that answer from the kernel's memory: a word must not wait for a disk. */
void fourletter_info_envi(struct fourletter_word *word)
{
    struct text *text = &word->text;
    struct utsname os = {0};
    struct sysinfo memory = {0};
    const char *user = getenv("USER"), *home = getenv("HOME"), *dir = getenv("PWD");
    uname(&os);
    sysinfo(&memory);
    text_add(text, "Environment:\nzookeeper.version=%s, built on %s\n",
             word->net->config.words.version, word->net->config.words.built);
    text_add(text, "host.name=%s\n", os.nodename);
    text_add(text, "os.name=%s\nos.arch=%s\nos.version=%s\n", os.sysname, os.machine, os.release);
    text_add(text, "user.name=%s\nuser.home=%s\nuser.dir=%s\n", user ? user : "?",
             home ? home : "?", dir ? dir : "?");
    text_add(text, "os.memory.free=%luMB\nos.memory.max=%luMB\nos.memory.total=%luMB\n",
             memory.freeram * memory.mem_unit >> 20, memory.totalram * memory.mem_unit >> 20,
             memory.totalram * memory.mem_unit >> 20);
}

void fourletter_info_dirs(struct fourletter_word *word)
{
    text_add(&word->text, "datadir_size: %lu\nlogdir_size: %lu\n", word->facts.snapshot_size,
             word->facts.log_size);
}

void fourletter_info_isro(struct fourletter_word *word)
{
    text_add(&word->text, "%s", word->net->read_only ? "ro" : word->facts.serving ? "rw" : "null");
}

void fourletter_info_ruok(struct fourletter_word *word)
{
    text_add(&word->text, "imok");
}

/* The reference lists tree digests of every 128th zxid when digests are on. Ours are another
 * function of the state, so the list is empty, as with digests off. */
void fourletter_info_hash(struct fourletter_word *word)
{
}

void fourletter_info_gtmk(struct fourletter_word *word)
{
    text_add(&word->text, "%d", FOURLETTER_TRACE_MASK);
}

/* There are no trace masks here; the answer is the reference's. */
void fourletter_info_stmk(struct fourletter_word *word)
{
    text_add(&word->text, "%ld", (int64_t)word->arg);
}
