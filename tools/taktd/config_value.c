#include "tools/taktd/config.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers with units
 * ------------------------------------------------------------------------*/

struct config_value_unit {
    const char *name;
    uint64_t factor;
};

/* From large to small: printing takes the first that divides the value. */
static const struct config_value_unit config_value_sizes[] = {
    {"T", 1ull << 40}, {"G", 1ull << 30}, {"M", 1ull << 20}, {"K", 1ull << 10}, {"", 1}, {NULL, 0}};
static const struct config_value_unit config_value_times[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct config_value_unit config_value_none[] = {{"", 1}, {NULL, 0}};

static const struct config_value_unit *config_value_units(enum config_type type)
{
    switch (type) {
    case CONFIG_SIZE:
    case CONFIG_SIZE32: return config_value_sizes;
    case CONFIG_MS: return config_value_times;
    default: return config_value_none;
    }
}

/* The factor of a unit as people write it: "M", "MB", "MiB", "m" for sizes. 0 = not a unit. */
static uint64_t config_value_factor(enum config_type type, const char *unit)
{
    const struct config_value_unit *units = config_value_units(type);
    char word[8];

    if (strlen(unit) >= sizeof(word))
        return 0;
    strcpy(word, unit);
    if (units == config_value_sizes) {
        for (char *c = word; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        char *tail = word + (isalpha((unsigned char)word[0]) && word[0] != 'B');
        if (strcmp(tail, "B") == 0 || strcmp(tail, "IB") == 0)
            *tail = '\0';
    }
    for (; units->name; units++)
        if (*word && strcmp(units->name, word) == 0)
            return units->factor;
    return *word ? 0 : 1;
}

/* Digits (or 0x and hex digits), blanks, a unit. False: not a number, or it does not fit. */
static bool config_value_number(enum config_type type, const char *text, uint32_t scale,
                                uint64_t *out)
{
    char *end;
    uint64_t factor;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

    if (!isdigit((unsigned char)text[0]) || (hex && !isxdigit((unsigned char)text[2])))
        return false;
    errno = 0;
    uint64_t value = strtoull(text, &end, hex ? 16 : 10);
    if (errno)
        return false;
    while (*end == ' ')
        end++;
    factor = *end ? config_value_factor(type, end) : scale;
    if (!factor)
        return false;
    return !__builtin_mul_overflow(value, factor, out);
}

static void config_value_number_print(enum config_type type, uint64_t value, char *out, size_t size)
{
    const struct config_value_unit *unit = config_value_units(type);

    while (value % unit->factor != 0 || (value == 0 && unit[1].name))
        unit++;
    snprintf(out, size, "%" PRIu64 "%s", value / unit->factor, value ? unit->name : "");
}

/* ---- lists
 * -------------------------------------------------------------------------------------*/

/* Takes the next element of a list of words between commas and blanks; NULL at the end. */
static const char *config_value_next(const char **at, char *word, size_t size, bool *too_long)
{
    const char *from = *at + strspn(*at, ", \t");
    size_t n = strcspn(from, ", \t");

    *at = from + n;
    if (n == 0)
        return NULL;
    if (n >= size) {
        *too_long = true;
        n = size - 1;
    }
    memcpy(word, from, n);
    word[n] = '\0';
    return word;
}

static int config_value_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);

    for (int i = 0;; i++) {
        size_t n = strcspn(choices, "|");
        if (n == size && strncasecmp(choices, text, n) == 0)
            return i;
        if (choices[n] == '\0')
            return -1;
        choices += n + 1;
    }
}

static void config_value_choice_print(const char *choices, uint32_t index, char *out, size_t size)
{
    while (index-- > 0)
        choices += strcspn(choices, "|") + 1;
    snprintf(out, size, "%.*s", (int)strcspn(choices, "|"), choices);
}

/* ---- addresses
 * ---------------------------------------------------------------------------------*/

