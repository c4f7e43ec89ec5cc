/* sim_knobs: what one run of the simulator may do, each a number with a name. A seed turns some of
 * them on and draws how far (a swarm: every seed is hostile in its own way); the command line may
 * set any of them. Rates are per 1000 simulated seconds. */
#pragma once

#include "base/rand.h"

#include <stdbool.h>
#include <stdint.h>

/* name, percent of the seeds that turn it on, least and greatest value then, meaning; off: 0.
 * Those of SIM_KNOBS_FAULT are, in this order, the kinds of sim_faults. */
#define SIM_KNOBS_WORLD(X)                                                                         \
    X(clients, 100, 1, 8, "clients")                                                               \
    X(run_ms, 100, 4000, 20000, "simulated time with faults")                                      \
    X(think_us, 100, 3000, 60000, "between two steps of a client, at most")                        \
    X(haste, 12, 1, 5, "clients so many times as fast, plus one")                                  \
    X(cut_per_mille, 60, 1, 20, "client steps that reset the connection")                          \
    X(silent_per_mille, 40, 1, 10, "client steps that begin a silence")                            \
    X(garbage_per_mille, 25, 1, 10, "client steps that send what no client sends")                 \
    X(forge_per_mille, 25, 20, 200, "reconnects with a wrong password")                            \
    X(vanish_percent, 50, 1, 100, "lost connections that the node is not told of")                 \
    X(split_percent, 50, 1, 100, "sends of which only some bytes go now")                          \
    X(slow_percent, 50, 1, 95, "client steps that do not receive")                                 \
    X(snapshot_entries, 60, 20, 400, "a snapshot after so many entries")                           \
    X(small_log, 50, 1, 1, "segments of 512 KiB, not 1 MiB: logs begin later, snapshots are sent") \
    X(disk_us, 100, 40, 3000, "a write of the disk takes up to")                                   \
    X(drift_ppm, 50, 1, 500, "clocks run wrong by up to")                                          \
    X(power_percent, 80, 1, 100, "crashes that take unsynced sectors with them")                   \
    X(aim_vote, 25, 1, 30, "percent of votes told that are their node's last word: power loss")    \
    X(aim_ack, 25, 1, 20, "of 10000 acknowledgements: the same")                                   \
    X(aim_install, 50, 20, 100,                                                                    \
      "percent of snapshots installed: the same, in or behind that turn")                          \
    X(aim_entry, 20, 1, 20, "of 10000 entries first applied somewhere: the same")                  \
    X(aim_all, 20, 1, 10, "of 10000 entries first applied somewhere: all nodes lose power")        \
    X(aim_cut, 40, 5, 60, "percent of acknowledgements behind a cut under a write: power loss")    \
    X(aim_mute, 30, 5, 60, "of 10000 entries first applied at their leader: nobody hears it then") \
    X(aim_leave, 40, 10, 80, "percent of leaders that have just removed themselves: cut off")      \
    X(aim_joint, 50, 5, 50, "percent of members that came into a joint membership: power loss")    \
    X(uneven, 60, 1, 60, "percent of turns in which some roles of the node stand still")           \
    X(mixed_config, 25, 1, 1, "nodes differ in timeouts, snapshots and what they keep")            \
    X(linearizable, 20, 1, 1, "reads.mode: linearizable on every node")                            \
    X(reconfig, 25, 2, 60, "of 1000 requests ask for another membership, or another leader")       \
    X(chase, 40, 5, 60, "percent of reads that set a watch, and of writes to what is watched")
#define SIM_KNOBS_NETWORK(X)                                                                       \
    X(delay_us, 100, 20, 3000, "median one-way delay of a datagram")                               \
    X(tail_per_mille, 40, 1, 30, "datagrams of the heavy tail, 10 to 1000 times the delay")        \
    X(drop_per_mille, 50, 1, 150, "datagrams lost")                                                \
    X(burst_per_mille, 30, 1, 5, "datagrams that begin a burst of losses")                         \
    X(duplicate_per_mille, 40, 1, 100, "datagrams that come twice")                                \
    X(replay_per_mille, 30, 1, 20, "datagrams that bring an old one with them")                    \
    X(reorder_percent, 40, 1, 60, "datagrams that may overtake")                                   \
    X(flip_per_mille, 30, 1, 20, "datagrams with a flipped bit")                                   \
    X(truncate_per_mille, 30, 1, 20, "datagrams cut short")                                        \
    X(haunt, 30, 20, 100, "percent of restarts behind which old datagrams come again")             \
    X(mtu, 15, 1232, 1472, "largest datagram that a third of the links carry")
