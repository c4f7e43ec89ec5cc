/* An interlock: a control loop that drives its output only while it certainly holds a lock.
 *
 * usage: interlock NODES [CYCLES]        (NODES: host:port,host:port,...; cycles of 1 ms)
 *
 * Build:  gcc -o interlock interlock.c $(pkg-config --cflags --libs libtakt)
 *
 * /interlock is an ephemeral: it goes when this session ends. Two loops never drive at the same
 * time, since each stops by its own clock before the node gives the lock to another. */
#include <stdio.h>
#include <stdlib.h>
#include <takt.h>
#include <time.h>

static int held, asked;

static void lock_answered(void *context, const struct takt_answer *answer)
{
    (void)context;
    asked = 0;
    held = answer->error == TAKT_OK;
}

int main(int argc, char **argv)
{
    struct takt_config config = {.timeout_ms = 2000, .follow_leader = 1};
    struct takt_done done = {.answer = lock_answered};
    struct takt_client *client;
    long cycles = argc > 2 ? atol(argv[2]) : 1000, driven = 0, safe = 0;
    config.nodes = argc > 1 ? argv[1] : "127.0.0.1";
    int err = takt_open(&config, &client);
    if (err) {
        fprintf(stderr, "interlock: %s\n", takt_error_text(err));
        return 1;
    }
    for (long i = 0; i < cycles; i++) {
        uint64_t now_ns = takt_now_ns();
        int state = takt_poll(client, now_ns);
        if (state == TAKT_EXPIRED) { /* another loop may have the lock by now */
            held = asked = 0;
            takt_restart(client);
        }
        if (!held && !asked)
            asked = takt_create(client, "/interlock", NULL, 0, TAKT_EPHEMERAL, &done) > 0;
        /* The one line that matters: the output, only while the lease is certain. */
        if (held && takt_now_ns() < takt_session_deadline(client))
            driven++;
        else
            safe++;
        struct timespec next = {0, 1000000};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &next, NULL);
    }
    printf("driven %ld cycles, safe %ld\n", driven, safe);
    if (driven == 0)
        fprintf(stderr,
                "interlock: never held: does beat.listen answer at %s? has another loop it?\n",
                config.nodes);
    struct takt_answer answer;
    err = takt_wait_answer(client, takt_close(client, NULL), 1000000000, &answer);
    takt_free(client);
    return err || driven == 0;
}
