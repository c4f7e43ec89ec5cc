#include "tools/takt/verb_cores.h"

#include "tools/takt/json.h"

#include <inttypes.h>
#include <string.h>

const struct verb_page verb_cores_page = {
    .usage =
        "takt cores show|plan|check|apply|undo|workers [options]   |   takt cores move ROLE CPU",
    .about =
        "Which role runs on which core, and what the system does to those cores.\n"
        "  show    the machine: sockets, NUMA nodes, cores, threads, caches, isolated sets, load\n"
        "          of interrupts; with --nic where the card is\n"
        "  plan    a proposed layout, with the reason for each line, and the boot line for it\n"
        "  check   whether the configuration and the system are as planned; exit code 1: not\n"
        "  apply   writes the layout into --config; with --system also what a running system can\n"
        "          change: an isolated cgroup, interrupts, sleep states, kernel work\n"
        "  undo    puts back what apply changed, by its journal\n"
        "  workers the threads of a running node: their roles, cpus, and what they do without "
        "work\n"
        "  move    lets the thread of ROLE (net0, core, disk, apply, ...) of a running node run "
        "on\n"
        "          CPU (or any) from its next turn on; no request is lost; until the next start\n"
        "show, plan and check need no root and change nothing. workers and move talk to the node "
        "by\n"
        "control.sock in its data directory, which only its user and root may open.",
    .examples = "  takt cores show\n"
                "  takt cores plan --nic ens1 --net 2\n"
                "  takt cores apply --config /etc/takt/takt.yaml --nic ens1 --net 2 --system\n"
                "  takt cores check --config /etc/takt/takt.yaml --nic ens1 --net 2\n"
                "  takt cores undo --config /etc/takt/takt.yaml\n"
                "  takt cores move core 5 --data /var/lib/takt\n",
};

/* ---- show -------------------------------------------------------------------------------------
 */

static void verb_cores_show_sets(const struct host *host)
{
    char list[256];
    const struct {
        const char *name;
        const struct cpulist *set;
    } sets[] = {{"online", &host->online},        {"for this process", &host->allowed},
                {"isolated (boot)", &host->boot}, {"isolated (cgroup)", &host->partition},
                {"nohz_full", &host->nohz_full},  {"rcu_nocbs", &host->rcu_nocbs}};

    printf("%s%s%s: %u socket%s, %u NUMA node%s, %u cores, %u cpus%s%s\n", verb_tint(stdout, "1"),
           host->model, verb_tint(stdout, "0"), host->package_count,
           host->package_count == 1 ? "" : "s", host->node_count, host->node_count == 1 ? "" : "s",
           host->core_count, cpulist_count(&host->online), host->smt ? ", two threads a core" : "",
           host->virtual_machine ? "; a virtual machine" : "");
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
        printf("%-18s %s\n", sets[i].name, cpulist_print(sets[i].set, list, sizeof(list)));
}

/* The card of --nic, or every card with a device. */
static void verb_cores_show_nics(const struct verb_cores *cores)
{
    char names[64][SYSROOT_NAME_SIZE], driver[64];
    uint32_t count = sysroot_names(&cores->host.root, names, 64, "/sys/class/net");

    for (uint32_t i = 0; i < count; i++) {
        int64_t node = -1;
        if (!sysroot_exists(&cores->host.root, "/sys/class/net/%s/device", names[i]) ||
            (cores->where.nic && strcmp(cores->where.nic, names[i]) != 0))
            continue;
        sysroot_target(&cores->host.root, driver, sizeof(driver), "/sys/class/net/%s/device/driver",
                       names[i]);
        (void)sysroot_number(&cores->host.root, &node, "/sys/class/net/%s/device/numa_node",
                             names[i]);
        if (node >= 0)
            printf("card %-13s %s, NUMA node %d\n", names[i], driver, (int)node);
        else
            printf("card %-13s %s, on no NUMA node of its own\n", names[i], driver);
    }
}

