#include "dataplane/zk/frame.h"

static uint32_t frame_int(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return __builtin_bswap32(v);
}

bool frame_is_word(const uint8_t *at)
{
    static const char words[] = "conf cons crst dirs dump envi gtmk hash isro memb mntr ruok srst "
                                "srvr stat stmk wchc wchp wchs ";
    for (const char *word = words; *word; word += 5) {
        if (memcmp(word, at, 4) == 0)
            return true;
    }
    return false;
}

static void frame_word(struct frame *frame, const uint8_t *at, uint32_t size)
{
    bool mask = memcmp(at, "stmk", 4) == 0;
    uint32_t total = FRAME_HEADER_SIZE + (mask ? FRAME_WORD_ARG : 0);
    if (size < total) {
        frame->kind = FRAME_NEED;
        frame->need = total;
        return;
    }
    frame->kind = FRAME_WORD;
    frame->size = total;
    memcpy(frame->word, at, 4);
    if (mask)
        frame->word_arg = (uint64_t)frame_int(at + 4) << 32 | frame_int(at + 8);
}

void frame_next(struct frame *frame, const uint8_t *at, uint32_t size, uint32_t limit, bool first)
{
    memset(frame, 0, sizeof(*frame));
    if (size < FRAME_HEADER_SIZE) {
        frame->kind = FRAME_NEED;
        frame->need = FRAME_HEADER_SIZE;
        return;
    }
    uint32_t payload = frame_int(at);
    if (first && frame_is_word(at)) {
        frame_word(frame, at, size);
    } else if (payload == 0 || payload > limit) { /* telnet's FF F4 FF FD too */
        frame->kind = FRAME_BAD;
    } else if (size < FRAME_HEADER_SIZE + payload) {
        frame->kind = FRAME_NEED;
        frame->need = FRAME_HEADER_SIZE + payload;
    } else {
        frame->kind = FRAME_READY;
        frame->size = FRAME_HEADER_SIZE + payload;
        frame->payload = bytes_of(at + FRAME_HEADER_SIZE, payload);
    }
}
