#include "tools/taktd/config.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- defaults
 * ----------------------------------------------------------------------------------*/

static void config_must_set(struct config *config, const char *key, const char *value,
                            enum config_from from)
{
    struct fault fault = {.text = ""};

    CHECK(config_set(config, key, value, from, 0, &fault) == 0);
}

void config_init(struct config *config)
{
    memset(config, 0, sizeof(*config));
    for (uint32_t i = 0; i < config_table_count; i++)
        config_must_set(config, config_table[i].key, config_table[i].fallback, CONFIG_FROM_DEFAULT);
}

void config_dev(struct config *config)
{
    config_must_set(config, "listen", "127.0.0.1:2181", CONFIG_FROM_DEV);
    config_must_set(config, "beat.listen", "127.0.0.1:2182", CONFIG_FROM_DEV);
    config_must_set(config, "data.dir", "takt-data", CONFIG_FROM_DEV);
    config_must_set(config, "features.four_letter_words", "*", CONFIG_FROM_DEV);
    config_must_set(config, "limits.connections_per_address", "0", CONFIG_FROM_DEV);
}

/* ---- files
 * -------------------------------------------------------------------------------------*/

/* Reads a regular file of at most size - 1 bytes. A pipe or a device never blocks it. */
int config_read_file(const char *path, char *text, size_t size, size_t *n, struct fault *fault)
{
    struct stat st;
    int err = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return fault_set(fault, ERR_CONFIG, "%s: cannot be read: %s", path, strerror(errno));
    *n = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        err = fault_set(fault, ERR_CONFIG, "%s: not a regular file", path);
    while (!err && *n < size) {
        ssize_t got = read(fd, text + *n, size - *n);
        if (got < 0 && errno != EINTR)
            err = fault_set(fault, ERR_CONFIG, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            break;
        if (got > 0)
            *n += (size_t)got;
    }
    if (!err && *n == size)
        err = fault_set(fault, ERR_CONFIG, "%s: larger than %zu bytes", path, size - 1);
    if (!err)
        text[*n] = '\0';
    close(fd);
    return err;
}

static bool config_ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);

    return n >= m && strcmp(path + n - m, ending) == 0;
}

/* A file without a telling name: a first line with '=' before any ':' is zoo.cfg. */
static bool config_looks_zoo(const char *path, const char *text)
{
    if (config_ends_with(path, ".yaml") || config_ends_with(path, ".yml"))
        return false;
    if (config_ends_with(path, ".cfg") || config_ends_with(path, ".conf") ||
        config_ends_with(path, ".properties"))
        return true;
    while (*text) {
        text += strspn(text, " \t\r\n");
        if (*text && *text != '#' && *text != '!')
            return text[strcspn(text, "=:\n")] == '=';
        text += strcspn(text, "\n");
    }
    return false;
}

int config_load(struct config *config, const char *path, struct fault *fault)
{
    char *text = malloc(CONFIG_FILE_SIZE_MAX);
    size_t n = 0;

    if (!text)
        return fault_set(fault, ERR_NOMEM, "%s: no memory to read it", path);
    int err = config_read_file(path, text, CONFIG_FILE_SIZE_MAX, &n, fault);
    if (err)
        goto out;
    snprintf(config->file, sizeof(config->file), "%s", path);
    if (!config_looks_zoo(path, text)) {
        err = config_yaml_load(config, path, text, n, fault);
        goto out;
    }
    err = config_zoo_load(config, path, text, n, fault);
    if (!err && *config->zoo_dynamic_file) {
        err = config_read_file(config->zoo_dynamic_file, text, CONFIG_FILE_SIZE_MAX, &n, fault);
        if (!err)
            err = config_zoo_load(config, config->zoo_dynamic_file, text, n, fault);
    }
out:
    free(text);
    return err;
}

/* ---- what does not fit together
 * ----------------------------------------------------------------*/

static const struct config_origin *config_origin(const struct config *config, const char *key)
{
    const struct config_setting *setting = config_table_find(key);

    CHECK(setting);
    return &config->origins[setting - config_table];
}

bool config_is_given(const struct config *config, const char *key)
{
    return config_origin(config, key)->from > CONFIG_FROM_DEV;
}

const char *config_named(const struct config *config, const char *key)
{
    static _Thread_local char names[4][1200];
    static _Thread_local uint32_t next;
    char *name = names[next++ % 4];
    char where[1100];

    config_print_where(config, config_table_find(key), where, sizeof(where));
    snprintf(name, sizeof(names[0]), "%s (%s)", key, where);
    return name;
}

static int config_check_sessions(struct config *config, struct fault *fault)
{
    const uint32_t most = 86400000;
    uint32_t tick = config->session_tick_ms;

    if (config->session_timeout_ms_min == 0)
        config->session_timeout_ms_min = tick * 2;
    if (config->session_timeout_ms_max == 0)
        config->session_timeout_ms_max = tick * 20 < most ? tick * 20 : most;
    if (config->session_timeout_ms_min > config->session_timeout_ms_max)
        return fault_set(fault, ERR_CONFIG,
                         "the shortest session timeout is %u ms and the longest "
                         "%u ms: see %s, %s, %s",
                         config->session_timeout_ms_min, config->session_timeout_ms_max,
                         config_named(config, "session.timeout_min"),
                         config_named(config, "session.timeout_max"),
                         config_named(config, "session.tick"));
    return 0;
}

