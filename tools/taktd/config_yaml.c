/* YAML by libyaml's events: each has its line, which a message needs. Mappings are flattened to the
 * dotted keys of config_table. Aliases are refused: nothing here is long enough to want them. */
#include "tools/taktd/config.h"

#include "base/check.h"

#include <string.h>
#include <yaml.h>

#define KEY_SIZE   128
#define VALUE_SIZE 8192
#define DEPTH_MAX  8

struct config_yaml {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted by config_yaml_next */
    bool has_event;
    struct config *config;
    const char *name;
    struct fault *fault;
};

static uint32_t config_yaml_line(const struct config_yaml *y)
{
    return (uint32_t)y->event.start_mark.line + 1;
}

/* Puts "<file>:<line>: " before the sentence. */
static int config_yaml_refuse(struct config_yaml *y, uint32_t line)
{
    return fault_wrap(y->fault, ERR_CONFIG, "%s:%u", y->name, line);
}

static int config_yaml_next(struct config_yaml *y)
{
    if (y->has_event)
        yaml_event_delete(&y->event);
    y->has_event = yaml_parser_parse(&y->parser, &y->event);
    if (!y->has_event) {
        uint32_t line = (uint32_t)y->parser.problem_mark.line + 1;
        fault_set(y->fault, ERR_CONFIG, "not YAML: %s",
                  y->parser.problem ? y->parser.problem : "cannot be read");
        return config_yaml_refuse(y, line);
    }
    if (y->event.type == YAML_ALIAS_EVENT) {
        fault_set(y->fault, ERR_CONFIG, "an alias (*name) is not allowed; write the value");
        return config_yaml_refuse(y, config_yaml_line(y));
    }
    return 0;
}

/* The scalar of the current event as a C string of at most size - 1 bytes. */
static int config_yaml_scalar(struct config_yaml *y, const char *key, char *out, size_t size)
{
    const char *at = (const char *)y->event.data.scalar.value;
    size_t n = y->event.data.scalar.length;

    if (n >= size || memchr(at, '\0', n)) {
        fault_set(y->fault, ERR_CONFIG, "%s: %s", key, n >= size ? "too long" : "holds a NUL byte");
        return config_yaml_refuse(y, config_yaml_line(y));
    }
    memcpy(out, at, n);
    out[n] = '\0';
    return 0;
}

/* True for "key:" with nothing behind it, and for the plain words null and ~. */
static bool config_yaml_is_null(const struct config_yaml *y)
{
    const char *at = (const char *)y->event.data.scalar.value;

    return y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*at == '\0' || strcmp(at, "~") == 0 || strcasecmp(at, "null") == 0);
}

static bool config_yaml_is_list(enum config_type type)
{
    return type == CONFIG_LISTEN || type == CONFIG_WORDS || type == CONFIG_CPUS ||
           type == CONFIG_SERVERS;
}

