/* frame: where one packet of a client ends (zk_protocol.md section 1).
 *
 *     ┌ int32 size ┐┌─── size bytes ───┐┌ int32 size ┐...        size in [1, limit]
 *     "ruok"            instead of the first size: a four-letter word (zk_admin.md section 1)
 *
 * Pure: looks at bytes, keeps nothing. A word that arrives in pieces is a frame that needs more. */
#pragma once

#include "base/jute.h"

#define FRAME_HEADER_SIZE 4
#define FRAME_WORD_ARG    8 /* bytes of stmk's argument */

enum frame_kind {
    FRAME_NEED,  /* not all here: `need` bytes are wanted in total */
    FRAME_READY, /* `payload` is the packet; `size` bytes are to be consumed */
    FRAME_WORD,  /* a four-letter word in `word`; `size` bytes are to be consumed */
    FRAME_BAD,   /* the size is out of range, or the telnet close sequence: close, say nothing */
};

struct frame {
    enum frame_kind kind;
    uint32_t need;
    uint32_t size;
    struct bytes payload;
    char word[5];
    uint64_t word_arg; /* stmk */
};

/* frame_next reads the front of `size` received bytes. first: nothing was read from this connection
 * before, so a four-letter word may stand here. limit: the largest payload, bytes. Borrows at. */
void frame_next(struct frame *frame, const uint8_t *at, uint32_t size, uint32_t limit, bool first);

/* frame_is_word tells whether four bytes are a word that ZooKeeper 3.9 knows. */
bool frame_is_word(const uint8_t *at);