/* --dev serves native sessions beside its usual address only: two such nodes do not meet there. */
static int config_check_beat(struct config *config, struct fault *fault)
{
    struct address at;

    if (config_origin(config, "beat.listen")->from == CONFIG_FROM_DEV &&
        config_is_given(config, "listen"))
        config->beat_listen[0] = '\0';
    if (!config->beat_listen[0])
        return 0;
    int err = config_value_address(&at, config->beat_listen, fault);
    if (err)
        return fault_set(fault, err, "%s: '%s' is not an address such as 0.0.0.0:2182",
                         config_named(config, "beat.listen"), config->beat_listen);
    if (config->beat_session_ms_min > config->session_timeout_ms_max)
        return fault_set(fault, ERR_CONFIG, "%s is longer than %s: %u ms and %u ms",
                         config_named(config, "beat.session_min"),
                         config_named(config, "session.timeout_max"), config->beat_session_ms_min,
                         config->session_timeout_ms_max);
    return 0;
}

static int config_check_limits(struct config *config, struct fault *fault)
{
    const uint64_t least = 16ull << 20;

    if (config->connections_max == 0)
        config->connections_max = 1000000;
    if (config->tree_memory_limit == 0)
        config->tree_memory_limit =
            (uint64_t)sysconf(_SC_PHYS_PAGES) / 2 * (uint64_t)sysconf(_SC_PAGESIZE);
    if (config->tree_memory_limit < least)
        return fault_set(fault, ERR_CONFIG, "%s is less than 16M: no tree fits",
                         config_named(config, "limits.tree_memory"));
    if (config->log_segment_size % 4096 != 0)
        return fault_set(fault, ERR_CONFIG, "%s is not a multiple of 4096",
                         config_named(config, "log.segment_size"));
    if (config->net_memory_limit < 4ull * (config->output_size_max + config->request_size_max))
        return fault_set(fault, ERR_CONFIG, "%s must be at least four times %s and %s together",
                         config_named(config, "limits.net_memory"),
                         config_named(config, "limits.output"),
                         config_named(config, "limits.request_size"));
    return 0;
}

static int config_check_durability(struct config *config, struct fault *fault)
{
    if (config->durability_mode != CONFIG_DURABILITY_MEMORY ||
        membership_voter_count(&config->servers) > 1)
        return 0;
    return fault_set(fault, ERR_CONFIG,
                     "%s is memory, and no other server votes beside this one: what it "
                     "acknowledged would be lost with its process; use disk, or configure servers",
                     config_named(config, "durability.mode"));
}

/* Is it the base64 of a SHA-1, 28 characters of which the last is =? */
static bool config_is_sha1(const char *hash)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strspn(hash, digits) == 27 && strcmp(hash + 27, "=") == 0;
}

static int config_check_auth(struct config *config, struct fault *fault)
{
    const char *colon = strchr(config->super_digest, ':');

    if (*config->super_digest &&
        (!colon || colon == config->super_digest || !config_is_sha1(colon + 1)))
        return fault_set(fault, ERR_CONFIG,
                         "%s is not user:hash; the hash is made by: printf user:password "
                         "| openssl sha1 -binary | base64",
                         config_named(config, "auth.super_digest"));
    if (config->auth_enforced && config->auth_schemes.count == 0)
        return fault_set(fault, ERR_CONFIG, "%s needs auth.schemes, for example digest",
                         config_named(config, "auth.enforce"));
    return 0;
}