/* The elements of a sequence, joined by commas; the current event is its start, then its end. */
static int config_yaml_sequence(struct config_yaml *y, const char *key, char *value, size_t size)
{
    size_t n = 0;

    value[0] = '\0';
    for (;;) {
        int err = config_yaml_next(y);
        if (err)
            return err;
        if (y->event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        if (y->event.type != YAML_SCALAR_EVENT) {
            fault_set(y->fault, ERR_CONFIG, "%s: a list of plain values is expected", key);
            return config_yaml_refuse(y, config_yaml_line(y));
        }
        if (n + 2 < size)
            n += (size_t)snprintf(value + n, size - n, "%s", n ? ", " : "");
        err = config_yaml_scalar(y, key, value + n, size - n);
        if (err)
            return err;
        n += strlen(value + n);
    }
}

/* The value of a setting whose key stands on `line`. */
static int config_yaml_setting(struct config_yaml *y, const struct config_setting *setting,
                               uint32_t line)
{
    const char *key = setting->key;
    const struct config_origin *origin = &y->config->origins[setting - config_table];
    char value[VALUE_SIZE];
    int err;

    if (origin->from == CONFIG_FROM_FILE) {
        fault_set(y->fault, ERR_CONFIG, "%s: given twice, first on line %u", key, origin->line);
        return config_yaml_refuse(y, line);
    }
    if (y->event.type == YAML_SEQUENCE_START_EVENT && config_yaml_is_list(setting->type)) {
        err = config_yaml_sequence(y, key, value, sizeof(value));
    } else if (y->event.type == YAML_SCALAR_EVENT && !config_yaml_is_null(y)) {
        err = config_yaml_scalar(y, key, value, sizeof(value));
    } else {
        char allowed[192];
        config_value_allowed(setting, allowed, sizeof(allowed));
        fault_set(y->fault, ERR_CONFIG, "%s: %s; it takes %s", key,
                  y->event.type == YAML_SCALAR_EVENT ? "has no value" : "takes no list or mapping",
                  allowed);
        return config_yaml_refuse(y, line);
    }
    if (err)
        return err;
    if (config_set(y->config, key, value, CONFIG_FROM_FILE, line, y->fault))
        return config_yaml_refuse(y, line);
    return 0;
}

/* Writes the keys that may stand in a section ("" = the top), separated by commas. */
static void config_yaml_known(const char *section, char *out, size_t size)
{
    size_t skip = strlen(section), n = 0, last_size = 0;
    const char *last = "";

    out[0] = '\0';
    for (uint32_t i = 0; i < config_table_count; i++) {
        const char *key = config_table[i].key;
        if (strncmp(key, section, skip) != 0)
            continue;
        key += skip;
        size_t word = strcspn(key, ".");
        if (word == last_size && strncmp(key, last, word) == 0)
            continue;
        last = key;
        last_size = word;
        if (n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? ", " : "", (int)word, key);
    }
}

static int config_yaml_unknown(struct config_yaml *y, const char *section, const char *key,
                               uint32_t line)
{
    char known[320], full[KEY_SIZE * 2];
    const char *near;

    snprintf(full, sizeof(full), "%s%s", section, key);
    near = config_table_near(full);
    config_yaml_known(section, known, sizeof(known));
    fault_set(y->fault, ERR_CONFIG, "unknown key %.64s%s%s; known here: %s", full,
              near ? "; did you mean " : "", near ? near : "", known);
    return config_yaml_refuse(y, line);
}

static bool config_yaml_is_section(const char *dotted)
{
    for (uint32_t i = 0; i < config_table_count; i++)
        if (strncmp(config_table[i].key, dotted, strlen(dotted)) == 0)
            return true;
    return false;
}

/* The entries of a mapping up to its end. section is "" or ends with a dot. */
static int config_yaml_mapping(struct config_yaml *y, const char *section, uint32_t depth)
{
    char key[KEY_SIZE], full[KEY_SIZE * 2];

    CHECK(depth < DEPTH_MAX);
    for (;;) {
        int err = config_yaml_next(y);
        if (err || y->event.type == YAML_MAPPING_END_EVENT)
            return err;
        uint32_t line = config_yaml_line(y);
        if (y->event.type != YAML_SCALAR_EVENT) {
            fault_set(y->fault, ERR_CONFIG, "a key must be a plain word");
            return config_yaml_refuse(y, line);
        }
        err = config_yaml_scalar(y, "a key", key, sizeof(key));
        if (err)
            return err;
        snprintf(full, sizeof(full), "%s%s", section, key);
        const struct config_setting *setting = config_table_find(full);
        snprintf(full, sizeof(full), "%s%s.", section, key);
        if (!setting && (!*key || !config_yaml_is_section(full)))
            return config_yaml_unknown(y, section, key, line);
        err = config_yaml_next(y);
        if (err)
            return err;
        if (setting) {
            err = config_yaml_setting(y, setting, line);
        } else if (y->event.type == YAML_MAPPING_START_EVENT) {
            err = config_yaml_mapping(y, full, depth + 1); /* ends: a section is one level deeper */
        } else if (y->event.type != YAML_SCALAR_EVENT || !config_yaml_is_null(y)) {
            char known[320];
            config_yaml_known(full, known, sizeof(known));
            fault_set(y->fault, ERR_CONFIG, "%s%s is a section; it holds: %s", section, key, known);
            err = config_yaml_refuse(y, line);
        }
        if (err)
            return err;
    }
}

static int config_yaml_document(struct config_yaml *y)
{
    int err = config_yaml_next(y); /* stream start */

    if (!err)
        err = config_yaml_next(y); /* document start, or the end of an empty file */
    if (err || y->event.type == YAML_STREAM_END_EVENT)
        return err;
    err = config_yaml_next(y);
    if (err)
        return err;
    if (y->event.type == YAML_MAPPING_START_EVENT) {
        err = config_yaml_mapping(y, "", 0);
    } else if (y->event.type != YAML_SCALAR_EVENT || !config_yaml_is_null(y)) {
        fault_set(y->fault, ERR_CONFIG, "the file must hold 'key: value' lines");
        err = config_yaml_refuse(y, config_yaml_line(y));
    }
    if (!err)
        err = config_yaml_next(y); /* document end */
    if (!err)
        err = config_yaml_next(y);
    if (!err && y->event.type != YAML_STREAM_END_EVENT) {
        fault_set(y->fault, ERR_CONFIG, "a second document begins here; one is expected");
        err = config_yaml_refuse(y, config_yaml_line(y));
    }
    return err;
}

int config_yaml_load(struct config *config, const char *name, const char *text, size_t size,
                     struct fault *fault)
{
    struct config_yaml y = {.config = config, .name = name, .fault = fault};

    CHECK(size <= CONFIG_FILE_SIZE_MAX);
    if (!yaml_parser_initialize(&y.parser))
        return fault_set(fault, ERR_NOMEM, "%s: no memory for the YAML parser", name);
    yaml_parser_set_input_string(&y.parser, (const unsigned char *)text, size);
    int err = config_yaml_document(&y);
    if (y.has_event)
        yaml_event_delete(&y.event);
    yaml_parser_delete(&y.parser);
    return err;
}