static void verb_cores_show_table(const struct verb_cores *cores)
{
    const struct host *host = &cores->host;
    char siblings[64];

    verb_cores_show_sets(host);
    verb_cores_show_nics(cores);
    printf("\n%5s %7s %5s %5s %4s %-10s %12s %14s  %s\n", "cpu", "socket", "node", "core", "L3",
           "threads", "interrupts", "timer ticks", "is");
    for (uint32_t cpu = cpulist_next(&host->online, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&host->online, cpu + 1)) {
        const struct host_cpu *at = &host->cpus[cpu];
        printf("%5u %7d %5d %5d %4d %-10s %12" PRIu64 " %14" PRIu64 "  %s%s%s\n", cpu, at->package,
               at->node, at->core, at->l3, cpulist_print(&at->siblings, siblings, sizeof(siblings)),
               at->irq_count, at->tick_count, cpulist_has(&host->isolated, cpu) ? "isolated " : "",
               cpulist_has(&host->nohz_full, cpu) ? "nohz_full " : "",
               cpulist_has(&host->rcu_nocbs, cpu) ? "rcu_nocbs" : "");
    }
}

static void verb_cores_show_json(const struct verb_cores *cores)
{
    const struct host *host = &cores->host;
    struct json json;
    char list[256];

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "model", host->model);
    json_bool(&json, "virtual", host->virtual_machine);
    json_int(&json, "sockets", host->package_count);
    json_int(&json, "nodes", host->node_count);
    json_int(&json, "cores", host->core_count);
    json_text(&json, "online", cpulist_print(&host->online, list, sizeof(list)));
    json_text(&json, "isolated", cpulist_print(&host->isolated, list, sizeof(list)));
    json_text(&json, "nohz_full", cpulist_print(&host->nohz_full, list, sizeof(list)));
    json_text(&json, "rcu_nocbs", cpulist_print(&host->rcu_nocbs, list, sizeof(list)));
    json_open(&json, "cpus", '[');
    for (uint32_t cpu = cpulist_next(&host->online, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&host->online, cpu + 1)) {
        const struct host_cpu *at = &host->cpus[cpu];
        json_open(&json, NULL, '{');
        json_int(&json, "cpu", cpu);
        json_int(&json, "socket", at->package);
        json_int(&json, "node", at->node);
        json_int(&json, "core", at->core);
        json_int(&json, "l3", at->l3);
        json_text(&json, "threads", cpulist_print(&at->siblings, list, sizeof(list)));
        json_int(&json, "interrupts", (int64_t)at->irq_count);
        json_int(&json, "ticks", (int64_t)at->tick_count);
        json_bool(&json, "isolated", cpulist_has(&host->isolated, cpu));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_line(&json);
}

static int verb_cores_show(struct verb_cores *cores)
{
    if (cores->as_json)
        verb_cores_show_json(cores);
    else
        verb_cores_show_table(cores);
    return VERB_OK;
}

/* ---- plan -------------------------------------------------------------------------------------
 */

static const char *verb_cores_layout(const struct plan *plan)
{
    return plan->layout == CONFIG_LAYOUT_SPREAD ? "spread" : "together";
}

static const char *verb_cores_idle(const struct plan *plan)
{
    return plan->idle == CONFIG_IDLE_SPIN ? "spin" : "hybrid";
}

static void verb_cores_plan_json(const struct plan *plan)
{
    struct json json;
    char text[512];

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "layout", verb_cores_layout(plan));
    json_text(&json, "layout_why", plan->layout_why);
    json_text(&json, "idle", verb_cores_idle(plan));
    json_text(&json, "idle_why", plan->idle_why);
    json_text(&json, "hot", cpulist_print(&plan->hot, text, sizeof(text)));
    json_text(&json, "left_empty", cpulist_print(&plan->spare, text, sizeof(text)));
    json_text(&json, "rest", cpulist_print(&plan->rest, text, sizeof(text)));
    json_open(&json, "workers", '[');
    for (uint32_t i = 0; i < plan->line_count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "roles", plan->lines[i].roles);
        json_int(&json, "cpu", plan->lines[i].cpu);
        json_bool(&json, "hot", !plan->lines[i].slow);
        json_text(&json, "why", plan->lines[i].why);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    plan_boot_line(plan, text, sizeof(text));
    json_text(&json, "boot_line", text);
    json_close(&json, '}');
    json_line(&json);
}

