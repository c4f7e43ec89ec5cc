/* multi (zk_protocol.md section 8): all or nothing, one zxid. The body is read twice: once to see
 * that all of it is well-formed, once to run it. */
#include "store/op.h"

#include "base/check.h"
#include "base/limits.h"

#define NONE (-1)

/* The next operation of the body. Returns its kind, or NULL at the terminator or, with in->bad set,
 * at something that a write multi cannot hold. */
static const struct op_kind *next(struct jute_in *in, struct op_request *r)
{
    int32_t opcode = jute_get_int(in);
    bool done = jute_get_bool(in);
    jute_get_int(in); /* the error, meaningless in a request */
    if (done || in->bad)
        return NULL;
    const struct op_kind *kind = op_kind(opcode);
    *r = (struct op_request){.op = opcode};
    if (!kind || !kind->result_op || !kind->decode(in, r)) {
        in->bad = true;
        return NULL;
    }
    /* An illegal flag is a decoding error inside a multi, unlike outside. */
    if (kind->decode == op_create_decode && (r->flags < 0 || r->flags > ZK_CREATE_TTL_SEQUENTIAL)) {
        in->bad = true;
        return NULL;
    }
    return kind;
}

static void put_header(struct jute_out *out, int32_t opcode, bool done, int32_t error)
{
    jute_put_int(out, opcode);
    jute_put_byte(out, done);
    jute_put_int(out, error);
}

/* Every entry is an error: 0 before the one that failed, its code, then -2. */
static void put_failed(struct jute_out *out, uint32_t count, uint32_t failed, int32_t error)
{
    for (uint32_t i = 0; i < count; i++) {
        int32_t code = i < failed ? ZK_OK : i == failed ? error : ZK_RUNTIME_INCONSISTENCY;
        put_header(out, ZK_OP_ERROR, false, code);
        jute_put_int(out, code);
    }
}

int32_t op_multi_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    struct jute_in in = jute_in(r->all.at, (size_t)r->all.size);
    const struct op_kind *kind;
    struct op_request one;
    uint32_t count = 0, index = 0;
    int32_t error = ZK_OK;
    uint8_t *start = out->at;
    while (next(&in, &one))
        count++;
    if (in.bad)
        return ZK_MARSHALLING_ERROR;
    in = jute_in(r->all.at, (size_t)r->all.size);
    while (!error && (kind = next(&in, &one))) {
        put_header(out, kind->result_op, false, ZK_OK);
        error = kind->run(op, &one, out);
        if (!error && op->told_size > LIMIT_CHANGES_SIZE)
            error = ZK_SYSTEM_ERROR;
        index += !error;
    }
    if (error == ZK_MARSHALLING_ERROR)
        return error; /* a null path: the reference gives up the whole request */
    if (error) {
        op->undone = true;
        out->at = start;
        put_failed(out, count, index, error);
    }
    CHECK(error || index == count);
    put_header(out, NONE, true, NONE);
    CHECK(!out->bad);
    return ZK_OK;
}