#define SIM_KNOBS_FAULT(X)                                                                         \
    X(kill, 60, 20, 400, "a node's process dies and comes back")                                   \
    X(kill_leader, 40, 20, 300, "the leader's does")                                               \
    X(kill_storm, 15, 5, 40, "whoever leads dies, several times in a row")                         \
    X(crash_loop, 20, 10, 60, "a node dies again and again, in recovery too")                      \
    X(pause, 40, 20, 200, "a node stands still (SIGSTOP)")                                         \
    X(pause_role, 30, 20, 200, "one role of a node stands still")                                  \
    X(slow, 30, 20, 100, "a node runs at a tenth")                                                 \
    X(wall_step, 30, 20, 200, "a node's wall clock jumps")                                         \
    X(wall_frozen, 20, 20, 100, "a node's wall clock stands still, then jumps")                    \
    X(cut_link, 40, 20, 200, "two nodes do not hear each other")                                   \
    X(cut_one_way, 40, 20, 200, "one node is not heard by another")                                \
    X(partition, 40, 20, 200, "the nodes fall into two groups")                                    \
    X(isolate_leader, 30, 20, 150, "the leader hears and is heard by nobody")                      \
    X(deaf_leader, 30, 20, 150, "the leader is heard and does not hear")                           \
    X(mute_leader, 25, 20, 150, "the leader hears, at times late, and is heard by nobody")         \
    X(clients_cut, 30, 20, 200, "no client reaches one node")                                      \
    X(clog, 40, 20, 300, "a link delivers nothing for a while, then all")                          \
    X(swizzle, 25, 10, 100, "links clog one by one and open in another order")                     \
    X(collapse, 25, 10, 100, "a link's bandwidth collapses")                                       \
    X(power_turn, 30, 20, 150, "power fails in the middle of a turn, between two disk operations") \
    X(disk_slow, 30, 20, 200, "a disk takes 100 ms")                                               \
    X(disk_hang, 20, 10, 60, "a disk answers nothing for seconds")                                 \
    X(disk_full, 15, 20, 100, "a disk is full for a while")                                        \
    X(write_error, 20, 10, 60, "a write or a sync fails")                                          \
    X(read_error, 15, 5, 40, "a read fails, at the next start")                                    \
    X(flip, 25, 10, 60, "a bit of the log on a disk flips, then a restart")                        \
    X(stale, 15, 5, 40, "sectors of the log read as they were before, then a restart")             \
    X(misdirect, 15, 5, 40, "a sector of the log is overwritten by another, then a restart")       \
    X(copies, 20, 10, 60, "one copy of the superblock is damaged, then a restart")                 \
    X(wipe, 15, 5, 30, "a node comes back with an empty disk")                                     \
    X(rollback, 15, 5, 30, "a node comes back with an older image of its whole disk")              \
    X(rolling, 20, 5, 30, "all nodes are restarted, one after the other")                          \
    X(blackout, 20, 5, 40, "all nodes lose power at once")                                         \
    X(snapshot_flip, 20, 5, 40, "a bit of a snapshot on a disk flips, then a restart")             \
    X(overflow, 25, 20, 200, "a node's receive ring overflows: a burst of datagrams is gone")      \
    X(version_skew, 15, 5, 60, "a node speaks another wire version for a while")
/* Drawn last, so that the seeds of before keep what they drew. */
#define SIM_KNOBS_LATER(X)                                                                         \
    X(memory, 20, 1, 1, "durability.mode: memory; a minority crashes, others are stopped")
/* Drawn apart: a seed in which they are off does what it did before there were any. */
#define SIM_KNOBS_APART(X)                                                                         \
    X(beat, 25, 1, 5, "controllers that speak beat, by libtakt")                                   \
    X(beat_lease_ms, 100, 200, 3000, "timeout of a controller's session")                          \
    X(beat_lease, 100, 1, 1, "what controllers believe of their leases is judged, too")            \
    X(recover_ms, 50, 500, 6000, "memory: then all lose it, and are started to recover from disk") \
    X(aim_lease, 40, 1, 20, "of 1000 leases granted: from then on their node's CORE stands still") \
    X(aim_flag, 50, 20, 100, "percent of starts with --recover-from-disk, where a disk was lost")  \
    X(beat_late, 60, 5, 50, "percent of a controller's requests that have a deadline")
#define SIM_KNOBS(X)                                                                               \
    SIM_KNOBS_WORLD(X)                                                                             \
    SIM_KNOBS_NETWORK(X) SIM_KNOBS_FAULT(X) SIM_KNOBS_LATER(X) SIM_KNOBS_APART(X)

struct sim_knobs {
#define SIM_KNOB_FIELD(name, chance, least, greatest, what) uint32_t name;
    SIM_KNOBS(SIM_KNOB_FIELD)
#undef SIM_KNOB_FIELD
};

/* sim_knobs_draw fills every knob from the seed. One seed in
 * sixteen has a perfect network and no fault. */
void sim_knobs_draw(struct sim_knobs *knobs, struct rand *rand);

/* sim_knobs_set does "name=value". Returns 0, or ERR_NOTFOUND, ERR_RANGE. */
int sim_knobs_set(struct sim_knobs *knobs, const char *pair);

/* sim_knobs_print writes those that are on, in one line. */
void sim_knobs_print(const struct sim_knobs *knobs);
/* sim_knobs_list writes every name with what it means. */
void sim_knobs_list(void);
