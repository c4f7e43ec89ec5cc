/* sysroot: reads of /proc and /sys below a directory that the caller names, so that a test shows a
 * machine that is not there. Paths are absolute, as on the machine; formats make them.
 *
 *     struct sysroot root = {""};                    this machine
 *     struct sysroot root = {"/tmp/fixture"};        a tree of files that looks like one
 *
 * Pure but for the files. Nothing here needs root. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSROOT_NAME_SIZE 64
#define SYSROOT_PATH_SIZE 640

struct sysroot {
    const char *path; /* "" = this machine; borrowed */
};

/* sysroot_path writes where the file really is. Returns out. */
const char *sysroot_path(const struct sysroot *root, char out[SYSROOT_PATH_SIZE],
                         const char *format, ...) PRINTF_LIKE(3, 4);

/* sysroot_text reads the first size - 1 bytes of a file, without blanks at the end. Returns false,
 * and an empty text, when it is not there or may not be read. */
bool sysroot_text(const struct sysroot *root, char *out, size_t size, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* sysroot_number reads a file that begins with a decimal number. */
bool sysroot_number(const struct sysroot *root, int64_t *out, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* sysroot_all reads a whole file of at most 16 MiB and ends it with NUL; NULL when it cannot. The
 * caller frees it. */
char *sysroot_all(const struct sysroot *root, const char *format, ...) PRINTF_LIKE(2, 3);

bool sysroot_exists(const struct sysroot *root, const char *format, ...) PRINTF_LIKE(2, 3);

/* sysroot_target reads the last name of a symbolic link's target ("driver" -> "mlx5_core"). */
bool sysroot_target(const struct sysroot *root, char *out, size_t size, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* sysroot_names lists a directory, sorted, without "." and "..": at most max names, longer ones
 * left out. Returns the count; 0 when there is no such directory. */
uint32_t sysroot_names(const struct sysroot *root, char (*names)[SYSROOT_NAME_SIZE], uint32_t max,
                       const char *format, ...) PRINTF_LIKE(4, 5);
