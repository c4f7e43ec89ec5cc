#include "consensus/role_disk.h"

#include "base/check.h"
#include "consensus/disk_chores.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>

int role_disk_init(struct role_disk *disk, const struct role_disk_config *config, struct wal *wal)
{
    memset(disk, 0, sizeof(*disk));
    CHECK(config->tail && config->core_disk && config->disk_core && config->failed);
    if (wal->config.segment_size < 4ull * config->tail->batch_size_max)
        return ERR_RANGE;
    disk->config = *config;
    disk->wal = wal;
    disk->room_told = UINT64_MAX; /* so that the first turn tells, also when there is none */
    return 0;
}

static void disk_fail(struct role_disk *disk, int err)
{
    CHECK(!disk->stopped);
    fault_wrap(&disk->fault, err, "the log cannot be written, the node stops");
    disk->stopped = true;
    disk->config.failed(disk->config.failed_self, &disk->fault);
}

static void disk_count(struct role_disk *disk, const struct wal_event *event)
{
    struct counters *page = disk->config.page;
    if (event->elapsed_ns > disk->worst_ns)
        disk->worst_ns = event->elapsed_ns;
    if (!page)
        return;
    counters_add(page, METRIC_disk_writes_total, 1);
    counters_add(page, METRIC_disk_written_bytes_total, event->size);
    counters_add(page, METRIC_disk_sync_ns_total, event->elapsed_ns);
    counters_set(page, METRIC_disk_sync_ns_max, disk->worst_ns);
    counters_set(page, METRIC_disk_segments, wal_segment_count(disk->wal));
    counters_set(page, METRIC_disk_log_bytes,
                 wal_segment_count(disk->wal) * disk->wal->config.segment_size);
    counters_latency(page, event->elapsed_ns);
}

static bool disk_tell(struct role_disk *disk, const struct disk_core *what)
{
    struct disk_core *at = link_reserve(disk->config.disk_core, sizeof(*at));
    if (!at)
        return false;
    *at = *what;
    return true;
}

/* Room first: CORE learns what a batch took before it may send the next one. */
static void disk_answer(struct role_disk *disk)
{
    uint64_t room = wal_room(disk->wal);
    bool no_more = disk->wal->no_space || wal_segment_count(disk->wal) >= WAL_SEGMENTS_MAX;
    struct disk_core say = {
        .kind = DISK_CORE_ROOM, .error = no_more ? ERR_NOSPACE : 0, .index = room};
    if ((room != disk->room_told || say.error != disk->short_told) && disk_tell(disk, &say)) {
        disk->room_told = room;
        disk->short_told = say.error;
    }
    if (disk->durable.kind && disk_tell(disk, &disk->durable))
        disk->durable.kind = 0;
    link_publish(disk->config.disk_core);
}

/* The wal's last batch is on disk: to be told. */
static void disk_note_durable(struct role_disk *disk)
{
    const struct core_disk *batch = &disk->wal->batch;
    CHECK(disk->durable.kind == 0);
    disk->durable = (struct disk_core){.kind = DISK_CORE_DURABLE,
                                       .index = batch->last_index,
                                       .term = batch->term,
                                       .offset = batch->offset + batch->size,
                                       .number = batch->number};
}

static int disk_collect(struct role_disk *disk, struct now now, uint32_t *work)
{
    struct wal_event event;
    int err = wal_poll(disk->wal, now, &event, &disk->fault);
    if (err)
        return err;
    *work += event.work;
    if (event.trim_failed)
        say(SAY_WARN, "an old log segment stays: %s", disk->fault.text);
    if (event.durable_index) {
        const struct core_disk *batch = &disk->wal->batch;
        CHECK(event.durable_index == batch->last_index);
#if TAKT_PLANT != 21
        disk_note_durable(disk);
#endif
        disk->quiet_ns = now.mono_ns;
        disk_count(disk, &event);
    }
    return 0;
}

static int disk_chore(struct role_disk *disk, const struct core_disk *ask, uint32_t size)
{
    struct disk_core answer;
    int err = disk_chores_do(disk, ask, size, &answer);
    if (!err)
        CHECK(disk_tell(disk, &answer)); /* CORE asks for less than the link holds */
    if (!err && answer.kind == DISK_CORE_INSTALLED && answer.error == 0)
        disk->installed = true;
    return err;
}

/* Takes what CORE sent, up to one batch. */
static int disk_take(struct role_disk *disk, uint32_t *work)
{
    struct link *link = disk->config.core_disk;
    const struct core_disk *m;
    uint32_t size;
    int err = 0;
    disk->waits = false;
    while (!err && disk->batch.size == 0 && (m = link_peek(link, &size))) {
        CHECK(size >= sizeof(*m));
        disk->waits = disk_chores_waits(m->kind) && (wal_busy(disk->wal) || disk->durable.kind);
        if (disk->waits)
            break;
        if (disk->installed)
            ; /* never answered */
        else if (m->kind == CORE_DISK_TRIM)
            wal_trim(disk->wal, m->first_index);
        else if (m->kind == CORE_DISK_BATCH)
            disk->batch = *m;
        else
            err = disk_chore(disk, m, size);
        link_pop(link);
        *work += 1;
    }
    link_release(link);
    return err;
}

