/* stack: TCP without a kernel. One copy of lwIP and its glue to streams; the port that owns it
 * feeds it frames and takes frames from it.
 *
 *  device ─▶ frame ─▶ input ─▶ lwIP ─▶ stream rx ─▶ NET        service: what NET is still to hear
 *  device ◀─ link.send ◀─ lwIP ◀─ stream tx ◀─ flush ◀─ NET    timers: 10 ms while TCP is alive
 *
 * lwIP keeps its state in globals, so a copy serves one port: there are as many copies in the
 * program as -Dnets says (stack_copy), each with its symbols made local. Received frames are used
 * in place (no copy until NET leaves bytes behind); lwIP's own memory is one slab with a limit.
 *
 * The stack does for its streams what port.h promises; the port forwards to it. One role owns a
 * copy. */
#pragma once

#include "base/say.h"
#include "dataplane/port/port.h"

/* Bytes in front of a frame's struct that the stack uses while it holds the frame. */
#define STACK_FRAME_ROOM 64

/* One received Ethernet frame, in memory of the link. */
struct stack_frame {
    uint64_t room[STACK_FRAME_ROOM / 8];
    uint8_t *data;
    void (*free)(struct stack_frame *frame); /* called once, when the stack is done with it */
    uint32_t size;
    bool checked_ip, checked_tcp; /* the device has found the checksum right */
};

/* What the link fills in, so that the stack need not (it leaves zero there). */
struct stack_offloads {
    bool tx_ip, tx_tcp;
};

struct stack_setup {
    struct port *port; /* whose events are called, whose slab holds the streams */
    uint8_t mac[6];
    struct address ip;         /* IPv4 as ::ffff:a.b.c.d, or IPv6; its port is not looked at */
    struct address gateway;    /* of the same kind; zeros: none */
    uint32_t prefix_size;      /* of ip, bits: in [0, 32], or 64 */
    uint32_t mtu;              /* in [1280, 9000] */
    uint16_t listen_port;
    struct stack_offloads offloads;
    uint64_t memory_limit;     /* bytes of lwIP's slab */
    uint64_t seed;             /* secret: sequence numbers and the index */
    void *link;
    /* Room for one frame of `size` bytes, or NULL: dropped. send says that it is filled. */
    uint8_t *(*link_room)(void *link, uint32_t size);
    void (*link_send)(void *link, uint8_t *frame, uint32_t size);
};

/* Written by the stack, read by CTL: relaxed. */
struct stack_counters {
    _Atomic uint64_t frames_in, frames_out, frames_dropped; /* dropped: no room at the link */
    _Atomic uint64_t memory_refused; /* lwIP asked its slab and got nothing */
};

struct stack_ops {
    /* Starts the copy. Returns 0, ERR_BUSY (in use), ERR_RANGE, ERR_NOMEM. */
    int (*init)(const struct stack_setup *setup);
    void (*fini)(void);
    /* Takes one frame. Calls received and opened. */
    void (*input)(struct stack_frame *frame);
    /* Sets the time and runs timers; then tells NET what is due. Returns units of work. */
    uint32_t (*service)(struct now now);
    /* As in struct port_ops. */
    void (*flush)(struct stream *stream);
    void (*close)(struct stream *stream, bool flush_first);
    void (*resume)(struct stream *stream);
    bool (*idle)(void);
    uint64_t (*deadline_ns)(void);
    const struct stack_counters *(*counters)(void);
    /* Finds the Ethernet address of who takes frames for `to`: a neighbour, or the gateway. False:
     * not known; with `ask` an ARP request or a neighbour solicitation has been given to the link.
     */
    bool (*neighbour)(const struct address *to, uint8_t mac[6], bool ask);
    /* Connection look-ups so far, and connections compared in them. For the test. */
    void (*index_probes)(uint64_t *lookups, uint64_t *probes);
    /* Opens a connection; events as for an accepted one. For tests: a stack as client. Returns 0,
     * ERR_NOMEM. */
    int (*dial)(const struct address *to);
};

/* stack_copy gives copy `index`, or NULL when it is not below stack_copy_count. */
const struct stack_ops *stack_copy(uint32_t index);
extern const uint32_t stack_copy_count;
