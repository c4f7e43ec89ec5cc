/* ZooKeeper's zoo.cfg: Java properties. Keys that takt has no use for are gathered by the reason
 * and said in one sentence, config->ignored; none is dropped in silence. */
#include "tools/taktd/config.h"

#include "base/check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE    256
#define VALUE_SIZE  4096
#define IGNORED_MAX 256

struct config_zoo {
    const char *at, *end;
    uint32_t line; /* of `at`, from 1 */
    bool too_long; /* the key or the value of the last entry */
    char key[KEY_SIZE], value[VALUE_SIZE];
    uint32_t key_line;

    char client_port[64], client_address[128];
    uint32_t client_line;
    bool has_secure_port;
    uint32_t server_lines[MEMBERSHIP_ID_MAX + 1]; /* by id; 0 = not seen */
    struct {
        const char *why;
        char name[64];
    } ignored[IGNORED_MAX];
    uint32_t ignored_count; /* may exceed IGNORED_MAX: those are only counted */
};

static bool config_zoo_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool config_zoo_at_line_end(const struct config_zoo *z)
{
    return z->at == z->end || *z->at == '\n' || *z->at == '\r';
}

static void config_zoo_skip_line_end(struct config_zoo *z)
{
    if (z->at < z->end && *z->at == '\r')
        z->at++;
    else if (z->at < z->end && *z->at == '\n')
        z->at++;
    else
        return;
    if (z->at[-1] == '\r' && z->at < z->end && *z->at == '\n')
        z->at++;
    z->line++;
}

static void config_zoo_skip_blanks(struct config_zoo *z)
{
    while (z->at < z->end && config_zoo_is_blank(*z->at))
        z->at++;
}

static void config_zoo_put(struct config_zoo *z, char *out, size_t *n, size_t size, char c)
{
    if (*n + 1 < size)
        out[(*n)++] = c;
    else
        z->too_long = true;
}

/* \uXXXX as UTF-8. */
static void config_zoo_put_code(struct config_zoo *z, char *out, size_t *n, size_t size)
{
    uint32_t code = 0;

    for (int i = 0; i < 4 && z->at < z->end && isxdigit((unsigned char)*z->at); i++) {
        char c = (char)tolower((unsigned char)*z->at++);
        code = code * 16 + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
    }
    if (code >= 0x800) {
        config_zoo_put(z, out, n, size, (char)(0xe0 | code >> 12));
        config_zoo_put(z, out, n, size, (char)(0x80 | (code >> 6 & 0x3f)));
    } else if (code >= 0x80) {
        config_zoo_put(z, out, n, size, (char)(0xc0 | code >> 6));
    }
    if (code >= 0x80)
        code = 0x80 | (code & 0x3f);
    config_zoo_put(z, out, n, size, code ? (char)code : '?');
}

/* Reads characters with their escapes until the line ends, or in a key until its separator. */
static void config_zoo_text(struct config_zoo *z, bool is_key, char *out, size_t size)
{
    size_t n = 0;

    while (!config_zoo_at_line_end(z)) {
        char c = *z->at;
        if (is_key && (c == '=' || c == ':' || config_zoo_is_blank(c)))
            break;
        z->at++;
        if (c != '\\') {
            config_zoo_put(z, out, &n, size, c);
            continue;
        }
        if (config_zoo_at_line_end(z)) { /* the line goes on in the next one */
            config_zoo_skip_line_end(z);
            config_zoo_skip_blanks(z);
            continue;
        }
        c = *z->at++;
        if (c == 'u')
            config_zoo_put_code(z, out, &n, size);
        else
            config_zoo_put(z, out, &n, size,
                           c == 't'   ? '\t'
                           : c == 'n' ? '\n'
                           : c == 'r' ? '\r'
                           : c == 'f' ? '\f'
                                      : c);
    }
    while (!is_key && n > 0 && config_zoo_is_blank(out[n - 1])) /* ZooKeeper trims values */
        n--;
    out[n] = '\0';
}

/* Steps to the next entry. False: the text is at its end. */
static bool config_zoo_next(struct config_zoo *z)
{
    for (;;) {
        config_zoo_skip_blanks(z);
        if (z->at == z->end)
            return false;
        if (config_zoo_at_line_end(z)) {
            config_zoo_skip_line_end(z);
        } else if (*z->at == '#' || *z->at == '!') {
            while (!config_zoo_at_line_end(z))
                z->at++;
        } else {
            break;
        }
    }
    z->key_line = z->line;
    z->too_long = false;
    config_zoo_text(z, true, z->key, sizeof(z->key));
    config_zoo_skip_blanks(z);
    if (z->at < z->end && (*z->at == '=' || *z->at == ':'))
        z->at++;
    config_zoo_skip_blanks(z);
    config_zoo_text(z, false, z->value, sizeof(z->value));
    return true;
}

static void config_zoo_ignore(struct config_zoo *z, const char *name)
{
    const char *why = config_table_find(name)
                          ? "takt's own: give it to taktd with --set, or use a takt.yaml"
                          : config_table_zk_why(name);

    if (z->ignored_count < IGNORED_MAX) {
        z->ignored[z->ignored_count].why = why ? why : "not known to takt";
        snprintf(z->ignored[z->ignored_count].name, sizeof(z->ignored[0].name), "%.63s", name);
    }
    z->ignored_count++;
}

/* "admin.serverPort (why); initLimit, syncLimit (why)": each reason once, in order of appearance.
 */
