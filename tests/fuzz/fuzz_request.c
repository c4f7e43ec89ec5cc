/* fuzz_request: bytes of clients through a NET on the sim port and the state machine behind it.
 *
 * Input: first byte: how the rest is used. Bit 0: the bytes follow a handshake that the target
 * makes itself (else they begin with the connection's first byte). Bit 1: they are sent a few at a
 * time. Bits 2-3: after how many turns the client goes away in the middle. What must hold: no
 * failed CHECK; every frame that NET sends is well-formed; when the client has gone, NET holds no
 * memory, no watch and no command of it. */
#include "tests/fuzz/fuzz_net.h"

/* Steps over what arrived; as long as it is packets they must be whole and sane. */
static void fuzz_take(struct port_sim_peer *peer, bool packets)
{
    uint32_t size, at = 0;
    const uint8_t *bytes = port_sim_arrived(peer, &size);
    while (packets && size - at >= 4) {
        struct jute_in in = jute_in(bytes + at, 4);
        uint32_t length = (uint32_t)jute_get_int(&in);
        CHECK(length >= 16 && length < 1 << 27);
        if (size - at < 4 + length)
            break;
        at += 4 + length;
    }
    port_sim_take(peer, packets ? at : size);
}

static void fuzz_turns(struct fuzz *f, struct port_sim_peer *peer, int turns, bool packets)
{
    for (int i = 0; i < turns; i++) {
        f->now.mono_ns += 1000;
        net_poll(&f->net, f->now);
        fuzz_apply(f);
        fuzz_take(peer, packets);
    }
}

static const uint8_t fuzz_handshake[] = {0, 0,  0,  29, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                         0, 39, 16, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz f;
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}, .port = 1};
    if (size < 1 || size > 1 << 16)
        return 0;
    uint8_t how = data[0];
    bool live = how & 1;
    uint32_t step = how & 2 ? 1u + (how >> 4) : (uint32_t)size;
    fuzz_create(&f);
    struct port_sim_peer *peer = port_sim_connect(f.net.port, &from);
    if (live) {
        port_sim_send(peer, fuzz_handshake, sizeof(fuzz_handshake));
        fuzz_turns(&f, peer, 4, true);
        CHECK(port_sim_open_now(peer));
    }
    for (size_t at = 1; at < size; at += step) {
        uint32_t n = size - at < step ? (uint32_t)(size - at) : step;
        port_sim_send(peer, data + at, n);
        fuzz_turns(&f, peer, 1, live);
    }
    fuzz_turns(&f, peer, 1 + (how >> 2 & 3) * 8, live);
    port_sim_cut(peer);
    for (int i = 0; i < 20; i++) /* what is on its way comes home */
        fuzz_turns(&f, peer, 1, false);
    CHECK(port_sim_closed(peer));
    CHECK(f.net.slab.in_use == 0 && f.net.watches.count == 0);
    CHECK(f.net.outstanding == 0 && f.net.conn_count == 0);
    port_sim_forget(peer);
    fuzz_destroy(&f);
    return 0;
}