static int verb_cores_plan(struct verb_cores *cores)
{
    const struct plan *plan = &cores->plan;
    char text[512];

    if (cores->as_json) {
        verb_cores_plan_json(plan);
        return VERB_OK;
    }
    printf("roles.layout %s: %s\nroles.idle %s: %s\n\n", verb_cores_layout(plan), plan->layout_why,
           verb_cores_idle(plan), plan->idle_why);
    printf("%-28s %4s  %s\n", "roles of a thread", "cpu", "why");
    for (uint32_t i = 0; i < plan->line_count; i++)
        printf("%s%-28s %4u%s  %s\n", verb_tint(stdout, "1"), plan->lines[i].roles,
               plan->lines[i].cpu, verb_tint(stdout, "0"), plan->lines[i].why);
    printf("\nhot cpus           %s\n", cpulist_print(&plan->hot, text, sizeof(text)));
    printf("left empty         %s\n", cpulist_print(&plan->spare, text, sizeof(text)));
    printf("for all the rest   %s\n", cpulist_print(&plan->rest, text, sizeof(text)));
    plan_boot_line(plan, text, sizeof(text));
    printf("\nOnly a boot can set these; append to the kernel's command line, if the machine is "
           "takt's:\n  %s\n",
           text);
    printf("takt cores apply --config FILE writes this layout (not roles.idle); --system does what "
           "needs no boot\n");
    return VERB_OK;
}

/* ---- the verb ---------------------------------------------------------------------------------
 */

static const struct {
    const char *word;
    int (*run)(struct verb_cores *cores);
    bool plans; /* the machine is read, and the plan made, before it runs */
    int words;  /* that follow */
} verb_cores_words[] = {
    {"show", verb_cores_show, false},    {"plan", verb_cores_plan, true},
    {"check", verb_cores_check, true},   {"apply", verb_cores_apply, true},
    {"undo", verb_cores_undo, false},    {"workers", verb_cores_workers, false},
    {"move", verb_cores_move, false, 2},
};

static int verb_cores_run(struct verb_cores *cores, size_t which)
{
    struct fault fault;
    int err = verb_host_read(&cores->where, &cores->host, &cores->config, &fault);

    if (!err && verb_cores_words[which].plans)
        err = verb_host_plan(&cores->where, &cores->host, &cores->config, &cores->plan, &fault);
    if (err) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    return verb_cores_words[which].run(cores);
}

int verb_cores(int argc, char **argv)
{
    static struct verb_cores cores; /* 1 MB: kept off the stack */
    int rest;

    cores = (struct verb_cores){.where = {.root = "", .layout = "auto"}, .output = "table"};
    const struct opts_item items[] = {
        {"config", 'c', OPTS_STRING, &cores.where.config, "FILE",
         "the node's configuration (YAML)"},
        {"nic", 0, OPTS_STRING, &cores.where.nic, "NIC", "network card: interface or PCI address"},
        {"net", 'n', OPTS_NUMBER, &cores.where.net_count, "N", "NET roles; 0: as configured", 0,
         CONFIG_NET_MAX},
        {"layout", 'l', OPTS_CHOICE, &cores.where.layout, "LAYOUT",
         "auto takes spread where the "
         "cores suffice",
         .choices = "auto|together|spread"},
        {"system", 0, OPTS_FLAG, &cores.system, NULL, "apply, check: the running system too"},
        {"dry-run", 0, OPTS_FLAG, &cores.dry_run, NULL, "apply: show what would change"},
        {"journal", 0, OPTS_STRING, &cores.journal, "FILE",
         "apply, undo: what was there before; "
         "default: the configuration's name with .cores-journal"},
        {"data", 'd', OPTS_STRING, &cores.data_dir, "DIR",
         "workers, move: the data directory of the node; default: as --config says, else the one "
         "that runs here"},
        {"root", 0, OPTS_STRING, &cores.where.root, "DIR",
         "a tree with proc and sys instead of "
         "this machine's"},
        {"output", 'o', OPTS_CHOICE, &cores.output, "FORM", "table or json",
         .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_cores_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest == 0)
        return verb_usage(&verb_cores_page, "what about the cores?");
    cores.as_json = strcmp(cores.output, "json") == 0;
    for (size_t i = 0; i < sizeof(verb_cores_words) / sizeof(verb_cores_words[0]); i++) {
        if (strcmp(argv[1], verb_cores_words[i].word) != 0)
            continue;
        int words = verb_cores_words[i].words;
        if (rest > 1 + words)
            return verb_usage(&verb_cores_page, "\"%s\" is one word too many", argv[2 + words]);
        if (rest < 1 + words)
            return verb_usage(&verb_cores_page, "takt cores move ROLE CPU, please");
        cores.words[0] = words ? argv[2] : NULL;
        cores.words[1] = words ? argv[3] : NULL;
        return verb_cores_run(&cores, i);
    }
    return verb_usage(&verb_cores_page, "there is no \"takt cores %s\"", argv[1]);
}
