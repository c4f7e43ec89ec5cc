/* run: one node of this machine from start to stop: real disk, real port, real clock, signals.
 *
 *   main thread   config ─▶ disk ─▶ node_open ─▶ node_start ─▶ READY ── node_wait ──▶ node_close
 *   CTL thread            SIGTERM, SIGINT, SIGHUP ─▶ node_stop     WATCHDOG while work is done
 *                         SIGHUP with peers.key_file ─▶ node_rekey
 *   workers               the roles, as topology.c says
 *
 * The CTL thread is the only one that takes signals: all others block them. */
#pragma once

#include "tools/taktd/config.h"

/* run_node serves until a signal asks it to stop (0), or something fails: the ERR_* with a sentence
 * in fault. config is checked already. Called once, by main. */
MUST_USE int run_node(const struct config *config, struct fault *fault);
