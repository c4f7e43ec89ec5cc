/* check_order: writes and synced reads in real time, over all keys: what begins after something was
 * answered is behind it in the one order of zxids. Together with the model (each answer is right
 * for its place in that order) this is linearizability with the order as witness; check_linear
 * judges single registers without looking at zxids.
 *
 *   write A ──── answered (zxid 7)                floor = 7 for whatever begins from here on
 *                              write B ──── answered: zxid > 7
 *                              sync, read ── answered: zxid >= 7 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct check_order {
    int64_t floor; /* highest zxid of a write that somebody was told of */
};

/* check_order_begin gives the floor of an operation that begins now. */
int64_t check_order_begin(const struct check_order *order);

/* check_order_write: a write that began with `floor` is answered. Returns NULL, or what is wrong.
 */
const char *check_order_write(struct check_order *order, int64_t floor, int64_t zxid);

/* check_order_read: a read behind a sync that began with `floor` is answered. */
const char *check_order_read(int64_t floor, int64_t zxid);