static const uint8_t config_value_mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool config_value_ip(struct address *at, const char *text)
{
    memset(at, 0, sizeof(*at));
    if (strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (strcmp(text, "") == 0 || strcmp(text, "*") == 0)
        text = "0.0.0.0";
    if (inet_pton(AF_INET6, text, at->ip) == 1)
        return true;
    memcpy(at->ip, config_value_mapped, sizeof(config_value_mapped));
    return inet_pton(AF_INET, text, at->ip + 12) == 1;
}

static bool config_value_port(const char *text, uint16_t *port)
{
    uint64_t value;

    if (!config_value_number(CONFIG_COUNT, text, 1, &value) || value < 1 || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

int config_value_address(struct address *at, const char *text, struct fault *fault)
{
    char host[64] = "";
    struct address parsed;
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);

    if (!colon || !config_value_port(colon + 1, &parsed.port))
        return fault_set(fault, ERR_CONFIG,
                         "'%s' is not an address with a port, such as 127.0.0.1:2181 or "
                         "[::1]:2181; ports are 1 to 65535",
                         text);
    uint16_t port = parsed.port;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return fault_set(fault, ERR_CONFIG,
                         "'%s': an IPv6 address is written in brackets, [::1]:2181", text);
    }
    if (n < sizeof(host))
        memcpy(host, text, n);
    if (n >= sizeof(host) || !config_value_ip(&parsed, host))
        return fault_set(
            fault, ERR_CONFIG,
            "'%.*s' is not an IP address (names are not looked up; localhost is known)", (int)n,
            text);
    parsed.port = port;
    *at = parsed;
    return 0;
}

void config_value_address_print(const struct address *at, char *out, size_t size)
{
    char ip[INET6_ADDRSTRLEN];
    bool four = memcmp(at->ip, config_value_mapped, sizeof(config_value_mapped)) == 0;

    inet_ntop(four ? AF_INET : AF_INET6, four ? at->ip + 12 : at->ip, ip, sizeof(ip));
    if (at->port == 0)
        snprintf(out, size, "%s", ip);
    else
        snprintf(out, size, four ? "%s:%u" : "[%s]:%u", ip, at->port);
}

static int config_value_listen(struct config_listen *listen, const char *text, struct fault *fault)
{
    struct config_listen parsed = {0};
    char word[128];
    bool too_long = false;

    while (config_value_next(&text, word, sizeof(word), &too_long)) {
        if (parsed.count == CONFIG_LISTEN_MAX)
            return fault_set(fault, ERR_CONFIG, "more than %d addresses", CONFIG_LISTEN_MAX);
        int err = config_value_address(&parsed.at[parsed.count], word, fault);
        if (err)
            return err;
        for (uint32_t i = 0; i < parsed.count; i++)
            if (memcmp(&parsed.at[i], &parsed.at[parsed.count], sizeof(parsed.at[i])) == 0)
                return fault_set(fault, ERR_CONFIG, "'%s' is given twice", word);
        parsed.count++;
    }
    if (parsed.count == 0)
        return fault_set(fault, ERR_CONFIG, "no address; give one such as 127.0.0.1:2181");
    *listen = parsed;
    return 0;
}

static int config_value_subnet(struct config_subnet *subnet, const char *text, struct fault *fault)
{
    struct config_subnet parsed = {0};
    char ip[64] = "";
    const char *slash = strchr(text, '/');
    uint64_t prefix_length;

    if (*text == '\0') {
        *subnet = parsed;
        return 0;
    }
    if (slash && (size_t)(slash - text) < sizeof(ip))
        memcpy(ip, text, (size_t)(slash - text));
    bool good = *ip && config_value_ip(&parsed.at, ip) &&
                config_value_number(CONFIG_COUNT, slash + 1, 1, &prefix_length);
    bool four = memcmp(parsed.at.ip, config_value_mapped, sizeof(config_value_mapped)) == 0;
    if (!good || (four ? prefix_length > 32 : prefix_length != 64))
        return fault_set(fault, ERR_CONFIG,
                         "'%s' is not an IPv4 address with a prefix length, such as "
                         "192.168.7.2/24, or an IPv6 address in a network of 64 bits, such as "
                         "fd00::2/64",
                         text);
    parsed.prefix_length = (uint32_t)prefix_length;
    *subnet = parsed;
    return 0;
}

static int config_value_gateway(struct address *at, const char *text, struct fault *fault)
{
    struct address parsed = {0};

    if (*text && (!config_value_ip(&parsed, text) || strchr(text, '*')))
        return fault_set(fault, ERR_CONFIG,
                         "'%s' is not an IP address, such as 192.168.7.1 or fd00::1", text);
    *at = parsed;
    return 0;
}

/* ---- words, cpus
 * -------------------------------------------------------------------------------*/

static int config_value_words(struct config_words *words, const char *text, struct fault *fault)
{
    struct config_words parsed = {0};
    char word[CONFIG_WORD_SIZE];
    bool too_long = false;

    while (config_value_next(&text, word, sizeof(word), &too_long)) {
        bool twice = false;
        for (const char *c = word; *c; c++)
            if (!isalnum((unsigned char)*c) && !strchr("*_-.", *c))
                return fault_set(fault, ERR_CONFIG, "'%s' is not a word of letters and digits",
                                 word);
        if (too_long)
            return fault_set(fault, ERR_CONFIG, "the word '%s...' is longer than %d characters",
                             word, CONFIG_WORD_SIZE - 1);
        for (uint32_t i = 0; i < parsed.count; i++)
            twice |= strcmp(parsed.word[i], word) == 0;
        if (twice)
            continue;
        if (parsed.count == CONFIG_WORDS_MAX)
            return fault_set(fault, ERR_CONFIG, "more than %d words", CONFIG_WORDS_MAX);
        memcpy(parsed.word[parsed.count++], word, sizeof(word));
    }
    *words = parsed;
    return 0;
}

static int config_value_cpus(struct config_cpus *cpus, uint64_t max, const char *text,
                             struct fault *fault)
{
    struct config_cpus parsed = {0};
    char word[16];
    bool too_long = false;

    while (config_value_next(&text, word, sizeof(word), &too_long)) {
        uint64_t first, last;
        char *dash = strchr(word, '-');
        if (dash)
            *dash = '\0';
        if (too_long || !config_value_number(CONFIG_COUNT, word, 1, &first) ||
            !config_value_number(CONFIG_COUNT, dash ? dash + 1 : word, 1, &last) || last < first ||
            last > 1023)
            return fault_set(fault, ERR_CONFIG,
                             "'%s%s%s' is not a cpu (0 to 1023) or a range of them such as 2-5",
                             word, dash ? "-" : "", dash ? dash + 1 : "");
        for (; first <= last; first++) {
            if (parsed.count == max)
                return fault_set(fault, ERR_CONFIG, "more than %" PRIu64 " cpu%s", max,
                                 max == 1 ? "" : "s");
            parsed.cpu[parsed.count++] = (uint16_t)first;
        }
    }
    *cpus = parsed;
    return 0;
}

/* ---- servers
 * -----------------------------------------------------------------------------------*/

#define SERVER_FORM "host:2888:3888[:participant|:observer][;[client host:]2181]"

static int config_value_servers(struct membership *servers, const char *text, struct fault *fault)
{
    struct membership parsed;
    char word[MEMBERSHIP_LINE_SIZE];
    bool too_long = false;

    memset(&parsed, 0, sizeof(parsed));
    while (config_value_next(&text, word, sizeof(word), &too_long)) {
        struct membership_server server;
        char *equals = strchr(word, '=');
        uint64_t id = 0;
        if (!equals)
            return fault_set(fault, ERR_CONFIG, "'%s' has no id: 1=" SERVER_FORM, word);
        *equals = '\0';
        if (!config_value_number(CONFIG_COUNT, word, 1, &id) || id > MEMBERSHIP_ID_MAX)
            id = 0;
        int err = membership_server_parse(&server, (uint32_t)id, equals + 1, fault);
        if (err)
            return err;
        if (membership_find(&parsed, server.id))
            return fault_set(fault, ERR_CONFIG, "server %" PRIu64 " is given twice", id);
        if (membership_add(&parsed, &server) != 0)
            return fault_set(fault, ERR_CONFIG, "more than %d servers", MEMBERSHIP_MAX);
    }
    *servers = parsed;
    return 0;
}

/* ---- one value of any type
 * ---------------------------------------------------------------------*/

void config_value_allowed(const struct config_setting *setting, char *out, size_t size)
{
    char min[32], max[32];

    config_value_number_print(setting->type, setting->min, min, sizeof(min));
    config_value_number_print(setting->type, setting->max, max, sizeof(max));
    switch (setting->type) {
    case CONFIG_BOOL: snprintf(out, size, "true or false"); break;
    case CONFIG_COUNT:
    case CONFIG_COUNT64: snprintf(out, size, "a number from %s to %s", min, max); break;
    case CONFIG_SIZE:
    case CONFIG_SIZE32:
        snprintf(out, size, "a size from %s to %s (bytes, or with K, M, G, T)", min, max);
        break;
    case CONFIG_MS:
        snprintf(out, size, "a duration from %s to %s (ms, or with s, m, h)", min, max);
        break;
    case CONFIG_CHOICE: snprintf(out, size, "one of %s", setting->choices); break;
    case CONFIG_TEXT:
        snprintf(out, size, "a text of at most %" PRIu64 " bytes", setting->max);
        break;
    case CONFIG_LISTEN: snprintf(out, size, "1 to %d of ADDRESS:PORT", CONFIG_LISTEN_MAX); break;
    case CONFIG_ADDRESS: snprintf(out, size, "an IP address"); break;
    case CONFIG_SUBNET:
        snprintf(out, size, "an IP address with a prefix length, 192.168.7.2/24 or fd00::2/64");
        break;
    case CONFIG_WORDS: snprintf(out, size, "up to %s words", max); break;
    case CONFIG_CPUS:
        snprintf(out, size, "up to %s cpu%s", max, setting->max == 1 ? "" : "s");
        break;
    case CONFIG_SERVERS: snprintf(out, size, "ID=" SERVER_FORM); break;
    }
}

static int config_value_refuse(const struct config_setting *setting, const char *text,
                               struct fault *fault)
{
    char allowed[192];

    config_value_allowed(setting, allowed, sizeof(allowed));
    return fault_set(fault, ERR_CONFIG, "'%.64s' is not %s", setting->secret ? "(hidden)" : text,
                     allowed);
}

static int config_value_bool(const char *text)
{
    int at = config_value_choice("false|no|off|0|true|yes|on|1", text);

    return at < 0 ? -1 : at >= 4;
}

static int config_value_parse_number(void *field, const struct config_setting *setting,
                                     const char *text, uint32_t scale, struct fault *fault)
{
    uint64_t value;

    if (!config_value_number(setting->type, text, scale, &value) || value < setting->min ||
        value > setting->max)
        return config_value_refuse(setting, text, fault);
    if (setting->type == CONFIG_SIZE || setting->type == CONFIG_COUNT64) {
        memcpy(field, &value, sizeof(value));
    } else {
        uint32_t narrow = (uint32_t)value;
        memcpy(field, &narrow, sizeof(narrow));
    }
    return 0;
}

static int config_value_parse_text(char *field, const struct config_setting *setting,
                                   const char *text, struct fault *fault)
{
    if (strlen(text) > setting->max)
        return config_value_refuse(setting, text, fault);
    strcpy(field, text);
    return 0;
}

int config_value_parse(struct config *config, const struct config_setting *setting,
                       const char *text, uint32_t scale, struct fault *fault)
{
    void *field = (char *)config + setting->offset;
    int word;

    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c) && *c != '\t')
            return fault_set(fault, ERR_CONFIG, "the value holds a control character");
    switch (setting->type) {
    case CONFIG_BOOL:
        word = config_value_bool(text);
        if (word < 0)
            return config_value_refuse(setting, text, fault);
        *(bool *)field = word;
        return 0;
    case CONFIG_COUNT:
    case CONFIG_COUNT64:
    case CONFIG_SIZE:
    case CONFIG_SIZE32:
    case CONFIG_MS: return config_value_parse_number(field, setting, text, scale, fault);
    case CONFIG_CHOICE:
        word = config_value_choice(setting->choices, text);
        if (word < 0)
            return config_value_refuse(setting, text, fault);
        *(uint32_t *)field = (uint32_t)word;
        return 0;
    case CONFIG_TEXT: return config_value_parse_text(field, setting, text, fault);
    case CONFIG_LISTEN: return config_value_listen(field, text, fault);
    case CONFIG_ADDRESS: return config_value_gateway(field, text, fault);
    case CONFIG_SUBNET: return config_value_subnet(field, text, fault);
    case CONFIG_WORDS: return config_value_words(field, text, fault);
    case CONFIG_CPUS: return config_value_cpus(field, setting->max, text, fault);
    case CONFIG_SERVERS: return config_value_servers(field, text, fault);
    }
    CHECK(!"a type of the table without a parser");
    return ERR_CONFIG;
}

