#include "tools/takt/acltext.h"

#include <stddef.h>

static const char acltext_letters[] = "cdrwa";
static const int32_t acltext_bits[] = {ZK_PERM_CREATE, ZK_PERM_DELETE, ZK_PERM_READ, ZK_PERM_WRITE,
                                       ZK_PERM_ADMIN};

const struct zkwire_acl acltext_open = {
    ZK_PERM_ALL, {(const uint8_t *)"world", 5}, {(const uint8_t *)"anyone", 6}};

void acltext_perms_text(int32_t perms, char room[8])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < 5; i++)
        if (perms & acltext_bits[i])
            room[n++] = acltext_letters[i];
    room[n] = '\0';
}

static int acltext_parse_perms(const char *at, size_t size, int32_t *perms)
{
    *perms = 0;
    for (size_t i = 0; i < size; i++) {
        const char *letter = at[i] != '\0' ? strchr(acltext_letters, at[i]) : NULL;
        if (letter == NULL)
            return ERR_MALFORMED;
        *perms |= acltext_bits[letter - acltext_letters];
    }
    return size > 0 ? 0 : ERR_MALFORMED;
}

static const char *acltext_last_colon(const char *at, size_t size)
{
    while (size > 0)
        if (at[--size] == ':')
            return at + size;
    return NULL;
}

static int acltext_parse_one(const char *at, size_t size, struct zkwire_acl *acl,
                             struct fault *fault)
{
    const char *first = memchr(at, ':', size), *last = acltext_last_colon(at, size);
    if (first == NULL || first == last)
        return fault_set(fault, ERR_MALFORMED,
                         "\"%.*s\" is no ACL; write scheme:id:perms, such as world:anyone:cdrwa",
                         (int)size, at);
    acl->scheme = bytes_of(at, (size_t)(first - at));
    acl->id = bytes_of(first + 1, (size_t)(last - first - 1));
    if (acltext_parse_perms(last + 1, (size_t)(at + size - last - 1), &acl->perms) != 0)
        return fault_set(fault, ERR_MALFORMED,
                         "\"%.*s\": permissions are letters of cdrwa (create, delete, read, write, "
                         "admin)",
                         (int)size, at);
    return 0;
}

int acltext_parse(const char *text, struct zkwire_acl acl[ACL_COUNT_MAX], uint32_t *count,
                  struct fault *fault)
{
    uint32_t n = 0;
    for (const char *at = text;;) {
        size_t size = strcspn(at, ",");
        if (n == ACL_COUNT_MAX)
            return fault_set(fault, ERR_LIMIT, "an ACL has at most %d entries here", ACL_COUNT_MAX);
        int err = acltext_parse_one(at, size, &acl[n], fault);
        if (err != 0)
            return err;
        n++;
        if (at[size] == '\0')
            break;
        at += size + 1;
    }
    *count = n;
    return 0;
}
