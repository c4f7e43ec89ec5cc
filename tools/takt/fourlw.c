#include "tools/takt/fourlw.h"

#include "base/clock.h"
#include "tools/takt/address.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads until the server closes. */
static int fourlw_read(int fd, uint64_t deadline_ns, char *room, struct fault *fault)
{
    size_t to = 0;
    for (;;) {
        uint64_t now_ns = clock_now().mono_ns;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int wait_ms = deadline_ns > now_ns ? (int)((deadline_ns - now_ns) / NS_PER_MS) + 1 : 0;
        if (wait_ms == 0 || poll(&poll_fd, 1, wait_ms) == 0)
            return fault_set(fault, ERR_IO, "no answer in time");
        ssize_t n = recv(fd, room + to, FOURLW_TEXT_SIZE - to, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_set(fault, ERR_IO, "%s", strerror(errno));
        to += (size_t)n;
        if (n == 0 || to == FOURLW_TEXT_SIZE)
            break;
    }
    room[to] = '\0';
    return to > 0 ? 0
                  : fault_set(fault, ERR_IO,
                              "the server closed without an answer; is it the "
                              "client port of a ZooKeeper-compatible server?");
}

int fourlw_ask(const char *server, const char *word, uint32_t timeout_ms, char **text,
               struct fault *fault)
{
    struct address_tcp address;
    uint64_t deadline_ns = clock_now().mono_ns + timeout_ms * NS_PER_MS;
    int fd = -1;
    char *room = malloc(FOURLW_TEXT_SIZE + 1);
    if (room == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory");
    int err = address_resolve(server, &address, fault);
    if (err == 0)
        err = address_connect(&address, timeout_ms, &fd, fault);
    if (err == 0 && send(fd, word, strlen(word), MSG_NOSIGNAL) != (ssize_t)strlen(word))
        err = fault_set(fault, ERR_IO, "%s", strerror(errno));
    if (err == 0)
        err = fourlw_read(fd, deadline_ns, room, fault);
    if (fd >= 0)
        close(fd);
    if (err != 0) {
        free(room);
        return fault_wrap(fault, err, "%s", server);
    }
    *text = room;
    return 0;
}

int fourlw_value(const char *text, const char *key, char *value, uint32_t value_size)
{
    size_t key_size = strlen(key);
    for (const char *at = text; *at != '\0';) {
        size_t line = strcspn(at, "\n");
        if (line >= key_size && memcmp(at, key, key_size) == 0) {
            const char *from = at + key_size;
            from += strspn(from, " \t");
            size_t size = strcspn(from, "\r\n");
            if (size >= value_size)
                size = value_size - 1;
            memcpy(value, from, size);
            value[size] = '\0';
            return 0;
        }
        at += line + (at[line] == '\n');
    }
    return ERR_NOTFOUND;
}

int fourlw_is_refused(const char *text)
{
    return strstr(text, "is not executed because it is not in the whitelist") != NULL;
}
