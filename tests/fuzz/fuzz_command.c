/* fuzz_command: any commands, with any bytes as bodies, into the state machine. The input is a row
 * of
 *
 *   kind u8 │ op i8 (127: dump) │ who u8 │ time u8 │ size u16 LE │ size bytes of body
 *
 * who: bits 0-1 session, 2-3 attach number, 4-5 what is added to the sequence, 6-7 to the term.
 * What must hold: zxids rise by at most one a command within a term, a client is answered exactly
 * once or the command was a repeat, a failure has no body and tells no change; a second machine fed
 * the same agrees in every bit; at the end the tree hangs together and the counts agree. */
#include "base/check.h"
#include "store/machine.h"
#include "store/path.h"

#include <string.h>

#define COMMAND_COUNT_MAX 400

struct subject {
    struct tree *tree;
    struct machine *machine;
    uint32_t changes, replies, sessions, timers;
    int32_t error;
    int64_t body_size, zxid;
};

static void fuzz_change(void *self, int64_t zxid, uint32_t event, struct bytes path,
                        struct bytes acl, struct bytes parent_acl)
{
    struct subject *subject = self;
    CHECK(subject->replies == 0); /* all changes come before the reply */
    CHECK(zxid == machine_zxid(subject->machine));
    CHECK(event >= ZK_EVENT_CREATED && event <= ZK_EVENT_DATA_CHANGED);
    CHECK(path_valid(path));
    CHECK(acl.size != 0 && parent_acl.size != 0);
    subject->changes++;
}

static void fuzz_reply(void *self, const struct apply_reply *head, struct bytes body)
{
    struct subject *subject = self;
    CHECK(head->error == ZK_OK || body.size == 0);
    CHECK(head->error == ZK_OK || subject->changes == 0);
    CHECK(head->head.zxid == machine_zxid(subject->machine));
    subject->error = head->error;
    subject->body_size = body.size;
    subject->replies++;
}

static void fuzz_session(void *self, const struct apply_session *session)
{
    struct subject *subject = self;
    CHECK(session->session != 0);
    subject->sessions++;
}

static void fuzz_timer(void *self, int64_t session, int32_t timeout_ms)
{
    struct subject *subject = self;
    CHECK(session != 0 && timeout_ms >= 0);
    subject->timers++;
}

static void fuzz_begin(struct subject *subject, uint8_t settings)
{
    struct tree_config tree_config = {.memory_limit = settings & 1 ? 1 << 18 : 1 << 26,
                                      .nodes_max = 1 << 12};
    struct machine_config config = {.session_count_max = 3,
                                    .acl_count_max = settings & 2 ? 4 : 64,
                                    .extended_types = settings & 4,
                                    .enforce_quota = settings & 8,
                                    .skip_acl = settings & 16,
                                    .reconfig_enabled = settings & 32,
                                    .container_unused_ms = settings & 64};
    memset(subject, 0, sizeof *subject);
    CHECK(tree_create(&subject->tree, &tree_config) == 0);
    CHECK(machine_create(&subject->machine, &config, subject->tree) == 0);
}

static void fuzz_end(struct subject *subject)
{
    machine_destroy(subject->machine);
    tree_destroy(subject->tree);
}

static void fuzz_send(struct subject *subject, uint64_t index, uint64_t term,
                      const struct command *c, const uint8_t *body)
{
    const struct machine_sink sink = {subject, fuzz_change, fuzz_reply, fuzz_session, fuzz_timer};
    int64_t before = machine_zxid(subject->machine);
    subject->changes = subject->replies = subject->sessions = subject->timers = 0;
    if (c->kind == COMMAND_QUERY)
        machine_query(subject->machine, c, body, &sink);
    else
        machine_apply(subject->machine, index, term, c, body, &sink);
    subject->zxid = machine_zxid(subject->machine);
    CHECK(subject->zxid == before || subject->zxid == before + 1 ||
          (uint64_t)subject->zxid == (term << 32 | 1));
    CHECK(subject->changes == 0 || subject->zxid > before);
    CHECK(subject->replies <= 1);
    if (subject->zxid > before)
        tree_publish(subject->tree, subject->zxid);
}

static void fuzz_node(const struct tree_view *view, const struct znode *node, uint64_t *ephemerals)
{
    struct bytes path = znode_path(node), parent = path_parent(path);
    int64_t owner = znode_owner(node);
    CHECK(path_valid(path));
    CHECK(tree_get(view, parent.size ? parent : bytes_of("/", 1)) != NULL);
    *ephemerals += owner != 0 && owner != ZK_OWNER_CONTAINER &&
                   ((uint64_t)owner & ZK_OWNER_TTL_TOP) != ZK_OWNER_TTL_TOP;
}

/* Every node, in depth first order. */
static void fuzz_tree(struct subject *subject)
{
    struct tree_view view = tree_view(subject->tree);
    const struct znode *root = tree_get(&view, bytes_of("/", 1)), *node = root;
    uint64_t ephemerals = 0, nodes = 0;
    while (node) {
        const struct znode *next = tree_child_first(&view, node);
        if (node != root) {
            fuzz_node(&view, node, &ephemerals);
            nodes++;
        }
        while (!next && node != root) {
            struct bytes parent = path_parent(znode_path(node));
            next = tree_child_next(&view, node);
            if (!next)
                node = tree_get(&view, parent.size ? parent : bytes_of("/", 1));
        }
        node = next;
    }
    CHECK(nodes == tree_descendant_count(&view, root));
    CHECK(ephemerals == machine_ephemeral_count(subject->machine));
}

/* Fills a command from six bytes of input; the body follows. */
static void fuzz_command(const uint8_t *head, struct command *c)
{
    int8_t op = (int8_t)head[1];
    memset(c, 0, sizeof *c);
    c->kind = head[0] % (COMMAND_QUERY + 1);
    if (c->kind == COMMAND_TOUCH)
        c->kind = COMMAND_REQUEST;
    c->version = COMMAND_VERSION;
    c->op = op == 127 ? COMMAND_OP_DUMP : op;
    c->session = head[2] & 3;
    c->attach = head[2] >> 2 & 3;
    c->conn = 1;
    memset(c->random, head[2] & 3, sizeof c->random);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct subject one, two;
    uint64_t index = 0, term = 1, sequence = 0;
    int64_t time_ms = 1000;
    if (size < 1)
        return 0;
    fuzz_begin(&one, data[0]);
    fuzz_begin(&two, data[0]);
    data++, size--;
    while (size >= 6 && index < COMMAND_COUNT_MAX) {
        struct command c;
        fuzz_command(data, &c);
        size_t body_size = (size_t)(data[4] | data[5] << 8);
        body_size = body_size < size - 6 ? body_size : size - 6;
        sequence += data[2] >> 4 & 3;
        term += data[2] >> 6;
        time_ms += data[3];
        c.sequence = sequence;
        c.time_ms = time_ms;
        c.body_size = c.kind == COMMAND_NOOP || c.kind == COMMAND_EXPIRE ? 0 : (uint32_t)body_size;
        index++;
        fuzz_send(&one, index, term, &c, data + 6);
        fuzz_send(&two, index, term, &c, data + 6);
        CHECK(one.error == two.error && one.body_size == two.body_size);
        CHECK(machine_hash(one.machine) == machine_hash(two.machine));
        data += 6 + body_size;
        size -= 6 + body_size;
    }
    fuzz_tree(&one);
    fuzz_end(&one);
    fuzz_end(&two);
    return 0;
}
