#include "tools/taktd/args.h"

#include "base/check.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum args_flag {
    FLAG_DEV = 256,
    FLAG_CONFIG,
    FLAG_SET,
    FLAG_CHECK,
    FLAG_PRINT,
    FLAG_HELP,
    FLAG_HELP_CONFIG,
    FLAG_VERSION,
    FLAG_RECOVER,
    FLAG_ANEW,
    FLAG_DEVICE,
    FLAG_SETTING, /* + index in args_flags: a flag that is short for a setting */
};

/* Every flag, in the order of --help. A flag with a `key` sets that setting. */
static const struct {
    const char *name, *value;
    int flag;
    const char *key;
    const char *help;
} args_flags[] = {
    {"dev", NULL, FLAG_DEV, NULL, "one node to try things: 127.0.0.1:2181, data in ./takt-data"},
    {"config", "FILE", FLAG_CONFIG, NULL, "settings from a YAML file, or from a ZooKeeper zoo.cfg"},
    {"set", "KEY=VALUE", FLAG_SET, NULL,
     "one setting by its name, or by ZooKeeper's; may be repeated"},
    {"listen", "ADDR:PORT", FLAG_SETTING, "listen", "where clients connect; may be repeated"},
    {"data", "DIR", FLAG_SETTING, "data.dir", "directory of the log and the snapshots"},
    {"id", "N", FLAG_SETTING, "node.id", "number of this node, 1 to 254"},
    {"port", "KIND", FLAG_SETTING, "port.kind", "kernel (sockets) or dpdk (a device of its own)"},
    {"eal", "ARGS", FLAG_SETTING, "port.eal", "arguments for DPDK's EAL, with --port dpdk"},
    {"ip", "ADDR/LEN", FLAG_SETTING, "port.address", "the dpdk port's own address and network"},
    {"recover-from-disk", NULL, FLAG_RECOVER, NULL,
     "durability.mode memory, when a majority lost power: vote as the disk is"},
    {"begin-anew", "ENTRY", FLAG_ANEW, NULL,
     "a majority of the disks is lost for good: be an ensemble of one (see below)"},
    {"check-config", NULL, FLAG_CHECK, NULL, "only say whether the configuration is good"},
    {"print-config", NULL, FLAG_PRINT, NULL, "only print the settings in force, and their sources"},
    {"help-config", NULL, FLAG_HELP_CONFIG, NULL, "print every setting with its help, as YAML"},
    {"show-device", NULL, FLAG_DEVICE, NULL,
     "only start the device of --eal and tell takt nic show what it can"},
    {"version", NULL, FLAG_VERSION, NULL, "print the version"},
    {"help", NULL, FLAG_HELP, NULL, "print this"},
};
#define FLAG_COUNT (sizeof(args_flags) / sizeof(args_flags[0]))

void args_help(FILE *to)
{
    fputs("taktd: a takt node. Serves ZooKeeper clients from a durable log.\n\n"
          "  taktd --dev                          try it; then: takt sh, or any ZooKeeper client\n"
          "  taktd --data /var/lib/takt --listen 0.0.0.0:2181\n"
          "  taktd --config takt.yaml             every setting: taktd --help-config\n"
          "  taktd --config /etc/zookeeper/conf/zoo.cfg --check-config\n"
          "  taktd --port dpdk --eal \"-a 0000:01:00.0\" --ip 192.168.7.2/24 --data "
          "/var/lib/takt\n\n",
          to);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s %s", args_flags[i].name,
                 args_flags[i].value ? args_flags[i].value : "");
        fprintf(to, "  %-20s %s\n", left, args_flags[i].help);
    }
    fputs(
        "\nA majority of the disks is lost for good: nobody can be elected, and the logs say so.\n"
        "Stop all servers. Of those that are left take the one whose log goes furthest (log at N,\n"
        "in its start lines), copy its data directory, and start it with --begin-anew N, this "
        "once:\n"
        "it is an ensemble of one, with all it had. What only the others had is lost. Empty the\n"
        "data directories of the others, but for myid, start them, and add each: takt member add.\n"
        "\nLater wins: defaults, --dev, the file, --set, the other flags.\n"
        "SIGTERM or Ctrl-C: closes the log and leaves; SIGHUP too, unless peers.key_file is\n"
        "set, which it reads again. Exit code: 0 stopped as asked, 1 failed, 2 the command line\n"
        "or the configuration is wrong.\n",
        to);
}

/* What the command line asks for, before anything is applied. */
struct args {
    bool dev;
    const char *file;
    const char *sets[128];
    uint32_t set_count;
    bool recover;
    uint64_t anew;
    const char *flags[FLAG_COUNT]; /* value of the flag i; the last one counts */
    char listen[2048];             /* all --listen, joined by commas */
};

