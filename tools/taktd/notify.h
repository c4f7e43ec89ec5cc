/* notify: tells systemd how the daemon is (sd_notify(3)): one datagram to $NOTIFY_SOCKET. Without
 * that variable every call does nothing.
 *
 * Written out instead of linked: the protocol is documented as stable, and libsystemd would bring
 * lzma, lz4, zstd and gcrypt into a daemon that wants none of them, also where there is no systemd.
 */
#pragma once

#include <stdint.h>

/* notify_send sends lines such as "READY=1\nSTATUS=..." . A lost message is not an error. Any
 * thread. */
void notify_send(const char *lines);

/* notify_watchdog_ms is how often systemd wants to hear "WATCHDOG=1", halved for safety; 0: never.
 * From $WATCHDOG_USEC, if $WATCHDOG_PID is this process or not set. */
uint32_t notify_watchdog_ms(void);
