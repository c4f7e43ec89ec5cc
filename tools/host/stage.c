#include "tools/host/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE_CGROUP "/sys/fs/cgroup"
#define STAGE_ABSENT "-" /* before: the file was not there */

const struct stage_text stage_texts[STAGE_COUNT] = {
    [STAGE_CPUSET] = {"cpuset", "isolated cgroup partition",
                      "the scheduler then puts nobody else on the hot cpus, as isolcpus does at "
                      "boot"},
    [STAGE_IRQ] = {"irq", "interrupts off the hot cpus",
                   "each costs the core it arrives on 2 to 10 us"},
    [STAGE_SLEEP] = {"sleep", "no deep sleep on the hot cpus",
                     "waking from a deep state takes 50 to 130 us; only these cpus pay for it"},
    [STAGE_KWORK] = {"kwork", "kernel work off the hot cpus",
                     "unbound work of file systems and drivers runs for up to milliseconds"},
};

/* ---- what differs -----------------------------------------------------------------------------
 */

struct stage_make {
    const struct host *host;
    const struct plan *plan;
    struct stage_list *list;
    bool full;
};

static void stage_edit(struct stage_make *make, enum stage_kind stage, enum stage_edit_kind kind,
                       const char *path, const char *before, const char *after)
{
    if (make->list->count == STAGE_EDITS_MAX) {
        make->full = true;
        return;
    }
    struct stage_edit *edit = &make->list->edits[make->list->count++];
    edit->stage = stage;
    edit->kind = kind;
    snprintf(edit->path, sizeof(edit->path), "%s", path);
    snprintf(edit->before, sizeof(edit->before), "%s", before);
    snprintf(edit->after, sizeof(edit->after), "%s", after);
}

static void stage_cpuset(struct stage_make *make)
{
    const struct sysroot *root = &make->host->root;
    struct cpulist own = cpulist_or(&make->plan->hot, &make->plan->spare);
    struct cpulist bare = cpulist_without(&make->plan->hot, &make->host->isolated);
    char *found = make->list->found[STAGE_CPUSET], cpus[256], text[STAGE_TEXT_SIZE];
    bool ready = sysroot_text(root, text, sizeof(text), STAGE_CGROUP "/cgroup.controllers") &&
                 host_word(text, "cpuset");

    make->list->possible[STAGE_CPUSET] = ready || cpulist_is_empty(&bare);
    if (cpulist_is_empty(&bare)) {
        snprintf(found, STAGE_TEXT_SIZE, "the hot cpus %s are isolated already",
                 cpulist_print(&make->plan->hot, cpus, sizeof(cpus)));
        return;
    }
    if (!ready) {
        snprintf(found, STAGE_TEXT_SIZE,
                 "no cgroup v2 with the controller cpuset in " STAGE_CGROUP
                 ": only the boot line can isolate here");
        return;
    }
    cpulist_print(&own, cpus, sizeof(cpus));
    snprintf(found, STAGE_TEXT_SIZE,
             "cpus %.120s are not isolated; taktd is to be started in the "
             "cgroup: echo $$ >" STAGE_CGROUP "/takt/cgroup.procs, then taktd",
             cpus);
    if (!sysroot_text(root, text, sizeof(text), STAGE_CGROUP "/cgroup.subtree_control") ||
        !host_word(text, "cpuset"))
        stage_edit(make, STAGE_CPUSET, STAGE_WRITE, STAGE_CGROUP "/cgroup.subtree_control",
                   "-cpuset", "+cpuset");
    if (!sysroot_exists(root, STAGE_CGROUP "/takt"))
        stage_edit(make, STAGE_CPUSET, STAGE_MKDIR, STAGE_CGROUP "/takt", STAGE_ABSENT, "");
    if (!sysroot_text(root, text, sizeof(text), STAGE_CGROUP "/takt/cpuset.cpus"))
        strcpy(text, STAGE_ABSENT);
    if (strcmp(text, cpus) != 0)
        stage_edit(make, STAGE_CPUSET, STAGE_WRITE, STAGE_CGROUP "/takt/cpuset.cpus", text, cpus);
    if (!sysroot_text(root, text, sizeof(text), STAGE_CGROUP "/takt/cpuset.cpus.partition"))
        strcpy(text, "member");
    if (strcmp(text, "isolated") != 0)
        stage_edit(make, STAGE_CPUSET, STAGE_WRITE, STAGE_CGROUP "/takt/cpuset.cpus.partition",
                   text, "isolated");
}

