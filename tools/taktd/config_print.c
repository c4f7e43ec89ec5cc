#include "tools/taktd/config.h"

#include <string.h>

#define VALUE_SIZE 12288

void config_print_where(const struct config *config, const struct config_setting *setting,
                        char *out, size_t size)
{
    static const char *const names[] = {"default", "--dev", "file", "--set", "flag"};
    const struct config_origin *origin = &config->origins[setting - config_table];

    if (origin->from == CONFIG_FROM_FILE && origin->line)
        snprintf(out, size, "%s:%u", config->file, origin->line);
    else if (origin->from == CONFIG_FROM_FILE)
        snprintf(out, size, "%s", "myid");
    else
        snprintf(out, size, "%s", names[origin->from]);
}

static bool config_print_is_list(enum config_type type)
{
    return type == CONFIG_LISTEN || type == CONFIG_WORDS || type == CONFIG_CPUS ||
           type == CONFIG_SERVERS;
}

static void config_print_quoted(const char *text, size_t n, FILE *to)
{
    fputc('\'', to);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'')
            fputc('\'', to);
        fputc(text[i], to);
    }
    fputc('\'', to);
}

/* A value as YAML: lists in brackets, texts in quotes, the rest as it is. */
static void config_print_value(enum config_type type, const char *text, FILE *to)
{
    if (config_print_is_list(type)) {
        fputc('[', to);
        for (bool first = true; *text; first = false) {
            size_t n = strcspn(text, ",");
            fputs(first ? "" : ", ", to);
            if (type == CONFIG_CPUS)
                fprintf(to, "%.*s", (int)n, text);
            else
                config_print_quoted(text, n, to);
            text += n;
            text += strspn(text, ", ");
        }
        fputc(']', to);
    } else if (type == CONFIG_TEXT || type == CONFIG_ADDRESS || type == CONFIG_SUBNET) {
        config_print_quoted(text, strlen(text), to);
    } else {
        fputs(text, to);
    }
}

/* Opens the sections of `key` that the key before it was not in; returns the indent in blanks. */
static int config_print_sections(const char *before, const char *key, const char *gap, FILE *to)
{
    int indent = 0;
    bool same = true;

    for (;;) {
        size_t n = strcspn(key, ".");
        if (key[n] == '\0')
            return indent;
        same = same && before && strncmp(before, key, n + 1) == 0;
        if (!same)
            fprintf(to, "%s%*s%.*s:\n", indent ? "" : gap, indent, "", (int)n, key);
        before = same ? before + n + 1 : NULL;
        key += n + 1;
        indent += 2;
    }
}

static const char *config_print_last(const char *key)
{
    const char *dot = strrchr(key, '.');

    return dot ? dot + 1 : key;
}

void config_print(const struct config *config, FILE *to)
{
    char value[VALUE_SIZE], where[1100];
    const char *before = NULL;

    for (uint32_t i = 0; i < config_table_count; i++) {
        const struct config_setting *setting = &config_table[i];
        int indent = config_print_sections(before, setting->key, "", to);
        config_value_print(config, setting, value, sizeof(value));
        if (setting->secret)
            fprintf(to, "%*s# %s: %s", indent, "", config_print_last(setting->key),
                    *value ? "(set, not printed)" : "(not set)");
        else
            fprintf(to, "%*s%s: ", indent, "", config_print_last(setting->key));
        if (!setting->secret)
            config_print_value(setting->type, value, to);
        config_print_where(config, setting, where, sizeof(where));
        if (config->origins[i].from != CONFIG_FROM_DEFAULT)
            fprintf(to, "  # %s", where);
        fputc('\n', to);
        before = setting->key;
    }
}

static void config_print_help(const struct config_setting *setting, int indent, FILE *to)
{
    const char *at = setting->help;
    char allowed[192];

    while (*at) {
        size_t n = strcspn(at, "\n");
        fprintf(to, "%*s# %.*s\n", indent, "", (int)n, at);
        at += n + (at[n] == '\n');
    }
    config_value_allowed(setting, allowed, sizeof(allowed));
    fprintf(to, "%*s# Takes %s.", indent, "", allowed);
    if (setting->zk)
        fprintf(to, " ZooKeeper: %s.", setting->zk);
    fputc('\n', to);
}

void config_print_reference(FILE *to)
{
    const char *before = NULL;

    fputs("# Every setting of takt with its default, as printed by taktd --help-config. Take the "
          "'#'\n"
          "# off what you change. Also on the command line: taktd --set session.tick=1s. The names "
          "of\n"
          "# ZooKeeper serve in --set and in a zoo.cfg.\n",
          to);
    for (uint32_t i = 0; i < config_table_count; i++) {
        const struct config_setting *setting = &config_table[i];
        bool top = !strchr(setting->key, '.');
        int indent = config_print_sections(before, setting->key, "\n", to);
        if (top)
            fputc('\n', to);
        config_print_help(setting, indent, to);
        fprintf(to, "%*s#%s: ", indent, "", config_print_last(setting->key));
        config_print_value(setting->type, setting->fallback, to);
        fputc('\n', to);
        before = setting->key;
    }
}
