/* device_offload: which offloads of a device are used: those that takt has a use for, as far as the
 * device reports them. Control path. */
#pragma once

#include "base/device_facts.h"

struct rte_eth_conf;
struct rte_eth_dev_info;

/* device_negotiate sets facts->can and used, and asks for the same in conf, whose offloads and RSS
 * are zero before. facts->queue_count is set. With `plain`, no offload is used but RSS. Pure. */
void device_negotiate(const struct rte_eth_dev_info *info, bool plain, struct device_facts *facts,
                      struct rte_eth_conf *conf);
