#include "tools/takt/verb_host.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

int verb_host_read(const struct verb_host *from, struct host *host, struct config *config,
                   struct fault *fault)
{
    config_init(config);
    if (host_read(host, (struct sysroot){from->root}) != 0)
        return fault_set(fault, ERR_NOTFOUND, "%s/sys/devices/system/cpu/online cannot be read",
                         from->root);
    if (from->config == NULL)
        return 0;
    int err = config_load(config, from->config, fault);
    if (err || *from->root != '\0') /* another machine's cpus are not this one's */
        return err;
    bool anywhere = !*config->data_dir; /* as in the sample: which one it is matters not here */
    if (anywhere)
        snprintf(config->data_dir, sizeof(config->data_dir), ".");
    err = config_check(config, fault);
    if (anywhere)
        config->data_dir[0] = '\0';
    return err;
}

/* The NUMA node of the card, by interface or PCI address; -1 when unknown. */
static int32_t verb_host_nic_node(const struct verb_host *from, const struct host *host)
{
    int64_t node;
    if (from->nic == NULL)
        return -1;
    if (sysroot_number(&host->root, &node, "/sys/class/net/%s/device/numa_node", from->nic) ||
        sysroot_number(&host->root, &node, "/sys/bus/pci/devices/%s/numa_node", from->nic))
        return (int32_t)node;
    return -1;
}

int verb_host_plan(const struct verb_host *from, const struct host *host,
                   const struct config *config, struct plan *plan, struct fault *fault)
{
    struct plan_wish wish = {
        .net_count = from->net_count ? (uint32_t)from->net_count : config->net_count,
        .peers = config_is_ensemble(config),
        .nic = from->nic,
        .nic_node = verb_host_nic_node(from, host),
    };

    if (from->layout && strcmp(from->layout, "auto") != 0)
        wish.layout = strcmp(from->layout, "spread") == 0 ? PLAN_SPREAD : PLAN_TOGETHER;
    if (from->nic && !sysroot_exists(&host->root, "/sys/class/net/%s", from->nic) &&
        !sysroot_exists(&host->root, "/sys/bus/pci/devices/%s", from->nic))
        return fault_set(fault, ERR_NOTFOUND,
                         "there is no network card \"%s\"; takt nic list shows "
                         "what is here",
                         from->nic);
    return plan_make(host, &wish, plan, fault);
}

int verb_host_hot(const struct verb_host *from, const struct host *host,
                  const struct config *config, struct cpulist *hot, struct fault *fault)
{
    struct plan plan;

    if (from->cpus) {
        CHECK(cpulist_parse(from->cpus, hot) == 0); /* as OPTS_CPUS has seen */
        struct cpulist absent = cpulist_without(hot, &host->online);
        char text[256];
        if (!cpulist_is_empty(&absent))
            return fault_set(fault, ERR_NOTFOUND, "there is no cpu %s here",
                             cpulist_print(&absent, text, sizeof(text)));
        return 0;
    }
    *hot = plan_of_config(config);
    if (!cpulist_is_empty(hot))
        return 0;
    int err = verb_host_plan(from, host, config, &plan, fault);
    *hot = plan.hot;
    return err;
}

enum doctor_class verb_host_class(const struct host *host, const struct cpulist *hot,
                                  char why[DOCTOR_TEXT_SIZE])
{
    static struct doctor_subject subject;
    static struct doctor_report report;

    doctor_subject_init(&subject, host, hot, NULL, "/");
    doctor_run(&subject, &report);
    snprintf(why, DOCTOR_TEXT_SIZE, "not measured");
    for (uint32_t i = 0; i < report.count; i++) {
        if (doctor_caps(&report.findings[i]) != report.class)
            continue;
        snprintf(why, DOCTOR_TEXT_SIZE, "%s", report.findings[i].text);
        break;
    }
    return report.class;
}
