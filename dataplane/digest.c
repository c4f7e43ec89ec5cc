/* OpenSSL's plain SHA-1 calls, which it would rather see replaced by EVP: every EVP digest takes
 * memory from the heap, and NET takes none after start (tests/unit/test_net.c). */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "dataplane/digest.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

static_assert(DIGEST_HASH_SIZE == (SHA_DIGEST_LENGTH + 2) / 3 * 4, "base64 with padding");

int digest_id(struct bytes credentials, uint8_t *out, uint32_t room)
{
    uint8_t hash[SHA_DIGEST_LENGTH], text[DIGEST_HASH_SIZE + 1];
    const uint8_t *colon = memchr(credentials.at, ':', (size_t)credentials.size);
    uint32_t user = colon ? (uint32_t)(colon - credentials.at) : (uint32_t)credentials.size;
    SHA_CTX sha;
    if (user + 1 + DIGEST_HASH_SIZE > room)
        return ERR_LIMIT;
    CHECK(SHA1_Init(&sha) == 1);
    CHECK(SHA1_Update(&sha, credentials.at, (size_t)credentials.size) == 1);
    CHECK(SHA1_Final(hash, &sha) == 1);
    CHECK(EVP_EncodeBlock(text, hash, sizeof(hash)) == DIGEST_HASH_SIZE);
    memcpy(out, credentials.at, user);
    out[user] = ':';
    memcpy(out + user + 1, text, DIGEST_HASH_SIZE);
    return (int)(user + 1 + DIGEST_HASH_SIZE);
}