/* ---- printing
 * ----------------------------------------------------------------------------------*/

/* Appends ", word" to a list. */
static void config_value_append(char *out, size_t size, const char *word)
{
    size_t n = strlen(out);

    snprintf(out + n, size - n, "%s%s", n ? ", " : "", word);
}

static void config_value_list_print(const void *field, enum config_type type, char *out,
                                    size_t size)
{
    const struct config_listen *listen = field;
    const struct config_words *words = field;
    const struct config_cpus *cpus = field;
    const struct membership *servers = field;
    char word[MEMBERSHIP_LINE_SIZE];

    out[0] = '\0';
    for (uint32_t i = 0; type == CONFIG_LISTEN && i < listen->count; i++) {
        config_value_address_print(&listen->at[i], word, sizeof(word));
        config_value_append(out, size, word);
    }
    for (uint32_t i = 0; type == CONFIG_WORDS && i < words->count; i++)
        config_value_append(out, size, words->word[i]);
    for (uint32_t i = 0; type == CONFIG_CPUS && i < cpus->count; i++) {
        snprintf(word, sizeof(word), "%u", cpus->cpu[i]);
        config_value_append(out, size, word);
    }
    for (uint32_t i = 0; type == CONFIG_SERVERS && i < servers->count; i++) {
        int n = snprintf(word, sizeof(word), "%u=", servers->server[i].id);
        membership_server_print(&servers->server[i], word + n, sizeof(word) - (size_t)n);
        config_value_append(out, size, word);
    }
}

