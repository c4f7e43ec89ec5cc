/* doctor: what on this machine stands between a node and microseconds. A table of checks, one row
 * each: what is looked at, why it matters to takt, what mends it, and how far a machine that fails
 * it can still be trusted. Checks read files below a sysroot and need no root.
 *
 *   doctor_cpu, doctor_isolation, doctor_memory,   ──▶ doctor_run ──▶ findings ──▶ class A, B or C
 *   doctor_kernel, doctor_nic, doctor_disk: tables        ▲                            │
 *   doctor_measure: gaps, clock, flush, round trips ──────┘ (--measure)        bounds ◀┘
 *
 * A failed check lets the machine be at best `caps`. A doubtful or unreadable one lets it be at
 * best B, if failing would cost the class. Class A must be shown by measurement: without gaps of
 * the hot cores nobody gets more than B.
 *
 * One thread; everything is plain data. */
#pragma once

#include "base/say.h"
#include "tools/host/host.h"

#define DOCTOR_TEXT_SIZE  256
#define DOCTOR_CHECKS_MAX 128
#define DOCTOR_NAME_SIZE  64

enum doctor_class {
    DOCTOR_A, /* qualified: bounds may be promised */
    DOCTOR_B, /* tuned, but others share it: bounds hold as a rule */
    DOCTOR_C, /* functional only: no bound */
};

enum doctor_state {
    DOCTOR_OK,
    DOCTOR_NONE,    /* does not apply here */
    DOCTOR_WARN,    /* could be better, or is doubtful */
    DOCTOR_UNKNOWN, /* cannot be read without root, or at all */
    DOCTOR_FAIL,
};

/* What the kernel tells by calls rather than by files. Filled by the caller; known false in tests
 * that do not care, and then those checks say unknown. */
struct doctor_live {
    bool clock_known;
    bool clock_synchronised;
    bool clock_leap; /* a leap second is announced */
    int64_t clock_error_us;
    bool space_known;
    uint64_t space_free, space_size; /* bytes of the data directory's file system */
};

struct doctor_subject {
    const struct host *host;  /* borrowed */
    const struct host *later; /* the same some time on, for rates; NULL: no rates */
    uint32_t window_ms;       /* between the two */
    struct cpulist hot;       /* cpus of the hot workers */
    struct cpulist rest;
    uint32_t net_count;
    char nic[DOCTOR_NAME_SIZE];  /* interface; "" = none */
    char disk[DOCTOR_NAME_SIZE]; /* block device below /sys/block; "" = not found */
    char mount[1024];            /* its line of mountinfo */
    char data_dir[512];          /* absolute */
    struct doctor_live live;
};

struct doctor_check {
    const char *id;   /* "mem-thp": area, then what */
    const char *what; /* a few words */
    const char *why;  /* a sentence: why it matters here */
    const char *mend; /* the command, with {hot} {rest} {mask} {nic} {disk} {mount}; "" = none */
    enum doctor_class caps; /* best class of a machine that fails; DOCTOR_A: advice only */
    /* writes what was found to `text`; NULL: the file below decides */
    enum doctor_state (*read)(const struct doctor_subject *subject, char text[DOCTOR_TEXT_SIZE]);
    const char *path; /* without read: this file must hold one of the words of `want` */
    const char *want; /* separated by '|'; a leading '<' or '>' compares numbers, inclusive */
    enum doctor_state otherwise; /* ... or the check comes out as this; 0: DOCTOR_FAIL */
    enum doctor_state absent;    /* without the file; 0 (DOCTOR_OK): DOCTOR_NONE */
};

struct doctor_finding {
    const struct doctor_check *check;
    enum doctor_state state;
    char text[DOCTOR_TEXT_SIZE];
};

struct doctor_report {
    uint32_t count;
    struct doctor_finding findings[DOCTOR_CHECKS_MAX];
    enum doctor_class class;
    bool measured; /* the gaps of the hot cores are among the findings */
};

/* What a class, or a measurement, supports. All in nanoseconds. */
struct doctor_bounds {
    bool promised;   /* false: figures for a configuration, not bounds */
    uint64_t gap_ns; /* longest stall that is assumed of a hot core */
    uint64_t rtt_ns; /* and of a round trip between members */
    uint64_t flush_ns;
    uint64_t heartbeat_ns, election_ns_min, election_ns_max;
    uint64_t failover_ns; /* from the last sign of the old leader to the first commit of a new */
    uint64_t lease_ns;    /* shortest that two lost renewals do not end */
};

/* doctor_all gives the i-th check of all tables, or NULL behind the last. */
const struct doctor_check *doctor_all(uint32_t i);

/* doctor_find gives a check by its id, or NULL. */
const struct doctor_check *doctor_find(const char *id);

/* doctor_subject_init chooses what is looked at: nic NULL takes the interface of the default
 * route; the disk is that of data_dir (absolute). Borrows host. */
void doctor_subject_init(struct doctor_subject *subject, const struct host *host,
                         const struct cpulist *hot, const char *nic, const char *data_dir);

/* doctor_run reads every check of the tables into *report, and its class. */
void doctor_run(const struct doctor_subject *subject, struct doctor_report *report);

/* doctor_add appends a finding that was measured, and brings the class up to date. */
void doctor_add(struct doctor_report *report, const struct doctor_check *check,
                enum doctor_state state, const char *text);

/* doctor_caps says how good a machine with this finding can be at best. */
enum doctor_class doctor_caps(const struct doctor_finding *finding);

/* doctor_bounds_of computes what a class supports. gap_ns, rtt_ns and flush_ns are measured, or 0:
 * then the class's own limits stand for them (C: 50 ms, 1 ms, 10 ms). */
struct doctor_bounds doctor_bounds_of(enum doctor_class class, uint64_t gap_ns, uint64_t rtt_ns,
                                      uint64_t flush_ns);

#define DOCTOR_GAP_NS_A 50000ull   /* a hot core of class A stalls no longer */
#define DOCTOR_GAP_NS_B 5000000ull /* of class B */

/* doctor_mend writes the command with its blanks filled in. Returns out. */
const char *doctor_mend(const struct doctor_subject *subject, const struct doctor_check *check,
                        char *out, size_t size);

char doctor_class_letter(enum doctor_class class);
const char *doctor_state_name(enum doctor_state state); /* "ok", "warn", ... */

/* For the tables: doctor_is writes what was found and returns state. */
enum doctor_state doctor_is(char text[DOCTOR_TEXT_SIZE], enum doctor_state state,
                            const char *format, ...) PRINTF_LIKE(3, 4);

/* A table ends with a row without id. */
extern const struct doctor_check doctor_cpu_table[], doctor_isolation_table[],
    doctor_kernel_table[], doctor_memory_table[], doctor_nic_table[], doctor_disk_table[];