static void stage_irq(struct stage_make *make)
{
    static char names[2048][SYSROOT_NAME_SIZE];
    uint32_t count = sysroot_names(&make->host->root, names, 2048, "/proc/irq"), seen = 0;
    uint32_t begin = make->list->count;
    char text[1024], path[160], after[STAGE_TEXT_SIZE];
    struct cpulist now, keep;

    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/proc/irq/%.63s/smp_affinity_list", names[i]);
        if (!sysroot_text(&make->host->root, text, sizeof(text), "%s", path) ||
            cpulist_parse(text, &now) != 0)
            continue;
        seen++;
        keep = cpulist_without(&now, &make->plan->hot);
        if (memcmp(&keep, &now, sizeof(now)) == 0)
            continue;
        if (cpulist_is_empty(&keep))
            keep = make->plan->rest;
        stage_edit(make, STAGE_IRQ, STAGE_WRITE, path, text,
                   cpulist_print(&keep, after, sizeof(after)));
    }
    if (sysroot_text(&make->host->root, text, sizeof(text), "/proc/irq/default_smp_affinity") &&
        cpulist_parse_mask(text, &now) == 0) {
        keep = cpulist_without(&now, &make->plan->hot);
        if (memcmp(&keep, &now, sizeof(now)) != 0 && !cpulist_is_empty(&keep))
            stage_edit(make, STAGE_IRQ, STAGE_WRITE, "/proc/irq/default_smp_affinity", text,
                       cpulist_print_mask(&keep, after, sizeof(after)));
    }
    make->list->possible[STAGE_IRQ] = seen > 0;
    snprintf(make->list->found[STAGE_IRQ], STAGE_TEXT_SIZE,
             "%u of %u masks let hot cpus take interrupts", make->list->count - begin, seen + 1);
}

static void stage_sleep(struct stage_make *make)
{
    char text[64], path[160];
    uint32_t seen = 0, begin = make->list->count;

    for (uint32_t cpu = cpulist_next(&make->plan->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&make->plan->hot, cpu + 1)) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/power/pm_qos_resume_latency_us",
                 cpu);
        if (!sysroot_text(&make->host->root, text, sizeof(text), "%s", path))
            continue;
        seen++;
        /* the kernel's words: 0 = no constraint, n/a = no latency at all */
        if (strcmp(text, "n/a") != 0)
            stage_edit(make, STAGE_SLEEP, STAGE_WRITE, path, text, "n/a");
    }
    make->list->possible[STAGE_SLEEP] = seen > 0;
    snprintf(make->list->found[STAGE_SLEEP], STAGE_TEXT_SIZE,
             seen ? "%u of %u hot cpus may sleep deeply" : "no per-cpu PM QoS here",
             make->list->count - begin, seen);
}

static void stage_kwork(struct stage_make *make)
{
    static const char *const paths[] = {"/sys/devices/virtual/workqueue/cpumask",
                                        "/sys/devices/virtual/workqueue/writeback/cpumask"};
    char text[1024], after[STAGE_TEXT_SIZE];
    uint32_t seen = 0, begin = make->list->count;
    struct cpulist now, keep;

    for (int i = 0; i < 2; i++) {
        if (!sysroot_text(&make->host->root, text, sizeof(text), "%s", paths[i]) ||
            cpulist_parse_mask(text, &now) != 0)
            continue;
        seen++;
        keep = cpulist_without(&now, &make->plan->hot);
        if (memcmp(&keep, &now, sizeof(now)) != 0 && !cpulist_is_empty(&keep))
            stage_edit(make, STAGE_KWORK, STAGE_WRITE, paths[i], text,
                       cpulist_print_mask(&keep, after, sizeof(after)));
    }
    make->list->possible[STAGE_KWORK] = seen > 0;
    snprintf(make->list->found[STAGE_KWORK], STAGE_TEXT_SIZE,
             "%u of %u masks of kernel work include hot cpus", make->list->count - begin, seen);
}

