/* verb_host: what the verbs about the machine (doctor, jitter, cores, nic) have in common. */
#pragma once

#include "base/say.h"
#include "tools/host/doctor.h"
#include "tools/host/plan.h"

/* Where a verb looks, and for whom. Strings are borrowed from the command line. */
struct verb_host {
    const char *root;   /* "" = this machine */
    const char *config; /* file; NULL: defaults */
    const char *cpus;   /* hot cpus by hand; NULL */
    const char *nic;    /* interface or PCI address; NULL */
    uint64_t net_count; /* 0: as configured */
    const char *layout; /* "auto", "together", "spread" */
};

/* verb_host_read reads the machine and, if one is named, the configuration. Both outputs are the
 * caller's. Returns 0, or an ERR_* with a sentence. */
MUST_USE int verb_host_read(const struct verb_host *from, struct host *host, struct config *config,
                            struct fault *fault);

/* verb_host_plan makes the plan for what the command line and the configuration ask for. Returns 0,
 * or an ERR_* with a sentence. */
MUST_USE int verb_host_plan(const struct verb_host *from, const struct host *host,
                            const struct config *config, struct plan *plan, struct fault *fault);

/* verb_host_hot gives the hot cpus: --cpus, else the configuration's, else the plan's. */
MUST_USE int verb_host_hot(const struct verb_host *from, const struct host *host,
                           const struct config *config, struct cpulist *hot, struct fault *fault);

/* verb_host_class gives the doctor's class of this machine for these hot cpus, without measuring,
 * and the first reason for it. Under 100 ms. */
enum doctor_class verb_host_class(const struct host *host, const struct cpulist *hot,
                                  char why[DOCTOR_TEXT_SIZE]);

/* The rows of these options for a verb's table; `at` is a struct verb_host. */
#define VERB_HOST_OPTIONS(at)                                                                      \
    {"config",     'c',    OPTS_STRING,                                                            \
     &(at).config, "FILE", "a node's configuration: its cpus and peers"},                          \
        {"cpus",                                                                                   \
         0,                                                                                        \
         OPTS_CPUS,                                                                                \
         &(at).cpus,                                                                               \
         "LIST",                                                                                   \
         "the hot cpus, such as 2-5; default: as "                                                 \
         "configured, else as takt cores plan says"},                                              \
        {"nic", 0, OPTS_STRING, &(at).nic, "NIC", "network card: interface or PCI address"},       \
        {"net", 'n',           OPTS_NUMBER, &(at).net_count, "N", "NET roles; 0: as configured",   \
         0,     CONFIG_NET_MAX},                                                                   \
    {                                                                                              \
        "root", 0, OPTS_STRING, &(at).root, "DIR",                                                 \
            "read DIR/proc and DIR/sys instead of this "                                           \
            "machine's"                                                                            \
    }
