/* touch: memory of a fixed size gets its pages before the work begins, so that the first lap of a
 * ring under load meets no page fault, and what a node takes is seen at its start. */
#pragma once

#include <stdint.h>

#define TOUCH_PAGE_SIZE 4096u /* the smallest there is; larger pages are touched more than once */

/* touch_pages writes to each page of [at, at + size) what it holds already. Assumes that nobody
 * else uses the memory yet. Before the roles start. */
static inline void touch_pages(void *at, uint64_t size)
{
    volatile uint8_t *bytes = at;

    for (uint64_t i = 0; i < size; i += TOUCH_PAGE_SIZE)
        bytes[i] = bytes[i];
}
