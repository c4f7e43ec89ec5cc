/* check_registers: what clients did to a few registers (znodes that are only ever written and read
 * behind a sync), noted as it happens, judged by check_linear at the end. */
#pragma once

#include "tests/sim/check_linear.h"

#define CHECK_REGISTERS_COUNT 4

struct check_registers {
    struct {
        struct check_linear_op *ops;
        uint32_t count, room;
    } keys[CHECK_REGISTERS_COUNT];
    uint64_t undecided;
};

void check_registers_init(struct check_registers *registers);
void check_registers_fini(struct check_registers *registers);

/* check_registers_begin notes an invocation; value: what a write writes, unique and not 0. Returns
 * the operation's number in its key. */
uint32_t check_registers_begin(struct check_registers *registers, uint32_t key, bool write,
                               uint64_t value, uint32_t who, uint64_t now_ns);

/* check_registers_end notes the answer: what a read saw. An operation that is never ended may have
 * happened or not. */
void check_registers_end(struct check_registers *registers, uint32_t key, uint32_t op,
                         uint64_t value, uint64_t now_ns);

/* check_registers_void: the operation was refused and certainly did nothing. */
void check_registers_void(struct check_registers *registers, uint32_t key, uint32_t op);

/* check_registers_judge returns NULL, or what is wrong. */
const char *check_registers_judge(struct check_registers *registers);
