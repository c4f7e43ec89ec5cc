/* For test_libtakt.py: creates /q/n-0, /q/n-1, ... one every 5 ms, through whatever node lives.
 * usage: libtakt_creates NODES COUNT. Prints the number of attaches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <takt.h>
#include <time.h>

static const uint64_t patience_ns = 40000000000ull;

static int fail(const char *what, int err)
{
    printf("%s: %d %s\n", what, err, takt_error_text(err));
    return 1;
}

int main(int argc, char **argv)
{
    struct takt_config config = {.timeout_ms = 30000};
    struct takt_client *client;
    struct takt_answer answer;
    struct takt_status status;
    int count = argc > 2 ? atoi(argv[2]) : 100;
    config.nodes = argc > 1 ? argv[1] : "127.0.0.1";
    int err = takt_open(&config, &client);
    if (!err)
        err = takt_wait_answer(client, takt_create(client, "/q", NULL, 0, 0, NULL), patience_ns,
                               &answer);
    if (err || answer.error)
        return fail("/q", err ? err : answer.error);
    takt_release(client, answer.ticket);
    for (int i = 0; i < count; i++) {
        char expected[32];
        const char *path;
        uint32_t size;
        snprintf(expected, sizeof(expected), "/q/n-%010d", i);
        err = takt_wait_answer(client, takt_create(client, "/q/n-", NULL, 0, TAKT_SEQUENTIAL, NULL),
                               patience_ns, &answer);
        if (err || answer.error)
            return fail(expected, err ? err : answer.error);
        if (takt_read_path(&answer, &path, &size) || size != strlen(expected) ||
            memcmp(path, expected, size) != 0)
            return fail(expected, TAKT_ERROR_MALFORMED);
        takt_release(client, answer.ticket);
        struct timespec next = {0, 5000000};
        nanosleep(&next, NULL);
    }
    takt_status(client, &status);
    printf("attaches %llu resent %llu\n", (unsigned long long)status.attaches,
           (unsigned long long)status.resent);
    takt_free(client);
    return 0;
}
