/* OpenSSL's plain SHA-256 calls, which it would rather see replaced by EVP: every EVP digest takes
 * memory from the heap, and PEER takes none after start. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "dataplane/peer_keys.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define KEYS_BLOCK_SIZE 64 /* of SHA-256 */
#define KEYS_FILE_SIZE  4096

static_assert(PEER_KEYS_SECRET_MAX == KEYS_BLOCK_SIZE, "a secret is one block at most");

/* RFC 2104: the key, padded with zeros to a block, xored with ipad and opad. */
static void key_init(struct peer_key *key, uint8_t number, const uint8_t *secret, size_t size)
{
    uint8_t block[KEYS_BLOCK_SIZE] = {0};
    memcpy(block, secret, size);
    key->number = number;
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36;
    CHECK(SHA256_Init(&key->inner) == 1);
    CHECK(SHA256_Update(&key->inner, block, sizeof(block)) == 1);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36 ^ 0x5c;
    CHECK(SHA256_Init(&key->outer) == 1);
    CHECK(SHA256_Update(&key->outer, block, sizeof(block)) == 1);
    OPENSSL_cleanse(block, sizeof(block));
}

void peer_keys_mark(const struct peer_key *key, const uint8_t *bytes, size_t n,
                    uint8_t mac[PEER_KEYS_MAC_SIZE])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA256_CTX sha = key->inner;
    CHECK(SHA256_Update(&sha, bytes, n) == 1);
    CHECK(SHA256_Final(hash, &sha) == 1);
    sha = key->outer;
    CHECK(SHA256_Update(&sha, hash, sizeof(hash)) == 1);
    CHECK(SHA256_Final(hash, &sha) == 1);
    memcpy(mac, hash, PEER_KEYS_MAC_SIZE);
}

bool peer_keys_right(const struct peer_key *key, const uint8_t *bytes, size_t n,
                     const uint8_t mac[PEER_KEYS_MAC_SIZE])
{
    uint8_t expected[PEER_KEYS_MAC_SIZE];
    peer_keys_mark(key, bytes, n, expected);
    return CRYPTO_memcmp(expected, mac, PEER_KEYS_MAC_SIZE) == 0;
}

const struct peer_key *peer_keys_find(const struct peer_keys *keys, uint8_t number)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        if (keys->key[i].number == number)
            return &keys->key[i];
    }
    return NULL;
}

/* ---- the file ---- */

struct keys_line {
    bool quiet; /* accepted, not sent with */
    uint32_t number;
    uint8_t secret[PEER_KEYS_SECRET_MAX];
    size_t secret_size;
};

static int keys_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool keys_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* "[-]<number> <hex>" in [at, end), without blanks around it. Returns what is wrong, or NULL. */
static const char *keys_line_read(struct keys_line *line, const char *at, const char *end)
{
    memset(line, 0, sizeof(*line));
    line->quiet = at < end && *at == '-';
    at += line->quiet;
    const char *digits = at;
    for (; at < end && *at >= '0' && *at <= '9' && at - digits < 4; at++)
        line->number = line->number * 10 + (uint32_t)(*at - '0');
    if (at == digits || line->number < 1 || line->number > 255 || at == end || !keys_blank(*at))
        return "it does not begin with a key's number from 1 to 255 and a blank";
    while (at < end && keys_blank(*at))
        at++;
    size_t count = (size_t)(end - at);
    if (count < 2 * PEER_KEYS_SECRET_MIN || count > 2 * PEER_KEYS_SECRET_MAX || count % 2)
        return "the secret is not 32 to 128 hexadecimal digits, an even number of them";
    for (; at < end; at += 2) {
        int high = keys_digit(at[0]), low = keys_digit(at[1]);
        if (high < 0 || low < 0)
            return "the secret has something else than hexadecimal digits";
        line->secret[line->secret_size++] = (uint8_t)(high << 4 | low);
    }
    return NULL;
}

/* Returns what is wrong, or NULL. */
static const char *keys_add(struct peer_keys *keys, const struct keys_line *line, int *send_number)
{
    if (keys->count == PEER_KEYS_MAX)
        return "two keys are live at most; remove the oldest";
    if (peer_keys_find(keys, (uint8_t)line->number))
        return "this number is used by another line";
    if (!line->quiet && (int)line->number > *send_number) {
        *send_number = (int)line->number;
        keys->send_with = keys->count;
    }
    key_init(&keys->key[keys->count++], (uint8_t)line->number, line->secret, line->secret_size);
    return NULL;
}

int peer_keys_parse(struct peer_keys *keys, const char *text, size_t size, struct fault *fault)
{
    const char *end = text + size, *wrong = NULL;
    int number = 0, send_number = 0;
    struct keys_line line;
    memset(keys, 0, sizeof(*keys));
    while (text < end && !wrong) {
        const char *next = memchr(text, '\n', (size_t)(end - text));
        const char *stop = next ? next : end;
        number++;
        while (text < stop && keys_blank(*text))
            text++;
        while (text < stop && keys_blank(stop[-1]))
            stop--;
        if (text < stop && *text != '#') {
            wrong = keys_line_read(&line, text, stop);
            if (!wrong)
                wrong = keys_add(keys, &line, &send_number);
        }
        text = next ? next + 1 : end;
    }
    OPENSSL_cleanse(&line, sizeof(line));
    if (wrong)
        return fault_set(fault, ERR_CONFIG, "line %d of the peers' keys: %s", number, wrong);
    if (send_number == 0)
        return fault_set(fault, ERR_CONFIG,
                         "the peers' keys: there is none to send with; write a "
                         "line \"<number> <secret>\" without a `-` before it");
    return 0;
}

static int keys_read(int fd, const char *path, char *text, size_t *size, struct fault *fault)
{
    struct stat stat;
    if (fstat(fd, &stat))
        return fault_set(fault, ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    if (stat.st_mode & 077)
        return fault_set(fault, ERR_CONFIG,
                         "%s holds the peers' keys and can be read by others: "
                         "chmod 600 %s",
                         path, path);
    ssize_t n = read(fd, text, KEYS_FILE_SIZE);
    if (n < 0)
        return fault_set(fault, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (n == KEYS_FILE_SIZE)
        return fault_set(fault, ERR_CONFIG, "%s is too large for the peers' keys", path);
    *size = (size_t)n;
    return 0;
}

int peer_keys_load(struct peer_keys *keys, const char *path, struct fault *fault)
{
    char text[KEYS_FILE_SIZE];
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set(fault, errno == ENOENT ? ERR_NOTFOUND : ERR_IO,
                         "cannot open %s, the peers' keys: %s", path, strerror(errno));
    int err = keys_read(fd, path, text, &size, fault);
    close(fd);
    if (err)
        return err;
    err = peer_keys_parse(keys, text, size, fault);
    OPENSSL_cleanse(text, sizeof(text));
    return err ? fault_wrap(fault, err, "%s", path) : 0;
}
