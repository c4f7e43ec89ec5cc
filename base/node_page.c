#include "base/node_page.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char node_page_magic[8] = "TAKTPAGE";

/* Everything whose change would make another build read wrong numbers, though the size agrees. */
static uint64_t node_page_layout(void)
{
    uint64_t sum = METRIC_COUNT;
    const char *names = "";

    for (int i = 0; i < METRIC_COUNT; i++) {
        names = counters_text((enum metric)i)->name;
        for (; *names; names++)
            sum = sum * 1099511628211ull + (unsigned char)*names;
    }
    sum = sum * 31 + offsetof(struct node_page, status);
    sum = sum * 31 + offsetof(struct node_page, roles);
    sum = sum * 31 + offsetof(struct node_page, links);
    return sum * 31 + offsetof(struct node_page, rings);
}

static void node_page_boot_id(char *to, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, to, size - 1);

    if (fd >= 0)
        close(fd);
    to[got > 0 ? got : 0] = '\0';
    to[strcspn(to, "\n")] = '\0';
}

static void node_page_init(struct node_page *page)
{
    memcpy(page->magic, node_page_magic, sizeof(page->magic));
    page->version = NODE_PAGE_VERSION;
    page->size = sizeof(*page);
    page->layout = node_page_layout();
    page->pid = getpid();
    node_page_boot_id(page->boot_id, sizeof(page->boot_id));
    for (int i = 0; i < TRACE_STEPS; i++)
        hist_init(&page->steps[i].all);
}

void node_page_reset(struct node_page *page)
{
    /* of the rings, what was used: the file has no room for the others */
    for (uint32_t i = 0; i < page->ring_count; i++)
        memset(&page->rings[i], 0, sizeof(page->rings[i]));
    memset(page, 0, offsetof(struct node_page, rings));
    node_page_init(page);
}

void node_page_remove(const char *path, struct node_page *page)
{
    unlink(path);
    node_page_close(page);
}

