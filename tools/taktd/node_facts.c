/* What the four-letter words tell of the node beyond NET's own page. */
#include "tools/taktd/node_parts.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>

static uint64_t facts_fds_open(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");

    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the one this look took */
}

void node_facts(void *self, struct fourletter_facts *facts)
{
    const struct node *node = self;
    const struct counters_book *book = &node->book;
    struct rlimit files = {0};

    memset(facts, 0, sizeof(*facts));
    getrlimit(RLIMIT_NOFILE, &files);
    facts->sessions = counters_sum(book, METRIC_apply_sessions);
    facts->ephemerals = counters_sum(book, METRIC_apply_ephemerals);
    facts->log_size = counters_sum(book, METRIC_disk_log_bytes);
    facts->snapshot_size = counters_sum(book, METRIC_snap_bytes);
    facts->fds_open = facts_fds_open();
    facts->fds_max = files.rlim_cur;
    facts->proposal_last = counters_sum(book, METRIC_core_proposal_last_bytes);
    facts->proposal_min = counters_sum(book, METRIC_core_proposal_min_bytes);
    facts->proposal_max = counters_sum(book, METRIC_core_proposal_max_bytes);
    facts->serving = true;
}

void node_words(const struct config_words *words, char *list, size_t size)
{
    size_t used = 0;

    list[0] = '\0';
    for (uint32_t i = 0; i < words->count; i++) {
        size_t n = strlen(words->word[i]);
        if (used + n + 2 > size)
            return; /* sized for CONFIG_WORDS_MAX of them */
        if (used)
            list[used++] = ',';
        memcpy(list + used, words->word[i], n + 1);
        used += n;
    }
}
