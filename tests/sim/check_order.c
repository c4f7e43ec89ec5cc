#include "tests/sim/check_order.h"

#include <stdio.h>

static const char *order_broken(const char *what, int64_t floor, int64_t zxid)
{
    static char text[160];
    snprintf(text, sizeof(text), "%s at zxid %llx began after zxid %llx had been answered", what,
             (unsigned long long)zxid, (unsigned long long)floor);
    return text;
}

int64_t check_order_begin(const struct check_order *order)
{
    return order->floor;
}

const char *check_order_write(struct check_order *order, int64_t floor, int64_t zxid)
{
    if (zxid > order->floor)
        order->floor = zxid;
    return zxid > floor ? NULL : order_broken("a write", floor, zxid);
}

const char *check_order_read(int64_t floor, int64_t zxid)
{
    return zxid >= floor ? NULL : order_broken("a synced read", floor, zxid);
}
