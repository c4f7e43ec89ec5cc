#include "tools/takt/verb_nic_device.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- printing ---- */

static const struct {
    const char *key, *text;
} device_steers[] = {
    [DEVICE_STEER_ONE] = {"one", "the only one"},
    [DEVICE_STEER_EACH] = {"each", "each NET takes those of its own queue"},
    [DEVICE_STEER_DEVICE] = {"device", "the device sends them there (rte_flow)"},
    [DEVICE_STEER_SOFTWARE] = {"software", "handed over by who gets them; rte_flow says"},
};

/* The page is another process's: what is in it may be anything. */
static uint32_t device_steer(const struct device_flow *flow)
{
    return flow->steer <= DEVICE_STEER_SOFTWARE ? flow->steer : DEVICE_STEER_SOFTWARE;
}

static void device_flow_print(const struct device_flow *flow)
{
    printf("%-16s UDP port %u, priority %u, queue %u: %s%s%s\n", flow->name, flow->number,
           flow->priority, flow->queue, device_steers[device_steer(flow)].text,
           *flow->why ? ": " : "", flow->why);
}

static void device_print(const struct device_facts *facts)
{
    printf("%-16s %s\n%-16s %s\n%-16s %s\n", "device", facts->name, "driver", facts->driver, "MAC",
           facts->mac);
    if (facts->vlan)
        printf("%-16s %u\n", "VLAN", facts->vlan);
    printf("%-16s %u of %u pairs\n%-16s %u; the device takes %u to %u\n", "queues",
           facts->queue_count, facts->queues_max, "MTU", facts->mtu, facts->mtu_min,
           facts->mtu_max);
    for (uint32_t i = 0; i < facts->flow_count; i++)
        device_flow_print(&facts->flows[i]);
    printf("\n%-26s %-8s %-7s %s\n", "offload", "capable", "in use", "instead");
    for (int i = 0; i < DEVICE_OFFLOAD_COUNT; i++) {
        enum device_offload offload = (enum device_offload)i;
        const struct device_offload_text *text = device_offload_text(offload);
        bool used = device_uses(facts, offload);
        printf("%-26s %-8s %-7s %s\n", text->name, device_can(facts, offload) ? "yes" : "no",
               used ? "yes" : "no", used ? "" : text->instead);
    }
}

static void device_json(const struct device_facts *facts)
{
    struct json json;

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "name", facts->name);
    json_text(&json, "driver", facts->driver);
    json_text(&json, "mac", facts->mac);
    json_int(&json, "queues", facts->queue_count);
    json_int(&json, "queues_max", facts->queues_max);
    json_int(&json, "mtu", facts->mtu);
    json_int(&json, "mtu_min", facts->mtu_min);
    json_int(&json, "mtu_max", facts->mtu_max);
    json_int(&json, "vlan", facts->vlan);
    json_open(&json, "flows", '[');
    for (uint32_t i = 0; i < facts->flow_count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "name", facts->flows[i].name);
        json_int(&json, "udp_port", facts->flows[i].number);
        json_int(&json, "priority", facts->flows[i].priority);
        json_int(&json, "queue", facts->flows[i].queue);
        json_text(&json, "steered_by", device_steers[device_steer(&facts->flows[i])].key);
        json_text(&json, "why", *facts->flows[i].why ? facts->flows[i].why : NULL);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_open(&json, "offloads", '{');
    for (int i = 0; i < DEVICE_OFFLOAD_COUNT; i++) {
        enum device_offload offload = (enum device_offload)i;
        json_open(&json, device_offload_text(offload)->key, '{');
        json_bool(&json, "capable", device_can(facts, offload));
        json_bool(&json, "in_use", device_uses(facts, offload));
        json_close(&json, '}');
    }
    json_close(&json, '}');
    json_close(&json, '}');
    json_line(&json);
}

static int device_show(const struct device_facts *facts, bool as_json)
{
    if (as_json)
        device_json(facts);
    else
        device_print(facts);
    return VERB_OK;
}

/* ---- of a node ---- */

int verb_nic_device_node(const struct page_choice *choice, bool as_json)
{
    const struct node_page *page;
    struct fault fault;
    int code = VERB_FAILED;

    if (page_find(choice, &page, &fault) != 0) {
        fprintf(stderr, "takt: %s; or name a card, see takt nic list\n", fault.text);
        return VERB_FAILED;
    }
    if (*page->device.driver)
        code = device_show(&page->device, as_json);
    else
        fprintf(stderr,
                "takt: node %u in %s has no device of its own: it is on the kernel port, "
                "or did not come so far; name a card, see takt nic list\n",
                page->node_id, page->data_dir);
    page_close(page);
    return code;
}

/* ---- of a device that is named ---- */

/* In the child: taktd beside this program, or else wherever PATH has it. */
static void device_exec(const char *eal)
{
    char self[512], beside[600];
    ssize_t got = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *const argv[] = {"taktd", "--show-device", "--eal", (char *)eal, NULL};

    if (got > 0) {
        self[got] = '\0';
        snprintf(beside, sizeof(beside), "%s/taktd", dirname(self));
        execv(beside, argv);
    }
    execvp("taktd", argv);
    fprintf(stderr, "takt: taktd, which would start the device, is not found: %s\n",
            strerror(errno));
    _exit(127);
}

int verb_nic_device_probe(const char *eal, bool as_json)
{
    struct device_facts facts;
    size_t got = 0;
    int ends[2], status = 0;
    pid_t child = pipe(ends) == 0 ? fork() : -1;

    if (child < 0) {
        fprintf(stderr, "takt: no process for taktd: %s\n", strerror(errno));
        return VERB_FAILED;
    }
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        device_exec(eal);
    }
    close(ends[1]);
    for (ssize_t n = 1; n > 0 && got<sizeof(facts); got += n> 0 ? (size_t)n : 0)
        n = read(ends[0], (char *)&facts + got, sizeof(facts) - got);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return VERB_FAILED; /* which has said why */
    if (got != sizeof(facts) || memchr(facts.driver, 0, sizeof(facts.driver)) == NULL) {
        fprintf(stderr, "takt: that taktd is of another build; use the one that came with takt\n");
        return VERB_FAILED;
    }
    return device_show(&facts, as_json);
}
