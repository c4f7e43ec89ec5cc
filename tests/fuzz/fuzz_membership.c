/* fuzz_membership: any bytes as server lines (first byte even), as an incremental change of three
 * servers (1 mod 4), or as the body of COMMAND_CONFIG (3 mod 4). What must hold: what is accepted
 * is printed in the promised room and is read back as the same; a refusal has a sentence. */
#include "base/check.h"
#include "base/membership.h"

#include <string.h>

static void fuzz_again(const struct membership *m)
{
    static char text[MEMBERSHIP_TEXT_SIZE];
    struct membership again;
    int64_t version;
    size_t size = membership_print(m, 0x7ffffffff, text, sizeof(text));

    CHECK(membership_parse(&again, text, size, &version, NULL) == 0);
    CHECK(membership_equal(m, &again) && version == 0x7ffffffff);
    CHECK(membership_cluster_id(m, "") == membership_cluster_id(&again, ""));
    CHECK(membership_quorum(m) <= m->count || membership_voter_count(m) == 0);
}

static void fuzz_lines(const char *text, size_t size)
{
    struct fault fault = {.text = ""};
    struct membership m;
    int64_t version;
    int err = membership_parse(&m, text, size, &version, &fault);

    CHECK(err == 0 || (err == ERR_CONFIG && fault.text[0]));
    if (!err)
        fuzz_again(&m);
}

static void fuzz_change(const char *text, size_t size)
{
    static const char three[] = "server.1=a:1:2;3,server.2=b:1:2;3,server.3=c:1:2;3";
    struct fault fault = {.text = ""};
    struct membership m, before;
    const char *bar = memchr(text, '/', size);
    size_t joining = bar ? (size_t)(bar - text) : size;

    CHECK(membership_parse(&m, three, sizeof(three) - 1, NULL, NULL) == 0);
    before = m;
    int err = membership_change(&m, text, joining, bar ? bar + 1 : "", bar ? size - joining - 1 : 0,
                                &fault);
    CHECK(err == 0 || (err == ERR_CONFIG && fault.text[0]));
    if (err)
        CHECK(membership_equal(&m, &before));
    else
        fuzz_again(&m);
}

static void fuzz_body(const uint8_t *at, size_t size)
{
    static uint8_t bytes[MEMBERSHIP_BODY_SIZE];
    struct membership_body body, again;
    int err = membership_body_decode(&body, at, size);

    CHECK(err == 0 || err == ERR_MALFORMED || err == ERR_VERSION);
    if (err)
        return;
    size_t n = membership_body_encode(&body, bytes, sizeof(bytes));
    CHECK(membership_body_decode(&again, bytes, n) == 0);
    CHECK(again.flags == body.flags && again.error == body.error);
    CHECK(membership_equal(&again.before, &body.before));
    CHECK(membership_equal(&again.after, &body.after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 65536)
        return 0;
    if (data[0] % 2 == 0)
        fuzz_lines((const char *)data + 1, size - 1);
    else if (data[0] % 4 == 1)
        fuzz_change((const char *)data + 1, size - 1);
    else
        fuzz_body(data + 1, size - 1);
    return 0;
}