int stage_make(const struct host *host, const struct plan *plan, struct stage_list *list,
               struct fault *fault)
{
    struct stage_make make = {host, plan, list, false};

    memset(list, 0, sizeof(*list));
    stage_cpuset(&make);
    stage_irq(&make);
    stage_sleep(&make);
    stage_kwork(&make);
    return make.full
               ? fault_set(fault, ERR_LIMIT, "more than %d files would change", STAGE_EDITS_MAX)
               : 0;
}

/* ---- doing and undoing ------------------------------------------------------------------------
 */

static int stage_write(const struct sysroot *root, const char *path, const char *text)
{
    char full[SYSROOT_PATH_SIZE];
    int fd =
        open(sysroot_path(root, full, "%s", path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int os_error = 0;

    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        os_error = errno ? errno : EIO;
    if (close(fd) != 0 && !os_error)
        os_error = errno;
    return os_error;
}

static int stage_do(const struct sysroot *root, const struct stage_edit *edit)
{
    char full[SYSROOT_PATH_SIZE];

    if (edit->kind == STAGE_WRITE)
        return stage_write(root, edit->path, edit->after);
    sysroot_path(root, full, "%s", edit->path);
    return mkdir(full, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

/* A file that was not there belongs to a folder of ours: the kernel's go with it. */
static int stage_undo_one(const struct sysroot *root, const struct stage_edit *edit)
{
    char full[SYSROOT_PATH_SIZE];

    sysroot_path(root, full, "%s", edit->path);
    if (edit->kind == STAGE_MKDIR) {
        char files[64][SYSROOT_NAME_SIZE], file[SYSROOT_PATH_SIZE];
        if (*root->path != '\0') { /* a tree of files has no kernel that removes them */
            uint32_t count = sysroot_names(root, files, 64, "%s", edit->path);
            for (uint32_t i = 0; i < count; i++)
                unlink(sysroot_path(root, file, "%s/%s", edit->path, files[i]));
        }
        return rmdir(full) == 0 || errno == ENOENT ? 0 : errno;
    }
    if (strcmp(edit->before, STAGE_ABSENT) == 0)
        return 0;
    return stage_write(root, edit->path, edit->before);
}

/* One line, on the disk before anything that it speaks of. */
static bool stage_note(int fd, const struct stage_edit *edit)
{
    return dprintf(fd, "%d\t%d\t%s\t%s\t%s\n", edit->stage, edit->kind, edit->path, edit->before,
                   edit->after) > 0 &&
           fdatasync(fd) == 0;
}

int stage_apply(const struct sysroot *root, struct stage_list *list, const char *journal,
                struct fault *fault)
{
    if (list->count == 0)
        return 0;
    int fd = open(journal, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST
                   ? fault_set(fault, ERR_EXISTS, "%s exists: takt cores undo first", journal)
                   : fault_set(fault, ERR_IO, "%s: %s", journal, strerror(errno));
    for (uint32_t i = 0; i < list->count; i++) {
        struct stage_edit *edit = &list->edits[i];
        bool noted = stage_note(fd, edit);
        if (noted)
            edit->os_error = stage_do(root, edit);
        if (edit->stage == STAGE_IRQ && edit->os_error == EIO) { /* irq_can_set_affinity_usr: no */
            edit->kind = STAGE_KEPT;
            edit->os_error = 0;
            noted = stage_note(fd, edit);
        }
        if (!noted) {
            close(fd);
            return fault_set(fault, ERR_IO, "%s: %s; stopped at %s", journal, strerror(errno),
                             edit->path);
        }
    }
    close(fd);
    return 0;
}

/* "stage\tkind\tpath\tbefore\tafter" */
static bool stage_parse(char *row, struct stage_edit *edit)
{
    char *fields[5], *at = row;

    for (int i = 0; i < 5; i++) {
        fields[i] = at;
        at = i < 4 ? strchr(at, '\t') : at + strlen(at);
        if (at == NULL)
            return false;
        if (i < 4)
            *at++ = '\0';
    }
    int stage = atoi(fields[0]), kind = atoi(fields[1]);
    if (stage < 0 || stage >= STAGE_COUNT || kind < 0 || kind > STAGE_KEPT || *fields[2] != '/' ||
        strstr(fields[2], "/../") || strlen(fields[2]) >= sizeof(edit->path) ||
        strlen(fields[3]) >= STAGE_TEXT_SIZE || strlen(fields[4]) >= STAGE_TEXT_SIZE)
        return false;
    *edit =
        (struct stage_edit){.stage = (enum stage_kind)stage, .kind = (enum stage_edit_kind)kind};
    strcpy(edit->path, fields[2]);
    strcpy(edit->before, fields[3]);
    strcpy(edit->after, fields[4]);
    return true;
}

/* A row of a journal: one more edit, or the word that the last one was refused. */
static bool stage_read_row(struct stage_list *list, char *row)
{
    struct stage_edit edit, *last = list->count ? &list->edits[list->count - 1] : NULL;

    if (list->count == STAGE_EDITS_MAX || !stage_parse(row, &edit))
        return false;
    if (edit.kind != STAGE_KEPT)
        list->edits[list->count++] = edit;
    else if (last && strcmp(last->path, edit.path) == 0)
        last->kind = STAGE_KEPT;
    else
        return false;
    return true;
}

/* Returns 0, ERR_NOTFOUND or ERR_CORRUPT. */
static int stage_read(const char *journal, struct stage_list *list, struct fault *fault)
{
    const struct sysroot here = {""};
    char *text = sysroot_all(&here, "%s", journal), *next = NULL;
    uint32_t line = 0;
    int err = 0;

    list->count = 0;
    if (text == NULL)
        return fault_set(fault, ERR_NOTFOUND, "%s cannot be read: nothing to undo?", journal);
    for (char *row = strtok_r(text, "\n", &next); row && !err; row = strtok_r(NULL, "\n", &next)) {
        line++;
        if (!stage_read_row(list, row))
            err = fault_set(fault, ERR_CORRUPT, "%s: line %u is no edit; nothing was undone",
                            journal, line);
    }
    free(text);
    return err;
}

static bool stage_is_kept(const struct stage_list *list, const char *path)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->edits[i].kind == STAGE_KEPT && strcmp(list->edits[i].path, path) == 0)
            return true;
    return false;
}

uint32_t stage_forget_kept(struct stage_list *list, const char *journal)
{
    static struct stage_list before;
    struct fault fault;
    uint32_t left = 0, count = list->count;

    if (stage_read(journal, &before, &fault) != 0)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (!stage_is_kept(&before, list->edits[i].path))
            list->edits[left++] = list->edits[i];
    list->count = left;
    return count - left;
}

int stage_undo(const struct sysroot *root, struct stage_list *list, const char *journal,
               struct fault *fault)
{
    uint32_t failed = 0;

    memset(list, 0, sizeof(*list));
    int err = stage_read(journal, list, fault);
    if (err)
        return err;
    for (uint32_t i = list->count; i-- > 0;) {
        if (list->edits[i].kind == STAGE_KEPT)
            continue; /* it is as it was */
        list->edits[i].os_error = stage_undo_one(root, &list->edits[i]);
        failed += list->edits[i].os_error != 0;
    }
    if (failed)
        return fault_set(fault, ERR_IO, "%u of %u changes could not be undone; %s stays", failed,
                         list->count, journal);
    return unlink(journal) == 0 ? 0 : fault_set(fault, ERR_IO, "%s: %s", journal, strerror(errno));
}
