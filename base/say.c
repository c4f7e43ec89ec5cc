#include "base/say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum say_level say_level = SAY_INFO;

void say_level_set(enum say_level level)
{
    say_level = level;
}

static void say_prefix(char *out, size_t size, enum say_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    static const char *const colours[] = {"\033[31m", "\033[33m", "\033[36m", "\033[2m"};
    static const int priorities[] = {3, 4, 6, 7};
    struct timespec wall;
    struct tm tm;
    char stamp[32];

    if (getenv("JOURNAL_STREAM")) {
        snprintf(out, size, "<%d>", priorities[level]);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &wall);
    gmtime_r(&wall.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    bool tty = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
    snprintf(out, size, "%s.%03ldZ %s%-5s%s ", stamp, wall.tv_nsec / 1000000,
             tty ? colours[level] : "", names[level], tty ? "\033[0m" : "");
}

void say(enum say_level level, const char *format, ...)
{
    char prefix[64], line[2048];
    va_list args;

    if (level > say_level)
        return;
    say_prefix(prefix, sizeof(prefix), level);
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    fprintf(stderr, "%s%s\n", prefix, line);
}

int fault_set(struct fault *fault, int err, const char *format, ...)
{
    va_list args;

    if (!fault)
        return err;
    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return err;
}

int fault_wrap(struct fault *fault, int err, const char *format, ...)
{
    char inner[sizeof(fault->text)];
    va_list args;
    int n;

    if (!fault)
        return err;
    memcpy(inner, fault->text, sizeof(inner));
    va_start(args, format);
    n = vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(fault->text))
        snprintf(fault->text + n, sizeof(fault->text) - (size_t)n, ": %s", inner);
    return err;
}
