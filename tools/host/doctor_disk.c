/* The disk under the data directory: what a durable write goes through. */
#include "tools/host/doctor.h"

#include <stdio.h>
#include <string.h>

#define QUEUE "/sys/block/%s/queue"

static enum doctor_state doctor_disk_none(char *text)
{
    return doctor_is(text, DOCTOR_UNKNOWN, "the data directory's block device was not found");
}

static bool doctor_disk_file(const struct doctor_subject *s, const char *name, char *out,
                             size_t size)
{
    return *s->disk && sysroot_text(&s->host->root, out, size, QUEUE "/%s", s->disk, name);
}

/* File system, its options and its super options, of the mount's line: "... - ext4 dev rw,..." */
static void doctor_disk_mount(const struct doctor_subject *s, char type[64], char options[512])
{
    const char *behind = strstr(s->mount, " - ");
    char own[256] = "", super[256] = "";

    type[0] = '\0';
    if (sscanf(s->mount, "%*s %*s %*s %*s %*s %255s", own) == 1 && behind)
        (void)!sscanf(behind, " - %63s %*s %255s", type, super);
    snprintf(options, 512, "%s,%s", own, super);
}

static bool doctor_disk_option(const char *options, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = options; (at = strstr(at, name)) != NULL; at += n)
        if ((at == options || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static enum doctor_state doctor_disk_device(const struct doctor_subject *s, char *text)
{
    char model[64] = "";
    if (!*s->disk)
        return doctor_disk_none(text);
    sysroot_text(&s->host->root, model, sizeof(model), "/sys/block/%s/device/model", s->disk);
    bool guest = strncmp(s->disk, "vd", 2) == 0 || strncmp(s->disk, "xvd", 3) == 0;
    bool shadow = strncmp(s->disk, "loop", 4) == 0 || strncmp(s->disk, "zram", 4) == 0 ||
                  strncmp(s->disk, "ram", 3) == 0;
    return doctor_is(text,
                     shadow  ? DOCTOR_FAIL
                     : guest ? DOCTOR_WARN
                             : DOCTOR_OK,
                     "%s%s%s%s", s->disk, *model ? ": " : "", model,
                     guest    ? ": a virtual disk; what a flush means is the host's business"
                     : shadow ? ": not a disk"
                              : "");
}

static enum doctor_state doctor_disk_system(const struct doctor_subject *s, char *text)
{
    char type[64], options[512];
    doctor_disk_mount(s, type, options);
    if (!*type)
        return doctor_disk_none(text);
    bool fine = strcmp(type, "ext4") == 0 || strcmp(type, "xfs") == 0;
    bool bad = strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0 ||
               strcmp(type, "rootfs") == 0 || strncmp(type, "nfs", 3) == 0 ||
               strncmp(type, "fuse", 4) == 0 || strcmp(type, "overlay") == 0;
    return doctor_is(text,
                     fine  ? DOCTOR_OK
                     : bad ? DOCTOR_FAIL
                           : DOCTOR_WARN,
                     "the file system is %s", type);
}

static enum doctor_state doctor_disk_barrier(const struct doctor_subject *s, char *text)
{
    char type[64], options[512];
    doctor_disk_mount(s, type, options);
    if (!*type)
        return doctor_disk_none(text);
    bool off = doctor_disk_option(options, "nobarrier") || doctor_disk_option(options, "barrier=0");
    return doctor_is(text, off ? DOCTOR_FAIL : DOCTOR_OK, "%s",
                     off ? "mounted with nobarrier: fdatasync does not reach the medium"
                         : "barriers are on");
}

static enum doctor_state doctor_disk_atime(const struct doctor_subject *s, char *text)
{
    char type[64], options[512];
    doctor_disk_mount(s, type, options);
    if (!*type)
        return doctor_disk_none(text);
    bool fine = doctor_disk_option(options, "noatime") || doctor_disk_option(options, "relatime");
    return doctor_is(text, fine ? DOCTOR_OK : DOCTOR_WARN, "%s",
                     fine ? "reads do not write" : "strictatime: each read writes");
}

static enum doctor_state doctor_disk_discard(const struct doctor_subject *s, char *text)
{
    char type[64], options[512];
    doctor_disk_mount(s, type, options);
    if (!*type)
        return doctor_disk_none(text);
    bool on = doctor_disk_option(options, "discard");
    return doctor_is(text, on ? DOCTOR_WARN : DOCTOR_OK, "%s",
                     on ? "mounted with discard" : "no trimming on each delete");
}

static enum doctor_state doctor_disk_cache(const struct doctor_subject *s, char *text)
{
    char cache[32];
    if (!doctor_disk_file(s, "write_cache", cache, sizeof(cache)))
        return doctor_disk_none(text);
    bool through = strcmp(cache, "write through") == 0;
    return doctor_is(text, through ? DOCTOR_OK : DOCTOR_WARN, "%s says %s%s", s->disk, cache,
                     through ? ": no volatile cache, or a protected one"
                             : ": a volatile cache, each flush goes to the medium");
}

static enum doctor_state doctor_disk_fua(const struct doctor_subject *s, char *text)
{
    char fua[32], cache[32] = "";
    if (!doctor_disk_file(s, "fua", fua, sizeof(fua)))
        return doctor_disk_none(text);
    doctor_disk_file(s, "write_cache", cache, sizeof(cache));
    bool fine = strcmp(fua, "1") == 0 || strcmp(cache, "write through") == 0;
    return doctor_is(text, fine ? DOCTOR_OK : DOCTOR_WARN, "fua is %s%s", fua,
                     fine ? "" : ": O_DSYNC is a write and a whole flush");
}

static enum doctor_state doctor_disk_scheduler(const struct doctor_subject *s, char *text)
{
    char line[128];
    if (!doctor_disk_file(s, "scheduler", line, sizeof(line)))
        return doctor_disk_none(text);
    bool none = strstr(line, "[none]") || strcmp(line, "none") == 0;
    bool fair = strstr(line, "[mq-deadline]") || strstr(line, "[kyber]");
    return doctor_is(text, none ? DOCTOR_OK : fair ? DOCTOR_WARN : DOCTOR_FAIL, "%s", line);
}

static enum doctor_state doctor_disk_rotates(const struct doctor_subject *s, char *text)
{
    char rotational[32];
    if (!doctor_disk_file(s, "rotational", rotational, sizeof(rotational)))
        return doctor_disk_none(text);
    if (strcmp(rotational, "0") == 0)
        return doctor_is(text, DOCTOR_OK, "it does not turn");
    bool guest = strncmp(s->disk, "vd", 2) == 0;
    return doctor_is(text, guest ? DOCTOR_UNKNOWN : DOCTOR_FAIL, "rotational is %s%s", rotational,
                     guest ? ", as of every virtual disk" : "");
}

static enum doctor_state doctor_disk_space(const struct doctor_subject *s, char *text)
{
    if (!s->live.space_known || s->live.space_size == 0)
        return doctor_is(text, DOCTOR_UNKNOWN, "free space was not asked for");
    uint64_t share = s->live.space_free * 100 / s->live.space_size;
    return doctor_is(text,
                     share < 2    ? DOCTOR_FAIL
                     : share < 10 ? DOCTOR_WARN
                                  : DOCTOR_OK,
                     "%llu GiB free, %llu %%", (unsigned long long)(s->live.space_free >> 30),
                     (unsigned long long)share);
}

static enum doctor_state doctor_disk_busy(const struct doctor_subject *s, char *text)
{
    char line[128];
    double share = 0;
    if (!sysroot_text(&s->host->root, line, sizeof(line), "/proc/pressure/io"))
        return doctor_is(text, DOCTOR_NONE, "the kernel has no pressure figures");
    if (sscanf(line, "some avg10=%lf", &share) != 1)
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/pressure/io reads: %.60s", line);
    return doctor_is(text, share < 5 ? DOCTOR_OK : DOCTOR_WARN,
                     "some task waited for a disk in %.2f %% of the last 10 s", share);
}

const struct doctor_check doctor_disk_table[] = {
    {"disk-device", "disk", "The log is as durable as the medium under it.",
     "put data.dir on an NVMe drive with power-loss protection", DOCTOR_B, doctor_disk_device},
    {"disk-system", "file system",
     "Log files are made and zeroed ahead; ext4 and xfs write them "
     "in place.",
     "put data.dir on ext4 or xfs", DOCTOR_C, doctor_disk_system},
    {"disk-barrier", "barriers", "Without them what was acknowledged can be lost with the power.",
     "mount -o remount,barrier=1 {mount}", DOCTOR_C, doctor_disk_barrier},
    {"disk-cache", "write cache",
     "Without power-loss protection a durable write costs 0.5 to 6 "
     "ms, with it 12 to 58 us.",
     "use a drive with power-loss protection (it reports write "
     "through); takt doctor --measure",
     DOCTOR_B, doctor_disk_cache},
    {"disk-fua", "FUA", "One command then makes one block durable.",
     "cat /sys/block/{disk}/queue/fua   # the drive or its controller must have it", DOCTOR_A,
     doctor_disk_fua},
    {"disk-scheduler", "I/O scheduler", "The log's one writer needs no ordering by the kernel.",
     "echo none >/sys/block/{disk}/queue/scheduler", DOCTOR_A, doctor_disk_scheduler},
    {"disk-rotates", "flash", "A turning disk needs 4 to 8 ms for a flush.",
     "put data.dir on flash", DOCTOR_B, doctor_disk_rotates},
    {"disk-atime", "access times", "Reading a snapshot then writes to the disk of the log.",
     "mount -o remount,noatime {mount}", DOCTOR_A, doctor_disk_atime},
    {"disk-discard", "discard",
     "Deleting an old log file then sends trims between the log's "
     "writes.",
     "mount -o remount,nodiscard {mount}; systemctl enable --now fstrim.timer", DOCTOR_A,
     doctor_disk_discard},
    {"disk-space", "free space", "A full disk stops the node's vote.",
     "du -sh data.dir; lower snapshot.kept", DOCTOR_C, doctor_disk_space},
    {"disk-pressure", "disk pressure", "Others' writes stand in the same queue as the log's.",
     "cat /proc/pressure/io; give the log a drive of its own", DOCTOR_A, doctor_disk_busy},
    {0},
};
