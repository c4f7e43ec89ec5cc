#include "store/once.h"

#include "base/check.h"
#include "base/plant.h"

#include <stdlib.h>
#include <string.h>

#define ONCE_IMAGE_MIN (8 + 8 + 4 + 4)

static_assert((LIMIT_SESSION_ONCE_COUNT & (LIMIT_SESSION_ONCE_COUNT - 1)) == 0, "places by mask");

static uint32_t place_of(uint64_t sequence)
{
    return (uint32_t)sequence & (LIMIT_SESSION_ONCE_COUNT - 1);
}

enum once_state once_find(const struct once *once, uint64_t sequence,
                          const struct once_answer **answer)
{
    CHECK(sequence > 0);
    if (!once)
        return ONCE_NEW;
    const struct once_answer *held = &once->answers[place_of(sequence)];
    CHECK(held->sequence <= once->last);
    if (held->sequence != sequence)
        return sequence > (PLANTED(54) ? held->sequence : once->last) ? ONCE_NEW : ONCE_PASSED;
    CHECK(held->size <= held->room);
    *answer = held;
    return ONCE_KNOWN;
}

/* Room is kept for the next answer at this place: most are of one size. */
static int answer_fit(struct once_answer *answer, uint32_t size)
{
    if (size <= answer->room)
        return 0;
    uint8_t *larger = realloc(answer->body, size);
    if (!larger)
        return ERR_NOMEM;
    answer->body = larger;
    answer->room = size;
    return 0;
}

int once_record(struct once **once, uint64_t sequence, int64_t zxid, int32_t error,
                struct bytes body)
{
    CHECK(body.size >= 0);
    CHECK(body.size <= LIMIT_SESSION_ONCE_SIZE);
    if (!*once && !(*once = calloc(1, sizeof **once)))
        return ERR_NOMEM;
    struct once_answer *answer = &(*once)->answers[place_of(sequence)];
    CHECK(answer->sequence < sequence);
    int err = answer_fit(answer, (uint32_t)body.size);
    if (err)
        return err;
    answer->sequence = sequence;
    if ((*once)->last < sequence)
        (*once)->last = sequence;
    answer->zxid = zxid;
    answer->error = error;
    answer->size = (uint32_t)body.size;
    if (body.size)
        memcpy(answer->body, body.at, (size_t)body.size);
    return 0;
}

void once_free(struct once *once)
{
    if (!once)
        return;
    for (int i = 0; i < LIMIT_SESSION_ONCE_COUNT; i++)
        free(once->answers[i].body);
    free(once);
}

/* ---- snapshots ---- */

uint64_t once_image_size(const struct once *once)
{
    uint64_t size = 4;
    for (int i = 0; once && i < LIMIT_SESSION_ONCE_COUNT; i++)
        size += ONCE_IMAGE_MIN + once->answers[i].size;
    return size;
}

void once_image(const struct once *once, struct jute_out *out)
{
    int32_t count = 0;
    for (int i = 0; once && i < LIMIT_SESSION_ONCE_COUNT; i++)
        count += once->answers[i].sequence != 0;
    jute_put_int(out, count);
    for (int i = 0; once && i < LIMIT_SESSION_ONCE_COUNT; i++) {
        const struct once_answer *answer = &once->answers[i];
        if (answer->sequence == 0)
            continue;
        jute_put_long(out, (int64_t)answer->sequence);
        jute_put_long(out, answer->zxid);
        jute_put_int(out, answer->error);
        jute_put_bytes(out, bytes_of(answer->body, answer->size));
    }
    CHECK(!out->bad);
}

int once_image_load(struct once **once, struct jute_in *in)
{
    int32_t count = jute_get_count(in, ONCE_IMAGE_MIN);
    if (in->bad || count < 0 || count > LIMIT_SESSION_ONCE_COUNT)
        return ERR_MALFORMED;
    CHECK(*once == NULL);
    for (int32_t i = 0; i < count; i++) {
        uint64_t sequence = (uint64_t)jute_get_long(in);
        int64_t zxid = jute_get_long(in);
        int32_t error = jute_get_int(in);
        struct bytes body = jute_get_bytes(in);
        bool fits = body.size >= 0 && body.size <= LIMIT_SESSION_ONCE_SIZE;
        if (in->bad || sequence == 0 || !fits ||
            (*once && (*once)->answers[place_of(sequence)].sequence >= sequence))
            return ERR_MALFORMED;
        int err = once_record(once, sequence, zxid, error, body);
        if (err)
            return err;
    }
    return 0;
}
