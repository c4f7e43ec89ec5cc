#include "tools/host/sysroot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSROOT_ALL_MAX (16u << 20)

static void sysroot_vpath(const struct sysroot *root, char out[SYSROOT_PATH_SIZE],
                          const char *format, va_list args)
{
    int n = snprintf(out, SYSROOT_PATH_SIZE, "%s", root->path);
    if (n >= 0 && n < SYSROOT_PATH_SIZE)
        vsnprintf(out + n, SYSROOT_PATH_SIZE - (size_t)n, format, args);
}

#define SYSROOT_MAKE_PATH(path)                                                                    \
    char path[SYSROOT_PATH_SIZE];                                                                  \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    sysroot_vpath(root, path, format, args);                                                       \
    va_end(args)

const char *sysroot_path(const struct sysroot *root, char out[SYSROOT_PATH_SIZE],
                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sysroot_vpath(root, out, format, args);
    va_end(args);
    return out;
}

/* Reads at most size - 1 bytes. Returns the count, or -1. */
static ssize_t sysroot_read(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = -1;

    out[0] = '\0';
    if (fd < 0)
        return -1;
    while (used < size - 1 && (got = read(fd, out + used, size - 1 - used)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    out[used] = '\0';
    return got < 0 && used == 0 ? -1 : (ssize_t)used;
}

bool sysroot_text(const struct sysroot *root, char *out, size_t size, const char *format, ...)
{
    SYSROOT_MAKE_PATH(path);
    ssize_t used = sysroot_read(path, out, size);
    while (used > 0 && strchr(" \t\n", out[used - 1]))
        out[--used] = '\0';
    return used >= 0;
}

bool sysroot_number(const struct sysroot *root, int64_t *out, const char *format, ...)
{
    char text[64], *end;
    SYSROOT_MAKE_PATH(path);
    if (sysroot_read(path, text, sizeof(text)) <= 0)
        return false;
    long long value = strtoll(text, &end, 10);
    if (end == text)
        return false;
    *out = value;
    return true;
}

char *sysroot_all(const struct sysroot *root, const char *format, ...)
{
    SYSROOT_MAKE_PATH(path);
    for (size_t size = 64 << 10; size <= SYSROOT_ALL_MAX; size *= 4) {
        char *text = malloc(size);
        ssize_t used = text ? sysroot_read(path, text, size) : -1;
        if (used >= 0 && ((size_t)used < size - 1 || size == SYSROOT_ALL_MAX))
            return text;
        free(text);
        if (used < 0)
            return NULL;
    }
    return NULL;
}

bool sysroot_exists(const struct sysroot *root, const char *format, ...)
{
    SYSROOT_MAKE_PATH(path);
    return access(path, F_OK) == 0;
}

bool sysroot_target(const struct sysroot *root, char *out, size_t size, const char *format, ...)
{
    char target[SYSROOT_PATH_SIZE];
    SYSROOT_MAKE_PATH(path);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0) {
        out[0] = '\0';
        return false;
    }
    target[n] = '\0';
    const char *last = strrchr(target, '/');
    snprintf(out, size, "%s", last ? last + 1 : target);
    return true;
}

static int sysroot_order(const void *a, const void *b)
{
    return strverscmp(a, b);
}

uint32_t sysroot_names(const struct sysroot *root, char (*names)[SYSROOT_NAME_SIZE], uint32_t max,
                       const char *format, ...)
{
    SYSROOT_MAKE_PATH(path);
    DIR *dir = opendir(path);
    uint32_t count = 0;
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; count < max && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strlen(entry->d_name) < SYSROOT_NAME_SIZE)
            strcpy(names[count++], entry->d_name);
    closedir(dir);
    qsort(names, count, SYSROOT_NAME_SIZE, sysroot_order);
    return count;
}
