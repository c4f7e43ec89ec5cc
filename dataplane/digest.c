#include "dataplane/digest.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct digest {
    EVP_MD *sha1;
    EVP_MD_CTX *context;
};

int digest_create(struct digest **digest)
{
    struct digest *d = calloc(1, sizeof(*d));
    if (!d)
        return ERR_NOMEM;
    d->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    d->context = EVP_MD_CTX_new();
    if (!d->context || !d->sha1 || EVP_DigestInit_ex(d->context, d->sha1, NULL) != 1) {
        int err = d->sha1 ? ERR_NOMEM : ERR_UNSUPPORTED;
        digest_destroy(d);
        return err;
    }
    *digest = d;
    return 0;
}

void digest_destroy(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    EVP_MD_free(digest->sha1);
    free(digest);
}

int digest_id(struct digest *digest, struct bytes credentials, uint8_t *out, uint32_t room)
{
    uint8_t hash[20], text[DIGEST_HASH_SIZE + 1];
    unsigned size = 0;
    const uint8_t *colon = memchr(credentials.at, ':', (size_t)credentials.size);
    uint32_t user = colon ? (uint32_t)(colon - credentials.at) : (uint32_t)credentials.size;
    if (user + 1 + DIGEST_HASH_SIZE > room)
        return ERR_LIMIT;
    /* Initialised again with no digest named: the context keeps what it has. */
    CHECK(EVP_DigestInit_ex(digest->context, NULL, NULL) == 1);
    CHECK(EVP_DigestUpdate(digest->context, credentials.at, (size_t)credentials.size) == 1);
    CHECK(EVP_DigestFinal_ex(digest->context, hash, &size) == 1 && size == sizeof(hash));
    CHECK(EVP_EncodeBlock(text, hash, sizeof(hash)) == DIGEST_HASH_SIZE);
    memcpy(out, credentials.at, user);
    out[user] = ':';
    memcpy(out + user + 1, text, DIGEST_HASH_SIZE);
    return (int)(user + 1 + DIGEST_HASH_SIZE);
}
