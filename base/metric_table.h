/* metric_table: the one list of what a node counts. Each line is a metric's name (also its enum and
 * its Prometheus name behind "takt_"), what kind of number it is, its unit and its help text.
 *
 *   COUNTER  only grows            GAUGE  goes up and down            (both: one slot of a page)
 *
 * A page has a slot for every metric; each is written by the role whose word begins its name. */
#pragma once

#define METRIC_TABLE(X)                                                                            \
    X(net_connections, GAUGE, "1", "client connections now open")                                  \
    X(net_connections_total, COUNTER, "1", "client connections accepted")                          \
    X(net_rejected_total, COUNTER, "1", "connections refused by a connection limit")               \
    X(net_reaped_total, COUNTER, "1", "connections closed because no session came of them")        \
    X(net_handshake_failed_total, COUNTER, "1", "handshakes that ended without a session")         \
    X(net_sessions, GAUGE, "1", "sessions attached through this NET")                              \
    X(net_packets_received_total, COUNTER, "1", "frames received from clients")                    \
    X(net_packets_sent_total, COUNTER, "1", "frames sent to clients")                              \
    X(net_received_bytes_total, COUNTER, "By", "bytes of frames received from clients")            \
    X(net_sent_bytes_total, COUNTER, "By", "bytes of frames queued to clients")                    \
    X(net_reads_total, COUNTER, "1", "reads answered from the local tree")                         \
    X(net_writes_total, COUNTER, "1", "writes and queries passed to CORE")                         \
    X(net_outstanding, GAUGE, "1", "writes and queries not answered yet")                          \
    X(net_auth_failed_total, COUNTER, "1", "credentials refused")                                  \
    X(net_malformed_total, COUNTER, "1", "frames or records that broke the protocol")              \
    X(net_unanswerable_total, COUNTER, "1", "replies above the reply size limit")                  \
    X(net_output_limit_total, COUNTER, "1", "connections closed because they did not read")        \
    X(net_no_memory_total, COUNTER, "1",                                                           \
      "connections or watches refused: NET's memory is used up")                                   \
    X(net_hold_total, COUNTER, "1", "times a request waited because net_core was full")            \
    X(net_watches, GAUGE, "1", "watches set")                                                      \
    X(net_watch_refused_total, COUNTER, "1", "watches refused by a limit")                         \
    X(net_events_total, COUNTER, "1", "watch events sent")                                         \
    X(net_events_filtered_total, COUNTER, "1", "watch events withheld by an ACL")                  \
    X(net_latency_count_total, COUNTER, "1", "request latencies sampled")                          \
    X(net_latency_ns_total, COUNTER, "ns", "sum of the sampled request latencies")                 \
    X(net_latency_ns_min, GAUGE, "ns", "least request latency since start or reset")               \
    X(net_latency_ns_max, GAUGE, "ns", "greatest request latency since start or reset")            \
    X(beat_received_total, COUNTER, "1", "datagrams received on the port of beat")                 \
    X(beat_sent_total, COUNTER, "1", "datagrams sent to controllers")                              \
    X(beat_send_full_total, COUNTER, "1", "datagrams lost because the network took no more")       \
    X(beat_malformed_total, COUNTER, "1", "datagrams that are not beat's, or damaged")             \
    X(beat_misrouted_total, COUNTER, "1", "datagrams for another endpoint")                        \
    X(beat_unproven_total, COUNTER, "1", "datagrams with a wrong mark, or none")                   \
    X(beat_refused_total, COUNTER, "1", "datagrams answered with a refusal")                       \
    X(beat_repeated_total, COUNTER, "1", "requests that were here before")                         \
    X(beat_events_again_total, COUNTER, "1", "events sent again")                                  \
    X(core_proposed_total, COUNTER, "1", "commands appended to the log")                           \
    X(core_refused_total, COUNTER, "1", "commands refused before the log")                         \
    X(core_handovers_total, COUNTER, "1",                                                          \
      "times a leader without room on disk began to hand over")                                    \
    X(core_batches_total, COUNTER, "1", "batches passed to DISK")                                  \
    X(core_batch_bytes_total, COUNTER, "By", "log bytes passed to DISK")                           \
    X(core_hold_total, COUNTER, "1", "times a command waited because the log tail was full")       \
    X(core_last_index, GAUGE, "1", "last log index proposed")                                      \
    X(core_committed_index, GAUGE, "1", "last committed log index")                                \
    X(core_term, GAUGE, "1", "current term")                                                       \
    X(core_sessions, GAUGE, "1", "sessions whose expiry is watched")                               \
    X(core_expired_total, COUNTER, "1", "sessions ended by expiry")                                \
    X(core_proposal_last_bytes, GAUGE, "By", "size of the last proposal")                          \
    X(core_proposal_min_bytes, GAUGE, "By", "least proposal since start")                          \
    X(core_proposal_max_bytes, GAUGE, "By", "greatest proposal since start")                       \
    X(core_peer_messages_total, COUNTER, "1", "messages of other members handled")                 \
    X(core_peer_dropped_total, COUNTER, "1", "messages to members that found core_peer full")      \
    X(core_peer_malformed_total, COUNTER, "1", "messages of members that made no sense")           \
    X(core_leader_changes_total, COUNTER, "1", "times the known leader changed")                   \
    X(disk_writes_total, COUNTER, "1", "log batches made durable")                                 \
    X(disk_written_bytes_total, COUNTER, "By", "log bytes made durable")                           \
    X(disk_sync_ns_total, COUNTER, "ns", "time spent making batches durable")                      \
    X(disk_sync_ns_max, GAUGE, "ns", "longest time to make one batch durable")                     \
    X(disk_segments, GAUGE, "1", "log segments on disk")                                           \
    X(disk_log_bytes, GAUGE, "By", "size of the log on disk")                                      \
    X(apply_commands_total, COUNTER, "1", "commands applied")                                      \
    X(apply_index, GAUGE, "1", "last log index applied")                                           \
    X(apply_changes_total, COUNTER, "1", "changes of the tree told to the NETs")                   \
    X(apply_hold_total, COUNTER, "1", "times a command waited because an outgoing link was full")  \
    X(apply_bulk_total, COUNTER, "1", "results too large for their link, passed in a block")       \
    X(apply_errors_total, COUNTER, "1", "commands that ended in an error code")                    \
    X(apply_sessions, GAUGE, "1", "sessions in the state machine")                                 \
    X(apply_ephemerals, GAUGE, "1", "ephemeral nodes")                                             \
    X(apply_nodes, GAUGE, "1", "nodes in the tree")                                                \
    X(apply_tree_bytes, GAUGE, "By", "memory held by the tree")                                    \
    X(apply_snapshots_total, COUNTER, "1", "snapshots started")                                    \
    X(snap_written_total, COUNTER, "1", "snapshots on disk since start")                           \
    X(snap_bytes, GAUGE, "By", "size of the last snapshot")                                        \
    X(snap_ns, GAUGE, "ns", "time the last snapshot took")                                         \
    X(peer_members, GAUGE, "1", "other members that are known")                                    \
    X(peer_unreachable, GAUGE, "1", "of them, not heard for a while")                              \
    X(peer_sent_total, COUNTER, "1", "messages sent to peers")                                     \
    X(peer_sent_bytes_total, COUNTER, "By", "bytes of messages sent to peers")                     \
    X(peer_received_total, COUNTER, "1", "messages received from peers")                           \
    X(peer_received_bytes_total, COUNTER, "By", "bytes of messages received from peers")           \
    X(peer_greetings_total, COUNTER, "1", "greetings sent: datagrams without a message")           \
    X(peer_bulk_waiting_bytes, GAUGE, "By", "bulk messages that wait for their pace")              \
    X(peer_refused_total, COUNTER, "1",                                                            \
      "datagrams of another cluster, version, key or node, or of no member")                       \
    X(peer_damaged_total, COUNTER, "1", "datagrams with a wrong checksum")                         \
    X(peer_stale_total, COUNTER, "1", "datagrams from or for an earlier incarnation")              \
    X(peer_repeated_total, COUNTER, "1", "datagrams that came before")                             \
    X(peer_malformed_total, COUNTER, "1", "datagrams and messages that make no sense")             \
    X(peer_incomplete_total, COUNTER, "1", "messages given up because a part was lost")            \
    X(peer_core_full_total, COUNTER, "1", "messages dropped because peer_core was full")           \
    X(peer_send_full_total, COUNTER, "1", "messages dropped because the network took no more")     \
    X(peer_bulk_dropped_total, COUNTER, "1",                                                       \
      "bulk messages dropped: the queue was full, or the peer is not heard")                       \
    X(peer_unknown_total, COUNTER, "1", "messages for a node without an address")