static int config_check_port(struct config *config, struct fault *fault)
{
    static const char *const dpdk_only[] = {"port.eal",      "port.address", "port.gateway",
                                            "port.offloads", "port.vlan",    "port.mtu"};
    static const struct address nothing;
    char text[64];

    if (config->port_kind == CONFIG_PORT_KERNEL) {
        for (size_t i = 0; i < sizeof(dpdk_only) / sizeof(dpdk_only[0]); i++)
            if (config_is_given(config, dpdk_only[i]))
                return fault_set(fault, ERR_CONFIG, "%s is for port.kind dpdk, but it is kernel",
                                 config_named(config, dpdk_only[i]));
        return 0;
    }
#ifndef TAKT_DPDK
    return fault_set(fault, ERR_UNSUPPORTED,
                     "%s is dpdk: this build has no DPDK; install "
                     "libdpdk-dev and build again, or use kernel",
                     config_named(config, "port.kind"));
#endif
    if (memcmp(&config->port_address.at, &nothing, sizeof(nothing)) == 0)
        return fault_set(fault, ERR_CONFIG,
                         "port.address (--ip) is missing: the dpdk port has an "
                         "address of its own, such as 192.168.7.2/24");
    if (!*config->port_eal)
        return fault_set(
            fault, ERR_CONFIG,
            "port.eal (--eal) is missing: it names the device, and without a name DPDK "
            "would try every network card of this machine; such as -a 0000:01:00.0, or "
            "--no-pci --vdev net_af_packet0,iface=veth0");
    if (config->port_mtu && config->port_mtu < CONFIG_PORT_MTU_MIN)
        return fault_set(fault, ERR_CONFIG, "%s is %u: 0, or %u to 9000",
                         config_named(config, "port.mtu"), config->port_mtu, CONFIG_PORT_MTU_MIN);
    if (config->listen.count != 1)
        return fault_set(fault, ERR_CONFIG, "%s: the dpdk port listens on one address",
                         config_named(config, "listen"));
    if (!config_is_given(config, "listen")) {
        struct address at = config->port_address.at;
        at.port = 2181;
        config_value_address_print(&at, text, sizeof(text));
        return config_set(config, "listen", text, CONFIG_FROM_DEFAULT, 0, fault);
    }
    for (uint32_t i = 0; i < config->listen.count; i++) {
        const uint8_t *ip = config->listen.at[i].ip;
        static const uint8_t any[16] = {[10] = 0xff, [11] = 0xff};
        if (memcmp(ip, any, 16) == 0 || memcmp(ip, config->port_address.at.ip, 16) == 0)
            continue;
        config_value_address_print(&config->listen.at[i], text, sizeof(text));
        return fault_set(fault, ERR_CONFIG, "%s: %s is not the dpdk port's address",
                         config_named(config, "listen"), text);
    }
    return 0;
}

static int config_check_cpus(const struct config *config, const char *key,
                             const struct config_cpus *cpus, const cpu_set_t *usable,
                             struct fault *fault)
{
    bool net = strcmp(key, "roles.cpus.net") == 0;

    if (cpus->count == 0)
        return 0;
    if (config->layout == CONFIG_LAYOUT_TOGETHER && !net)
        return fault_set(fault, ERR_CONFIG, "%s is for roles.layout spread, but it is together",
                         config_named(config, key));
    if (net && config->layout == CONFIG_LAYOUT_SPREAD && cpus->count != config->net_count)
        return fault_set(fault, ERR_CONFIG, "%s names %u cpus for %u NET roles (roles.nets)",
                         config_named(config, key), cpus->count, config->net_count);
    for (uint32_t i = 0; i < cpus->count; i++)
        if (!CPU_ISSET(cpus->cpu[i], usable))
            return fault_set(fault, ERR_CONFIG, "%s: cpu %u is not there, or not for this process",
                             config_named(config, key), cpus->cpu[i]);
    return 0;
}

static int config_check_roles(const struct config *config, struct fault *fault)
{
    const struct {
        const char *key;
        const struct config_cpus *cpus;
    } roles[] = {
        {"roles.cpus.net", &config->cpus_net},   {"roles.cpus.core", &config->cpus_core},
        {"roles.cpus.disk", &config->cpus_disk}, {"roles.cpus.apply", &config->cpus_apply},
        {"roles.cpus.snap", &config->cpus_snap}, {"roles.cpus.ctl", &config->cpus_ctl},
    };
    bool spins = config->idle == CONFIG_IDLE_SPIN || config->idle == CONFIG_IDLE_PAUSE;
    uint32_t threads = config->layout == CONFIG_LAYOUT_SPREAD ? config->net_count + 3 : 1;
    cpu_set_t usable;

    CPU_ZERO(&usable);
    if (sched_getaffinity(0, sizeof(usable), &usable) != 0)
        return fault_set(fault, ERR_IO, "sched_getaffinity: %s", strerror(errno));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        int err = config_check_cpus(config, roles[i].key, roles[i].cpus, &usable, fault);
        if (err)
            return err;
    }
    /* with roles.idles, topology_check counts them thread by thread */
    if (spins && config->idle_of.count == 0 && threads > (uint32_t)CPU_COUNT(&usable))
        return fault_set(
            fault, ERR_CONFIG,
            "%s: %u threads would spin on %d cpus and keep each other from working; use "
            "hybrid or park, or roles.layout together",
            config_named(config, "roles.idle"), threads, CPU_COUNT(&usable));
    return 0;
}

int config_check(struct config *config, struct fault *fault)
{
    int err = 0;

    if (!*config->data_dir)
        err = fault_set(fault, ERR_CONFIG,
                        "no data directory: give --data DIR, data.dir in a file, "
                        "or --dev");
    if (!err)
        err = config_ensemble_id(config, fault);
    if (!err)
        err = config_ensemble_check(config, fault);
    if (!err)
        err = config_check_sessions(config, fault);
    if (!err)
        err = config_check_beat(config, fault);
    if (!err)
        err = config_check_limits(config, fault);
    if (!err)
        err = config_check_durability(config, fault);
    if (!err)
        err = config_check_auth(config, fault);
    if (!err)
        err = config_check_port(config, fault);
    if (!err)
        err = config_check_roles(config, fault);
    return err;
}