int node_page_path(const char *data_dir, char path[NODE_PAGE_PATH_MAX])
{
    char real[PATH_MAX];
    uint64_t hash = 14695981039346656037ull; /* FNV-1a: a name, not a secret */

    if (!realpath(data_dir, real))
        return ERR_NOTFOUND;
    for (const char *at = real; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
    int n = snprintf(path, NODE_PAGE_PATH_MAX, NODE_PAGE_DIR "/takt-%u-%016" PRIx64,
                     (unsigned)geteuid(), hash);
    CHECK(n > 0 && n < (int)NODE_PAGE_PATH_MAX);
    return 0;
}

void node_page_data(struct node_page *page, const char *data_dir)
{
    char real[PATH_MAX];

    snprintf(page->data_dir, sizeof(page->data_dir), "%s",
             realpath(data_dir, real) && strlen(real) < sizeof(page->data_dir) ? real : data_dir);
}

/* Puts the page of a node that ended out of the way. */
static int node_page_clear(const char *path, struct fault *fault)
{
    struct stat stat;
    const struct node_page *old;
    struct fault ignored;

    if (lstat(path, &stat) != 0)
        return 0;
    if (stat.st_uid != geteuid() || !S_ISREG(stat.st_mode))
        return fault_set(fault, ERR_IO, "%s is somebody else's", path);
    if (node_page_open(path, &old, &ignored) == 0) {
        bool crashed = atomic_load(&old->state) == NODE_PAGE_RUNNING;
        char kept[NODE_PAGE_PATH_MAX + 16];
        node_page_close(old);
        snprintf(kept, sizeof(kept), "%s.crashed", path);
        if (crashed && rename(path, kept) == 0)
            return 0;
    }
    if (unlink(path) != 0)
        return fault_set(fault, ERR_IO, "%s cannot be replaced: %s", path, strerror(errno));
    return 0;
}

/* What killed nodes of tests and of containers leave behind would fill the memory in the end. */
static void node_page_sweep(void)
{
    char paths[NODE_PAGE_LIST_MAX][NODE_PAGE_PATH_MAX];
    uint32_t count = node_page_list(paths, NODE_PAGE_LIST_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const struct node_page *page;
        struct fault ignored;
        struct stat stat;
        if (lstat(paths[i], &stat) != 0 || stat.st_uid != geteuid() ||
            node_page_open(paths[i], &page, &ignored) != 0)
            continue;
        if (!node_page_alive(page) && access(page->data_dir, F_OK) != 0 && errno == ENOENT)
            unlink(paths[i]);
        node_page_close(page);
    }
}

int node_page_create(const char *path, uint32_t ring_count, struct node_page **to,
                     struct fault *fault)
{
    uint64_t used = offsetof(struct node_page, rings) + ring_count * sizeof(struct node_page_ring);
    int err = node_page_clear(path, fault);

    CHECK(ring_count <= NODE_PAGE_RINGS);
    node_page_sweep();

    if (err)
        return err;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
    void *at = MAP_FAILED;
    /* Room is taken now: a role that met a full /dev/shm would be killed by SIGBUS. */
    if (posix_fallocate(fd, 0, (off_t)used) == 0 && ftruncate(fd, sizeof(struct node_page)) == 0)
        at = mmap(NULL, sizeof(struct node_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) {
        unlink(path);
        return fault_set(fault, ERR_NOMEM, "%s: no room for %zu KiB", path, (size_t)used >> 10);
    }
    *to = at;
    node_page_init(*to);
    return 0;
}

int node_page_open(const char *path, const struct node_page **to, struct fault *fault)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fault_set(fault, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", path,
                         strerror(errno));
    const struct node_page *page = MAP_FAILED;
    if (fstat(fd, &stat) != 0)
        stat.st_size = 0;
    bool whole = (uint64_t)stat.st_size >= sizeof(*page);
    if (whole)
        page = mmap(NULL, sizeof(*page), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (whole && page == MAP_FAILED)
        return fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
    if (!whole && stat.st_size == 0)
        return fault_set(fault, ERR_CORRUPT, "%s is not a node's page", path);
    if (whole && memcmp(page->magic, node_page_magic, sizeof(page->magic)) != 0) {
        node_page_close(page);
        return fault_set(fault, ERR_CORRUPT, "%s is not a node's page", path);
    }
    if (whole && page->version == NODE_PAGE_VERSION && page->size == sizeof(*page) &&
        page->layout == node_page_layout()) {
        *to = page;
        return 0;
    }
    if (whole)
        node_page_close(page);
    return fault_set(fault, ERR_VERSION,
                     "%s is a page of another build: use the takt that came with that taktd", path);
}

void node_page_close(const struct node_page *page)
{
    munmap((void *)page, sizeof(*page));
}

bool node_page_alive(const struct node_page *page)
{
    char boot_id[sizeof(page->boot_id)];

    node_page_boot_id(boot_id, sizeof(boot_id));
    if (strcmp(boot_id, page->boot_id) != 0)
        return false;
    return kill((pid_t)page->pid, 0) == 0 || errno == EPERM;
}

/* ---- finding pages --------------------------------------------------------------------------- */

uint32_t node_page_list(char (*paths)[NODE_PAGE_PATH_MAX], uint32_t max)
{
    struct timespec times[NODE_PAGE_LIST_MAX];
    uint32_t count = 0;
    DIR *dir = opendir(NODE_PAGE_DIR);

    if (max > NODE_PAGE_LIST_MAX)
        max = NODE_PAGE_LIST_MAX;
    for (struct dirent *entry; dir && (entry = readdir(dir)) && count < max;) {
        char path[NODE_PAGE_PATH_MAX];
        const struct node_page *page;
        struct fault ignored;
        struct stat stat;
        if (strncmp(entry->d_name, "takt-", 5) != 0 || strlen(entry->d_name) > 50)
            continue;
        snprintf(path, sizeof(path), NODE_PAGE_DIR "/%.50s", entry->d_name);
        if (lstat(path, &stat) != 0 || node_page_open(path, &page, &ignored) != 0)
            continue;
        node_page_close(page);
        uint32_t at = count++;
        for (; at > 0 && times[at - 1].tv_sec < stat.st_ctim.tv_sec; at--) {
            times[at] = times[at - 1];
            memcpy(paths[at], paths[at - 1], NODE_PAGE_PATH_MAX);
        }
        times[at] = stat.st_ctim;
        memcpy(paths[at], path, NODE_PAGE_PATH_MAX);
    }
    if (dir)
        closedir(dir);
    return count;
}

/* ---- CTL's part ------------------------------------------------------------------------------ */

static void node_page_way(void *self, const struct trace_way *way)
{
    struct node_page_watch *watch = self;
    uint64_t ns;

    for (int step = 0; step < TRACE_STEPS; step++)
        if (trace_step_ns(way, (enum trace_step)step, &ns))
            hist_record(&watch->page->steps[step].all, ns);
}

static void node_page_publish(struct node_page_step *step)
{
    const struct hist *all = &step->all;

    if (all->count == atomic_load_explicit(&step->count, memory_order_relaxed))
        return;
    atomic_store_explicit(&step->p50_ns, hist_percentile(all, 50), memory_order_relaxed);
    atomic_store_explicit(&step->p99_ns, hist_percentile(all, 99), memory_order_relaxed);
    atomic_store_explicit(&step->p999_ns, hist_percentile(all, 99.9), memory_order_relaxed);
    atomic_store_explicit(&step->max_ns, all->max_ns, memory_order_relaxed);
    atomic_store_explicit(&step->count, all->count, memory_order_relaxed);
}

/* Why the leader is the leader: CORE gives a pointer to a literal, which says nothing outside. */
static void node_page_reason(struct node_page *page)
{
    const char *reason = atomic_load_explicit(&page->status.reason, memory_order_relaxed);
    char text[sizeof(page->reason_text)] = "";

    if (reason)
        snprintf(text, sizeof(text), "%s", reason);
    for (size_t i = 0; i < sizeof(text) / 8; i++) {
        uint64_t word;
        memcpy(&word, text + 8 * i, 8);
        atomic_store_explicit(&page->reason_text[i], word, memory_order_relaxed);
    }
}

void node_page_look(struct node_page_watch *watch, struct now now)
{
    struct node_page *page = watch->page;
    uint64_t ends[NODE_PAGE_RINGS];

    /* The ring in which a way ends first: then what its other stages stamped is there, too. */
    for (uint32_t i = 0; i < page->ring_count; i++)
        ends[i] = 0;
    for (int nets = 1; nets >= 0; nets--)
        for (uint32_t i = 0; i < page->ring_count; i++)
            if ((strcmp(page->rings[i].role, "net") == 0) == nets)
                ends[i] = trace_head(&page->rings[i].ring);
    for (int nets = 0; nets <= 1; nets++)
        for (uint32_t i = 0; i < page->ring_count; i++)
            if ((strcmp(page->rings[i].role, "net") == 0) == nets)
                trace_collect(&watch->join, &page->rings[i].ring, &watch->at[i], ends[i],
                              &watch->lost, node_page_way, watch);
    for (int i = 0; i < TRACE_STEPS; i++)
        node_page_publish(&page->steps[i]);
    node_page_reason(page);
    atomic_store_explicit(&page->lost_stamps, watch->lost, memory_order_relaxed);
    atomic_store_explicit(&page->seen_ms, now.wall_ms, memory_order_relaxed);
    atomic_store_explicit(&page->seen_ns, now.mono_ns, memory_order_release);
}
