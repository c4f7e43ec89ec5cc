#include "tests/sim/check_member.h"

#include "base/check.h"

#include <stdio.h>

static uint32_t voters_of(const struct membership *members)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < members->count; i++) {
        CHECK(members->server[i].id >= 1 && members->server[i].id <= CHECK_MEMBER_NODES);
        if (!members->server[i].observer)
            voters |= 1u << (members->server[i].id - 1);
    }
    return voters;
}

static const char *member_wrong(const char *what, uint32_t from, uint32_t to)
{
    static char text[160];

    snprintf(text, sizeof(text), "%s: the voters %#x become %#x", what, from, to);
    return text;
}

const char *check_member_entry(struct check_member *check, const struct membership_body *body)
{
    uint32_t after = voters_of(&body->after);

    if (body->flags & MEMBERSHIP_REFUSED)
        return NULL;
    check->changes++;
    if (!check->begun || (body->flags & MEMBERSHIP_INITIAL)) {
        check->begun = true;
        check->now = after;
        return NULL;
    }
    if (body->flags & MEMBERSHIP_JOINT) {
        if (check->joint || voters_of(&body->before) != check->now)
            return member_wrong("a joint membership that does not begin with the one in force",
                                check->now, after);
        check->joint = check->both = true;
        check->next = after;
        return NULL;
    }
    if (after != (check->joint ? check->next : check->now))
        return member_wrong("a membership without its joint step",
                            check->joint ? check->next : check->now, after);
    check->now = after;
    check->joint = false;
    return NULL;
}

void check_member_acked(struct check_member *check, uint32_t node, uint64_t index)
{
    CHECK(node < CHECK_MEMBER_NODES);
    if (index > check->acked[node])
        check->acked[node] = index;
}

static bool majority(uint32_t voters, uint32_t holders)
{
    return 2 * __builtin_popcount(voters & holders) > __builtin_popcount(voters);
}

const char *check_member_shown(struct check_member *check, uint64_t index, uint32_t led)
{
    static char text[160];
    uint32_t holders = led;
    bool both = check->both;

    check->both = false;
    if (!check->begun)
        return NULL;
    for (uint32_t i = 0; i < CHECK_MEMBER_NODES; i++)
        if (check->acked[i] >= index)
            holders |= 1u << i;
    if (((check->joint && !both) || majority(check->now, holders)) &&
        (!check->joint || majority(check->next, holders)))
        return NULL;
    snprintf(text, sizeof(text),
             "entry %llu is applied, and of the voters %#x%s only %#x have said that they hold it",
             (unsigned long long)index, check->joint ? check->next : check->now,
             both ? " (and those before)" : "", holders);
    return text;
}
