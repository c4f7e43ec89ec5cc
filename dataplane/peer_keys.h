/* peer_keys: the secrets that members of an ensemble share, and the mark (MAC) made with them.
 *
 * The mark is HMAC-SHA-256 (RFC 2104, RFC 6234) cut to 16 bytes. Not AES-GCM: a GCM key is lost
 * when a nonce is ever used twice, and a node whose disk was replaced or whose clock went back
 * could do that; HMAC needs no nonce. OpenSSL's plain SHA-256 calls are used, on contexts that hold
 * the key's first block already: two block computations less a datagram, and no memory from the
 * heap, which every EVP digest takes.
 *
 * A key file has one key a line, at most two, each "<number> <secret>":
 *
 *     # peers' keys; the highest number is used to send, both are accepted
 *     7 6d1f...  (32 to 128 hexadecimal digits)
 *     8 b300...
 *
 * Rotation: add key 8 everywhere, one node after the other: a node that has it sends with it, so
 * nodes that do not have it yet refuse it. So first give every node the line 8 with a `-` before it
 * ("-8 b300...": accepted, not sent with), then remove the `-` everywhere, then remove line 7.
 * taktd reads the file again at SIGHUP; a file that it cannot use changes nothing.
 *
 * Pure but for peer_keys_load. Any role; a struct peer_keys is one role's. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_KEYS_MAX        2
#define PEER_KEYS_MAC_SIZE   16
#define PEER_KEYS_SECRET_MIN 16
#define PEER_KEYS_SECRET_MAX 64 /* a block of SHA-256 */

/* One key's contexts after the key's block: HMAC's inner and outer hash. */
struct peer_key {
    uint8_t number; /* in [1, 255], names it on the wire */
    SHA256_CTX inner, outer;
};

struct peer_keys {
    struct peer_key key[PEER_KEYS_MAX];
    uint32_t count;     /* 0: datagrams are not marked */
    uint32_t send_with; /* index into key */
};

/* peer_keys_parse reads a key file's text. Returns 0, or ERR_CONFIG: fault names the line and what
 * is wrong, never the secret. */
MUST_USE int peer_keys_parse(struct peer_keys *keys, const char *text, size_t size,
                             struct fault *fault);

/* peer_keys_load reads a key file. Returns 0, ERR_NOTFOUND, ERR_IO, or ERR_CONFIG (as parse, or the
 * file can be read by others than its owner). CTL, before the roles start and at rotation. */
MUST_USE int peer_keys_load(struct peer_keys *keys, const char *path, struct fault *fault);

/* peer_keys_find gives the key of that number, or NULL. */
const struct peer_key *peer_keys_find(const struct peer_keys *keys, uint8_t number);

/* peer_keys_mark writes the mark of n bytes. */
void peer_keys_mark(const struct peer_key *key, const uint8_t *bytes, size_t n,
                    uint8_t mac[PEER_KEYS_MAC_SIZE]);

/* peer_keys_right says whether `mac` is the mark of n bytes; takes the same time for every wrong
 * one. */
bool peer_keys_right(const struct peer_key *key, const uint8_t *bytes, size_t n,
                     const uint8_t mac[PEER_KEYS_MAC_SIZE]);
