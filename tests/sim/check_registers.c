#include "tests/sim/check_registers.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_registers_init(struct check_registers *registers)
{
    memset(registers, 0, sizeof(*registers));
}

void check_registers_fini(struct check_registers *registers)
{
    for (uint32_t i = 0; i < CHECK_REGISTERS_COUNT; i++)
        free(registers->keys[i].ops);
}

uint32_t check_registers_begin(struct check_registers *registers, uint32_t key, bool write,
                               uint64_t value, uint32_t who, uint64_t now_ns)
{
    CHECK(key < CHECK_REGISTERS_COUNT && (!write || value));
    uint32_t at = registers->keys[key].count++;
    if (at == registers->keys[key].room) {
        registers->keys[key].room = at ? 2 * at : 256;
        registers->keys[key].ops = realloc(
            registers->keys[key].ops, registers->keys[key].room * sizeof(struct check_linear_op));
        CHECK(registers->keys[key].ops);
    }
    registers->keys[key].ops[at] = (struct check_linear_op){.write = write,
                                                            .value = value,
                                                            .invoke_ns = now_ns,
                                                            .return_ns = CHECK_LINEAR_UNKNOWN,
                                                            .who = who};
    return at;
}

void check_registers_end(struct check_registers *registers, uint32_t key, uint32_t op,
                         uint64_t value, uint64_t now_ns)
{
    struct check_linear_op *at = &registers->keys[key].ops[op];

    CHECK(op < registers->keys[key].count && at->return_ns == CHECK_LINEAR_UNKNOWN);
    at->return_ns = now_ns;
    if (!at->write)
        at->value = value;
}

void check_registers_void(struct check_registers *registers, uint32_t key, uint32_t op)
{
    struct check_linear_op *at = &registers->keys[key].ops[op];

    CHECK(op < registers->keys[key].count);
    at->write = false; /* a read without an answer says nothing */
    at->return_ns = CHECK_LINEAR_UNKNOWN;
}

const char *check_registers_judge(struct check_registers *registers)
{
    static char text[200];

    for (uint32_t key = 0; key < CHECK_REGISTERS_COUNT; key++) {
        const struct check_linear_op *ops = registers->keys[key].ops;
        uint32_t bad = 0;
        enum check_linear_verdict verdict = check_linear(ops, registers->keys[key].count, &bad);
        if (verdict == CHECK_LINEAR_UNDECIDED)
            registers->undecided++;
        if (verdict != CHECK_LINEAR_NO)
            continue;
        snprintf(text, sizeof(text),
                 "register %u is not linearizable: client %u's %s of %llx from %llu us to %llu us",
                 key, ops[bad].who, ops[bad].write ? "write" : "read",
                 (unsigned long long)ops[bad].value, (unsigned long long)ops[bad].invoke_ns / 1000,
                 (unsigned long long)ops[bad].return_ns / 1000);
        return text;
    }
    return NULL;
}