static int disk_start(struct role_disk *disk, uint32_t *work)
{
    if (disk->batch.size == 0 || disk->wal->state != WAL_IDLE)
        return 0;
    const uint8_t *memory = log_tail_at(disk->config.tail, disk->batch.offset);
    int err = wal_append(disk->wal, &disk->batch, memory, &disk->fault);
    if (err == ERR_NOSPACE)
        return 0; /* it waits for the next segment; CORE was promised less than that */
    if (!err) {
#if TAKT_PLANT == 21
        disk_note_durable(disk);
#endif
        disk->batch.size = 0;
        *work += 1;
    }
    return err;
}

static bool disk_is_quiet(const struct role_disk *disk, struct now now)
{
    return disk->wal->state == WAL_IDLE && disk->batch.size == 0 &&
           now.mono_ns - disk->quiet_ns >= ROLE_DISK_QUIET_NS;
}

static void disk_say_space(struct role_disk *disk)
{
    if (disk->wal->no_space == disk->no_space_said)
        return;
    disk->no_space_said = disk->wal->no_space;
    if (disk->no_space_said)
        say(SAY_WARN,
            "no room for the next log segment: %s; writes are refused when the present "
            "one is nearly full, and accepted again when there is room",
            disk->wal->space.text);
    else
        say(SAY_INFO, "there is room for log segments again");
}

/* The spare segment, and old segments. */
static int disk_housekeep(struct role_disk *disk, struct now now, uint32_t *work)
{
    bool quiet = disk_is_quiet(disk, now),
         waiting = disk->batch.size && disk->wal->state == WAL_IDLE;
    uint32_t done = 0;
    if (disk->waits)
        return 0;
    int err = wal_prepare(disk->wal, now, quiet || waiting, &done, &disk->fault);
    *work += done;
    disk_say_space(disk);
    if (disk->sequence_seen != disk->wal->sequence) { /* keeps pace under load without a pause */
        disk->sequence_seen = disk->wal->sequence;
        disk->trim_credit = 2;
    }
    if (err || done || !(quiet || disk->trim_credit || disk->wal->no_space))
        return err;
    struct fault why;
    if (wal_trim_step(disk->wal, &done, &why))
        say(SAY_WARN, "an old log segment stays: %s", why.text);
    *work += done;
    disk->trim_credit -= disk->trim_credit > 0 ? done : 0;
    return 0;
}

uint32_t role_disk_poll(void *self, struct now now)
{
    struct role_disk *disk = self;
    uint32_t work = 0;
    if (disk->stopped)
        return 0;
    int err = disk_collect(disk, now, &work);
    if (!err) {
        err = disk_take(disk, &work);
    }
    if (!err)
        err = disk_start(disk, &work);
    if (!err)
        err = disk_housekeep(disk, now, &work);
    if (err) {
        disk_fail(disk, err);
        return work;
    }
    disk_answer(disk);
    return work;
}

uint32_t role_disk_finish(void *self, struct now now)
{
    struct role_disk *disk = self;
    uint32_t work = 0;
    if (disk->stopped || disk->batch.size || link_empty(disk->config.core_disk))
        return 0;
    int err = disk_take(disk, &work);
    if (!err)
        err = disk_start(disk, &work);
    if (err)
        disk_fail(disk, err);
    else
        disk_answer(disk);
    return work;
}

bool role_disk_idle(void *self)
{
    struct role_disk *disk = self;
    const struct wal *wal = disk->wal;
    if (disk->stopped)
        return true;
    if (wal_busy(wal) && wal->io->park_fd < 0)
        return false; /* nothing will wake us */
    if (disk->batch.size && wal->state == WAL_IDLE && wal_may_advance(wal))
        return false;
    return link_empty(disk->config.core_disk) && disk->durable.kind == 0;
}

uint64_t role_disk_deadline_ns(void *self, struct now now)
{
    struct role_disk *disk = self;
    const struct wal *wal = disk->wal;
    uint64_t at = UINT64_MAX, quiet_ns = disk->quiet_ns + ROLE_DISK_QUIET_NS;
    if (disk->stopped)
        return at;
    at = wal_prepare_ns(wal);
    bool chores = wal_prepare_wanted(wal, now) || wal_trim_wanted(wal);
    if (chores && wal->state == WAL_IDLE && quiet_ns < at)
        at = quiet_ns;
    return at;
}

int role_disk_park_fds(void *self, int *fds, int max)
{
    struct role_disk *disk = self;
    int fd = disk->wal->io->park_fd;
    if (fd < 0 || max < 1)
        return fd < 0 ? -1 : 0;
    fds[0] = fd;
    return 1;
}

int role_disk_drain(struct role_disk *disk)
{
    int err = disk->stopped ? ERR_IO : 0;
    while (!err && wal_busy(disk->wal)) {
        uint32_t work = 0;
        err = disk_collect(disk, clock_now(), &work);
        if (!work)
            sched_yield();
    }
    return err;
}
