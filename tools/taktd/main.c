/* main: taktd's command line, and one node from start to stop. */
#include "base/say.h"
#include "dataplane/peer_keys.h"
#include "dataplane/port/dpdk/port_dpdk.h"
#include "tools/taktd/args.h"
#include "tools/taktd/run.h"

#include <stdio.h>
#include <unistd.h>

#ifndef TAKT_VERSION
#define TAKT_VERSION "unknown"
#endif

/* Exit codes of taktd. */
enum { EXIT_STOPPED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void main_version(FILE *to)
{
#ifdef TAKT_DPDK
    const char *ports = "kernel, dpdk (DPDK " TAKT_DPDK ")";
#else
    const char *ports = "kernel";
#endif
    fprintf(to, "taktd %s, ports: %s\n", TAKT_VERSION, ports);
}

/* A key file that cannot be read stops the node at its start, so it is bad here too. */
static int main_check_keys(const char *key, const char *path)
{
    static struct peer_keys keys;
    struct fault fault;

    if (*path == '\0' || peer_keys_load(&keys, path, &fault) == 0)
        return EXIT_STOPPED;
    fprintf(stderr, "taktd: %s: %s\n", key, fault.text);
    return EXIT_USAGE;
}

static int main_check(const struct config *config, FILE *to)
{
    char text[4096];

    if (main_check_keys("peers.key_file", config->peers_key_file) != EXIT_STOPPED ||
        main_check_keys("beat.key_file", config->beat_key_file) != EXIT_STOPPED)
        return EXIT_USAGE;
    if (*config->ignored)
        fprintf(to, "%s\n", config->ignored);
    if (*config->notes)
        fprintf(to, "%s\n", config->notes);
    config_describe(config, text, sizeof(text));
    fprintf(to, "%s: good; %s\n", *config->file ? config->file : "configuration", text);
    return EXIT_STOPPED;
}

/* For takt nic show --eal, which is of the same build. */
static int main_device(const struct config *config)
{
    struct device_facts facts;
    struct fault fault;

    if (isatty(STDOUT_FILENO)) {
        fprintf(stderr, "taktd: takt nic show --eal \"...\" shows it\n");
        return EXIT_USAGE;
    }
    if (!*config->port_eal) {
        fprintf(stderr, "taktd: port.eal (--eal) is empty: it names the device\n");
        return EXIT_FAILED;
    }
    if (port_dpdk_look(config->port_eal, config->port_offloads == CONFIG_OFFLOADS_OFF, &facts,
                       &fault) != 0) {
        fprintf(stderr, "taktd: %s\n", fault.text);
        return EXIT_FAILED;
    }
    return fwrite(&facts, sizeof(facts), 1, stdout) == 1 ? EXIT_STOPPED : EXIT_FAILED;
}

static int main_run(const struct config *config)
{
    say_level_set((enum say_level)config->say_level);
    if (*config->ignored)
        say(SAY_WARN, "%s", config->ignored);
    if (*config->notes)
        say(SAY_WARN, "%s", config->notes);
    struct fault fault = {.text = ""};
    int err = run_node(config, &fault);
    if (err)
        say(SAY_ERROR, "%s", fault.text);
    return err == 0 ? EXIT_STOPPED : err == ERR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static struct config config;
    struct fault fault = {.text = ""};
    enum args_action action;

    if (args_parse(argc, argv, &action, &config, &fault) != 0) {
        fprintf(stderr, "taktd: %s\n", fault.text);
        return EXIT_USAGE;
    }
    switch (action) {
    case ARGS_HELP: args_help(stdout); return EXIT_STOPPED;
    case ARGS_HELP_CONFIG: config_print_reference(stdout); return EXIT_STOPPED;
    case ARGS_VERSION: main_version(stdout); return EXIT_STOPPED;
    case ARGS_PRINT: config_print(&config, stdout); return EXIT_STOPPED;
    case ARGS_CHECK: return main_check(&config, stdout);
    case ARGS_DEVICE: return main_device(&config);
    case ARGS_RUN: break;
    }
    return main_run(&config);
}