static void config_zoo_ignored_print(struct config_zoo *z, const char *name, char *out, size_t size)
{
    uint32_t kept = z->ignored_count < IGNORED_MAX ? z->ignored_count : IGNORED_MAX;
    size_t n;

    if (z->ignored_count == 0)
        return;
    n = strlen(out);
    n += (size_t)snprintf(out + n, size - n, "%s%s: %u %s no effect in takt: ", n ? "; " : "", name,
                          z->ignored_count, z->ignored_count == 1 ? "key has" : "keys have");
    for (uint32_t i = 0; i < kept && n < size; i++) {
        const char *why = z->ignored[i].why, *comma = "";
        if (!why)
            continue;
        n += (size_t)snprintf(out + n, size - n, "%s", i ? "; " : "");
        for (uint32_t j = i; j < kept && n < size; j++) {
            if (!z->ignored[j].why || strcmp(z->ignored[j].why, why) != 0)
                continue;
            n += (size_t)snprintf(out + n, size - n, "%s%s", comma, z->ignored[j].name);
            z->ignored[j].why = NULL;
            comma = ", ";
        }
        if (n < size)
            n += (size_t)snprintf(out + n, size - n, " (%s)", why);
    }
    if (n >= size)
        memcpy(out + size - 4, "...", 4);
}

/* Keeps a value for later. */
static int config_zoo_keep(const struct config_zoo *z, char *out, size_t size, struct fault *fault)
{
    size_t n = strlen(z->value);

    if (n >= size)
        return fault_set(fault, ERR_CONFIG, "%.40s: the value is too long", z->key);
    memcpy(out, z->value, n + 1);
    return 0;
}

/* Two lines of one server are a slip of the pen; Java's properties would let the last one win. */
static int config_zoo_server_once(struct config_zoo *z, const char *name, struct fault *fault)
{
    unsigned long id = strncmp(name, "server.", 7) == 0 ? strtoul(name + 7, NULL, 10) : 0;

    if (id < 1 || id > MEMBERSHIP_ID_MAX)
        return 0; /* no server, or config_set says what is wrong with it */
    if (z->server_lines[id])
        return fault_set(fault, ERR_CONFIG,
                         "server %lu is given twice, first on line %u; keep the line that is right",
                         id, z->server_lines[id]);
    z->server_lines[id] = z->key_line;
    return 0;
}

static int config_zoo_entry(struct config_zoo *z, struct config *config, struct fault *fault)
{
    const char *name = strncmp(z->key, "zookeeper.", 10) == 0 ? z->key + 10 : z->key;
    int err;

    if (z->too_long)
        return fault_set(fault, ERR_CONFIG, "%.40s...: the key or the value is too long", z->key);
    if (strcmp(name, "clientPort") == 0 || strcmp(name, "clientPortAddress") == 0) {
        z->client_line = z->key_line;
        return name[10] == '\0'
                   ? config_zoo_keep(z, z->client_port, sizeof(z->client_port), fault)
                   : config_zoo_keep(z, z->client_address, sizeof(z->client_address), fault);
    }
    if (strcmp(name, "dynamicConfigFile") == 0)
        return config_zoo_keep(z, config->zoo_dynamic_file, sizeof(config->zoo_dynamic_file),
                               fault);
    if (strcmp(name, "version") == 0) /* the last line of a dynamic configuration */
        return 0;
    z->has_secure_port |= strcmp(name, "secureClientPort") == 0;
    if (config_table_find(z->key)) { /* our own keys are for --set and YAML */
        config_zoo_ignore(z, z->key);
        return 0;
    }
    err = config_zoo_server_once(z, name, fault);
    if (err)
        return err;
    err = config_set(config, z->key, z->value, CONFIG_FROM_FILE, z->key_line, fault);
    if (err == ERR_NOTFOUND) {
        config_zoo_ignore(z, name);
        return 0;
    }
    return err;
}

/* The client address, when all of the file is known: ZooKeeper listens on every address. */
static int config_zoo_listen(struct config_zoo *z, struct config *config, struct fault *fault)
{
    char text[256];

    if (!*z->client_port && z->has_secure_port)
        return fault_set(fault, ERR_CONFIG,
                         "secureClientPort: TLS is not in this version, and "
                         "there is no clientPort");
    if (!*z->client_port)
        return 0;
    snprintf(text, sizeof(text), strchr(z->client_address, ':') ? "[%s]:%s" : "%s:%s",
             *z->client_address ? z->client_address : "0.0.0.0", z->client_port);
    int err = config_set(config, "listen", text, CONFIG_FROM_FILE, z->client_line, fault);
    if (err)
        fault_set(fault, err,
                  "clientPort, clientPortAddress: '%.96s' is not an IP address and a port "
                  "from 1 to 65535 (names are not looked up)",
                  text);
    return err;
}

int config_zoo_load(struct config *config, const char *name, const char *text, size_t size,
                    struct fault *fault)
{
    static _Thread_local struct config_zoo z; /* 24 KB: kept off the stack */
    int err = 0;

    CHECK(size <= CONFIG_FILE_SIZE_MAX);
    if (memchr(text, '\0', size))
        return fault_set(fault, ERR_CONFIG, "%s: not a text file", name);
    memset(&z, 0, sizeof(z));
    z.at = text;
    z.end = text + size;
    z.line = 1;
    config->file_is_zoo = true;
    while (!err && config_zoo_next(&z))
        err = config_zoo_entry(&z, config, fault);
    if (err)
        return fault_wrap(fault, err, "%s:%u", name, z.key_line);
    err = config_zoo_listen(&z, config, fault);
    if (err)
        return fault_wrap(fault, err, "%s:%u", name, z.client_line ? z.client_line : 1);
    config_zoo_ignored_print(&z, name, config->ignored, sizeof(config->ignored));
    return 0;
}