static int args_setting(struct args *args, size_t index, const char *value, struct fault *fault)
{
    size_t n = strlen(args->listen);

    args->flags[index] = value;
    if (strcmp(args_flags[index].name, "listen") != 0)
        return 0;
    if (n + strlen(value) + 2 > sizeof(args->listen))
        return fault_set(fault, ERR_CONFIG, "too many --listen");
    snprintf(args->listen + n, sizeof(args->listen) - n, "%s%s", n ? "," : "", value);
    args->flags[index] = args->listen;
    return 0;
}

/* --begin-anew ENTRY */
static int args_anew(struct args *args, const char *value, struct fault *fault)
{
    char *end;

    args->anew = strtoull(value, &end, 10);
    if (*value < '1' || *value > '9' || *end || args->anew == UINT64_MAX)
        return fault_set(fault, ERR_CONFIG,
                         "--begin-anew takes the entry that the log ends at, as its start says "
                         "(log at N), not '%s'",
                         value);
    return 0;
}

static int args_flag(struct args *args, int flag, const char *value, enum args_action *action,
                     struct fault *fault)
{
    switch (flag) {
    case FLAG_DEV: args->dev = true; return 0;
    case FLAG_CONFIG:
        if (args->file)
            return fault_set(fault, ERR_CONFIG, "--config is given twice");
        args->file = value;
        return 0;
    case FLAG_SET:
        if (args->set_count == sizeof(args->sets) / sizeof(args->sets[0]))
            return fault_set(fault, ERR_CONFIG, "more than %u --set", args->set_count);
        args->sets[args->set_count++] = value;
        return 0;
    case FLAG_RECOVER: args->recover = true; return 0;
    case FLAG_ANEW: return args_anew(args, value, fault);
    case FLAG_CHECK: *action = ARGS_CHECK; return 0;
    case FLAG_PRINT: *action = ARGS_PRINT; return 0;
    case FLAG_HELP: *action = ARGS_HELP; return 0;
    case FLAG_HELP_CONFIG: *action = ARGS_HELP_CONFIG; return 0;
    case FLAG_VERSION: *action = ARGS_VERSION; return 0;
    case FLAG_DEVICE: *action = ARGS_DEVICE; return 0;
    default: return args_setting(args, (size_t)(flag - FLAG_SETTING), value, fault);
    }
}

static int args_read(int argc, char **argv, struct args *args, enum args_action *action,
                     struct fault *fault)
{
    struct option options[FLAG_COUNT + 1] = {0};
    int flag, err = 0;

    for (size_t i = 0; i < FLAG_COUNT; i++)
        options[i] =
            (struct option){.name = args_flags[i].name,
                            .has_arg = args_flags[i].value ? required_argument : no_argument,
                            .val = args_flags[i].key ? FLAG_SETTING + (int)i : args_flags[i].flag};
    optind = 0;
    opterr = 0;
    *action = ARGS_RUN;
    while (!err && (flag = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (flag == ':')
            err = fault_set(fault, ERR_CONFIG, "%s needs a value", argv[optind - 1]);
        else if (flag == '?')
            err = fault_set(fault, ERR_CONFIG, "unknown flag %s", argv[optind - 1]);
        else
            err = args_flag(args, flag == 'h' ? FLAG_HELP : flag, optarg, action, fault);
    }
    if (!err && optind < argc)
        err = fault_set(fault, ERR_CONFIG, "'%s' is not a flag; a file is given with --config",
                        argv[optind]);
    return err;
}

int args_parse(int argc, char **argv, enum args_action *action, struct config *config,
               struct fault *fault)
{
    struct args args = {0};
    int err = args_read(argc, argv, &args, action, fault);

    if (err) {
        size_t n = fault ? strlen(fault->text) : 0;
        if (fault)
            snprintf(fault->text + n, sizeof(fault->text) - n, "; see taktd --help");
        return err;
    }
    if (*action == ARGS_HELP || *action == ARGS_HELP_CONFIG || *action == ARGS_VERSION)
        return 0;
    config_init(config);
    config->recover_from_disk = args.recover;
    config->begin_anew = args.anew;
    if (args.dev)
        config_dev(config);
    if (args.file)
        err = config_load(config, args.file, fault);
    for (uint32_t i = 0; !err && i < args.set_count; i++)
        err = config_set_pair(config, args.sets[i], fault);
    for (size_t i = 0; !err && i < FLAG_COUNT; i++) {
        if (!args.flags[i])
            continue;
        err = config_set(config, args_flags[i].key, args.flags[i], CONFIG_FROM_FLAG, 0, fault);
        if (err)
            fault_wrap(fault, err, "--%s", args_flags[i].name);
    }
    if (!err && *action != ARGS_DEVICE)
        err = config_check(config, fault);
    if (!err && config->begin_anew && !config_is_ensemble(config))
        err = fault_set(fault, ERR_CONFIG,
                        "--begin-anew is for a member of an ensemble, and the "
                        "configuration has no servers");
    return err;
}
