/* verb_nic_device: the device of the dpdk port, as `takt nic show` tells it: of a running node from
 * its page, of any device by asking taktd, which starts it for a moment. */
#pragma once

#include "base/device_facts.h"
#include "tools/takt/page.h"

/* Print the device of the node that is meant, or that EAL's options name. Return a verb_exit; what
 * went wrong is said on stderr. */
int verb_nic_device_node(const struct page_choice *choice, bool as_json);
int verb_nic_device_probe(const char *eal, bool as_json);