void config_value_print(const struct config *config, const struct config_setting *setting,
                        char *out, size_t size)
{
    const void *field = (const char *)config + setting->offset;
    const struct config_subnet *subnet = field;
    const struct address *at = field;
    static const struct address nothing;
    char ip[64];

    switch (setting->type) {
    case CONFIG_BOOL: snprintf(out, size, "%s", *(const bool *)field ? "true" : "false"); break;
    case CONFIG_COUNT:
    case CONFIG_SIZE32:
    case CONFIG_MS:
        config_value_number_print(setting->type, *(const uint32_t *)field, out, size);
        break;
    case CONFIG_COUNT64:
    case CONFIG_SIZE:
        config_value_number_print(setting->type, *(const uint64_t *)field, out, size);
        break;
    case CONFIG_CHOICE:
        config_value_choice_print(setting->choices, *(const uint32_t *)field, out, size);
        break;
    case CONFIG_TEXT: snprintf(out, size, "%s", (const char *)field); break;
    case CONFIG_ADDRESS:
    case CONFIG_SUBNET:
        out[0] = '\0';
        if (memcmp(at, &nothing, sizeof(nothing)) == 0)
            break;
        config_value_address_print(at, ip, sizeof(ip));
        if (setting->type == CONFIG_SUBNET)
            snprintf(out, size, "%s/%u", ip, subnet->prefix_length);
        else
            snprintf(out, size, "%s", ip);
        break;
    case CONFIG_LISTEN:
    case CONFIG_WORDS:
    case CONFIG_CPUS:
    case CONFIG_SERVERS: config_value_list_print(field, setting->type, out, size); break;
    }
}
