#include "tools/host/nic.h"
#include "tools/takt/json.h"
#include "tools/takt/page.h"
#include "tools/takt/verb.h"
#include "tools/takt/verb_nic_device.h"

#include <string.h>

static const struct verb_page verb_nic_page = {
    .usage = "takt nic list   |   takt nic show|bind|unbind NIC [--driver DRIVER]   |\n"
             "  takt nic show [--data DIR | --page FILE | --eal OPTIONS]",
    .about =
        "The network cards of this machine. NIC is an interface or a PCI address.\n"
        "  list    all of them\n"
        "  show    one: driver, socket, PCI Express link, queues, IOMMU. Without a NIC: the\n"
        "          device of a node on the dpdk port, what it can (checksums, RSS, 802.1Q tags,\n"
        "          time stamps) and what takt uses of that; with --eal, of any device: it is\n"
        "          started for a moment, so no node may have it, and needs what a node needs\n"
        "  bind    takes it from the kernel and gives it to --driver, for takt's dpdk port\n"
        "  unbind  gives it back to the kernel\n"
        "bind uses the kernel's driver_override and refuses a card that carries the default\n"
        "route. vfio-pci needs an IOMMU: it confines the card to the program's own memory, so\n"
        "that neither an error nor an attack reaches the rest. Cards of one IOMMU group go to\n"
        "one owner together. list and show need no root. Where there is no IOMMU, as in most\n"
        "guests, --driver uio_pci_generic (modprobe it) does, without that protection.",
    .examples = "  takt nic list\n"
                "  takt nic show ens1 -o json\n"
                "  takt nic bind 0000:5e:00.0\n"
                "  takt nic show --eal \"-a 0000:5e:00.0\"\n"
                "  takt nic show --data /var/lib/takt\n"
                "  takt nic unbind 0000:5e:00.0\n",
};

static void verb_nic_json(struct json *json, const struct nic *nic)
{
    json_open(json, NULL, '{');
    json_text(json, "name", nic->name);
    json_text(json, "pci", nic->pci);
    json_text(json, "driver", nic->driver);
    json_text(json, "id", *nic->vendor ? nic->vendor : NULL);
    json_text(json, "device", *nic->device ? nic->device : NULL);
    json_text(json, "mac", nic->mac);
    json_text(json, "state", nic->state);
    json_int(json, "speed_mbit", nic->speed);
    json_int(json, "mtu", nic->mtu);
    json_int(json, "node", nic->node);
    json_int(json, "rx_queues", nic->rx_queues);
    json_int(json, "tx_queues", nic->tx_queues);
    json_text(json, "pcie", *nic->link_now ? nic->link_now : NULL);
    json_text(json, "pcie_max", *nic->link_max ? nic->link_max : NULL);
    json_text(json, "iommu_group", *nic->iommu_group ? nic->iommu_group : NULL);
    json_bool(json, "timestamps", nic->has_stamps);
    json_bool(json, "default_route", nic->is_default);
    json_close(json, '}');
}

/* A number of the kernel's that is below 0 where there is none. */
static const char *verb_nic_number(int value, const char *none, char to[16])
{
    snprintf(to, 16, "%d", value);
    return value < 0 ? none : to;
}

static int verb_nic_list(const struct sysroot *root, bool as_json)
{
    static struct nic nics[NIC_MAX];
    uint32_t count = nic_list(root, nics, NIC_MAX);
    struct json json;

    json_init(&json, stdout);
    if (as_json)
        json_open(&json, NULL, '[');
    else
        printf("%-14s %-14s %-12s %-8s %7s %4s %5s  %s\n", "interface", "PCI", "driver", "state",
               "Mbit/s", "node", "rx/tx", "");
    for (uint32_t i = 0; i < count; i++) {
        const struct nic *nic = &nics[i];
        if (as_json) {
            verb_nic_json(&json, nic);
            continue;
        }
        char speed[16], node[16];
        printf("%-14s %-14s %-12s %-8s %7s %4s %2u/%-2u  %s\n", *nic->name ? nic->name : "-",
               *nic->pci ? nic->pci : "-", *nic->driver ? nic->driver : "-",
               *nic->state ? nic->state : "-", verb_nic_number(nic->speed, "-", speed),
               verb_nic_number(nic->node, "-", node), nic->rx_queues, nic->tx_queues,
               nic->is_default ? "default route" : "");
    }
    if (as_json) {
        json_close(&json, ']');
        json_line(&json);
    }
    return VERB_OK;
}

