/* host_fixture: trees of files that look like /proc and /sys of machines that are not there.
 *
 *   vm       the 2-cpu guest that this was written on
 *   server   2 sockets x 16 cores x 2 threads, as it comes out of the box; NIC on node 1
 *   tuned    the same with everything right for hot cpus 18-23: no check of the doctor fails */
#pragma once

#include "tools/host/sysroot.h"

#include <stdbool.h>

/* host_fixture_make fills an empty directory. Returns false: there is no such machine. */
bool host_fixture_make(const char *dir, const char *machine);

/* host_fixture_put writes a file below dir, with the folders on its way; host_fixture_link a
 * symbolic link. */
void host_fixture_put(const char *dir, const char *path, const char *format, ...) PRINTF_LIKE(3, 4);
void host_fixture_link(const char *dir, const char *path, const char *target);
void host_fixture_remove(const char *dir, const char *path);

/* host_fixture_temp makes an empty directory; host_fixture_drop removes one with all in it. */
const char *host_fixture_temp(char dir[64]);
void host_fixture_drop(const char *dir);