static int verb_nic_show(const struct sysroot *root, const struct nic *nic, bool as_json)
{
    struct json json;
    struct fault fault;

    if (as_json) {
        json_init(&json, stdout);
        verb_nic_json(&json, nic);
        json_line(&json);
        return VERB_OK;
    }
    printf("%-16s %s\n%-16s %s\n%-16s %s\n%-16s %s %s\n", "interface",
           *nic->name ? nic->name : "none: no kernel driver has it", "PCI address",
           *nic->pci ? nic->pci : "none", "driver", *nic->driver ? nic->driver : "none",
           "vendor, id", nic->vendor, nic->device);
    char speed[16], node[16];
    printf("%-16s %s, %s Mbit/s, %s duplex, MTU %u, %s\n", "link",
           *nic->state ? nic->state : "unknown", verb_nic_number(nic->speed, "unknown", speed),
           *nic->duplex ? nic->duplex : "unknown", nic->mtu, nic->mac);
    printf("%-16s %u receive, %u send\n%-16s %s\n", "queues", nic->rx_queues, nic->tx_queues,
           "NUMA node", verb_nic_number(nic->node, "none of its own", node));
    if (*nic->link_now)
        printf("%-16s %s, of %s\n", "PCI Express", nic->link_now, nic->link_max);
    printf("%-16s %s\n%-16s %s\n%-16s %s\n", "IOMMU group",
           *nic->iommu_group ? nic->iommu_group : "none", "time stamps",
           nic->has_stamps ? "a PTP clock" : "no PTP clock", "default route",
           nic->is_default ? "yes: bind refuses it" : "no");
    if (*nic->name == '\0' && *nic->driver)
        printf("%-16s takt nic unbind %s\n", "to give it back", nic->pci);
    else if (nic_may_bind(root, nic, "vfio-pci", &fault) == 0)
        printf("%-16s takt nic bind %s\n", "to hand it over", nic->pci);
    else
        printf("%-16s %s\n", "vfio-pci", fault.text);
    return VERB_OK;
}

static void verb_nic_say_back(const struct sysroot *root, const struct nic *nic)
{
    char now[32];

    nic_driver(root, nic->pci, now, sizeof(now));
    printf("%s was given back by %s; %s%s\n", nic->pci, *nic->driver ? nic->driver : "no driver",
           *now ? now : "no driver of the kernel took it", *now ? " has it" : " (is one loaded?)");
}

static int verb_nic_change(const struct sysroot *root, const struct nic *nic, const char *driver)
{
    struct fault fault;
    int err = driver ? nic_bind(root, nic, driver, &fault) : nic_unbind(root, nic, &fault);

    if (err) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    if (driver)
        printf(
            "%s went from %s to %s\n    port.kind: dpdk\n    port.eal: \"-a %s\"\ntakt nic unbind "
            "%s gives it back\n",
            nic->pci, *nic->driver ? nic->driver : "no driver", driver, nic->pci, nic->pci);
    else
        verb_nic_say_back(root, nic);
    return VERB_OK;
}

int verb_nic(int argc, char **argv)
{
    const char *output = "table", *driver = "vfio-pci", *where = "", *eal = NULL;
    struct page_choice choice = {0};
    struct fault fault;
    struct nic nic;
    int rest;
    const struct opts_item items[] = {
        {"driver", 0, OPTS_STRING, &driver, "DRIVER", "bind: who gets it"},
        {"root", 0, OPTS_STRING, &where, "DIR",
         "a tree with proc and sys instead of this "
         "machine's"},
        {"eal", 0, OPTS_STRING, &eal, "OPTIONS", "show: the device that these name to DPDK"},
        PAGE_OPTIONS(choice),
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table or json", .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_nic_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    struct sysroot root = {where};
    bool as_json = strcmp(output, "json") == 0;
    if (rest == 1 && strcmp(argv[1], "list") == 0)
        return verb_nic_list(&root, as_json);
    bool show = rest > 0 && strcmp(argv[1], "show") == 0;
    bool device = eal || choice.data || choice.file;
    if (show && rest == 1)
        return eal ? verb_nic_device_probe(eal, as_json) : verb_nic_device_node(&choice, as_json);
    bool bind = rest > 0 && strcmp(argv[1], "bind") == 0;
    if (rest != 2 || device || (!show && !bind && strcmp(argv[1], "unbind") != 0))
        return verb_usage(&verb_nic_page, "list; or show, bind, unbind and a card; or show and a "
                          "node or --eal, without a card");
    if (nic_find(&root, argv[2], &nic, &fault) != 0) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    return show ? verb_nic_show(&root, &nic, as_json)
                : verb_nic_change(&root, &nic, bind ? driver : NULL);
}
