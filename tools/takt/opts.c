#include "tools/takt/opts.h"

#include "tools/host/cpulist.h"
#include "tools/takt/address.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int opts_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    static const struct {
        char letter;
        uint64_t times;
    } units[] = {{'k', 1000}, {'M', 1000000}, {'G', 1000000000}};
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return ERR_MALFORMED;
    errno = 0;
    uint64_t v = strtoull(text, &end, 10);
    if (errno != 0)
        return ERR_RANGE;
    for (uint32_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (*end == units[i].letter) {
            if (__builtin_mul_overflow(v, units[i].times, &v))
                return ERR_RANGE;
            end++;
            break;
        }
    }
    if (*end != '\0')
        return ERR_MALFORMED;
    if (v < min || (max != 0 && v > max))
        return ERR_RANGE;
    *value = v;
    return 0;
}

/* True when `value` is one of the words of `choices`; *found then points at static text. */
static bool opts_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);
    for (const char *at = choices; *at != '\0';) {
        size_t word = strcspn(at, "|");
        if (word == size && memcmp(at, value, size) == 0)
            return true;
        at += word + (at[word] == '|');
    }
    return false;
}

static int opts_store_real(const struct opts_item *item, const char *value, struct fault *fault)
{
    char *end;
    double v = strtod(value, &end);
    if (end == value || *end != '\0' || v != v)
        return fault_set(fault, ERR_CONFIG, "--%s wants a number, not \"%s\"", item->name, value);
    if (v < (double)item->min || (item->max != 0 && v > (double)item->max))
        return fault_set(fault, ERR_CONFIG, "--%s %s is outside [%" PRIu64 ", %" PRIu64 "]",
                         item->name, value, item->min, item->max);
    *(double *)item->into = v;
    return 0;
}

static int opts_store(const struct opts_item *item, const char *value, struct fault *fault)
{
    struct cpulist cpus;
    int err;
    switch (item->kind) {
    case OPTS_FLAG: *(bool *)item->into = true; return 0;
    case OPTS_STRING: *(const char **)item->into = value; return 0;
    case OPTS_CHOICE:
        if (!opts_choice(item->choices, value))
            return fault_set(fault, ERR_CONFIG, "--%s is one of %s, not \"%s\"", item->name,
                             item->choices, value);
        *(const char **)item->into = value;
        return 0;
    case OPTS_SERVERS:
        err = address_check(value, fault);
        if (err != 0)
            return fault_wrap(fault, ERR_CONFIG, "--%s", item->name);
        *(const char **)item->into = value;
        return 0;
    case OPTS_CPUS:
        if (cpulist_parse(value, &cpus) != 0 || cpulist_is_empty(&cpus))
            return fault_set(fault, ERR_CONFIG, "--%s %s is no list of cpus such as 2-5,8",
                             item->name, value);
        *(const char **)item->into = value;
        return 0;
    case OPTS_REAL: return opts_store_real(item, value, fault);
    case OPTS_NUMBER:
        err = opts_number(value, item->min, item->max, item->into);
        if (err == ERR_RANGE && item->max != 0)
            return fault_set(fault, ERR_CONFIG, "--%s %s is outside [%" PRIu64 ", %" PRIu64 "]",
                             item->name, value, item->min, item->max);
        if (err == ERR_RANGE)
            return fault_set(fault, ERR_CONFIG, "--%s %s is out of range: at least %" PRIu64,
                             item->name, value, item->min);
        if (err != 0)
            return fault_set(fault, ERR_CONFIG,
                             "--%s wants a whole number such as 64, 10k or 1M, not \"%s\"",
                             item->name, value);
        return 0;
    }
    return fault_set(fault, ERR_CONFIG, "--%s has no known kind", item->name);
}

/* The item that `word` names ("--name", "--name=value", "-l", "-lvalue"), or NULL; *value is where
 * a value within the word starts, or NULL. */
static const struct opts_item *opts_find(const struct opts_item *items, const char *word,
                                         const char **value)
{
    *value = NULL;
    for (const struct opts_item *item = items; item->name != NULL; item++) {
        size_t size = strlen(item->name);
        if (word[1] == '-' && strncmp(word + 2, item->name, size) == 0 &&
            (word[2 + size] == '\0' || word[2 + size] == '=')) {
            if (word[2 + size] == '=')
                *value = word + 3 + size;
            return item;
        }
        if (word[1] != '-' && item->letter != 0 && word[1] == item->letter) {
            if (word[2] != '\0')
                *value = word + 2;
            return item;
        }
    }
    return NULL;
}

int opts_parse(const struct opts_item *items, int argc, char **argv, int *rest_count,
               struct fault *fault)
{
    int rest = 0;
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (ended || word[0] != '-' || word[1] == '\0') {
            argv[rest++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            ended = true;
            continue;
        }
        const char *value;
        const struct opts_item *item = opts_find(items, word, &value);
        if (item == NULL)
            return fault_set(fault, ERR_CONFIG, "there is no option %s; --help lists them", word);
        if (item->kind == OPTS_FLAG && value != NULL)
            return fault_set(fault, ERR_CONFIG, "--%s takes no value", item->name);
        if (item->kind != OPTS_FLAG && value == NULL) {
            if (i + 1 >= argc)
                return fault_set(fault, ERR_CONFIG, "--%s needs a value: %s", item->name,
                                 item->arg);
            value = argv[++i];
        }
        int err = opts_store(item, value, fault);
        if (err != 0)
            return err;
    }
    *rest_count = rest;
    return 0;
}

static void opts_help_default(const struct opts_item *item, FILE *to)
{
    switch (item->kind) {
    case OPTS_FLAG: break;
    case OPTS_STRING:
    case OPTS_CHOICE:
    case OPTS_SERVERS:
    case OPTS_CPUS:
        if (*(const char **)item->into != NULL)
            fprintf(to, " [%s]", *(const char **)item->into);
        break;
    case OPTS_NUMBER: fprintf(to, " [%" PRIu64 "]", *(uint64_t *)item->into); break;
    case OPTS_REAL: fprintf(to, " [%g]", *(double *)item->into); break;
    }
}

void opts_help(const struct opts_item *items, FILE *to)
{
    for (const struct opts_item *item = items; item->name != NULL; item++) {
        char left[80];
        int n = item->letter ? snprintf(left, sizeof(left), "-%c, ", item->letter)
                             : snprintf(left, sizeof(left), "    ");
        snprintf(left + n, sizeof(left) - (size_t)n, "--%s%s%s", item->name, item->arg ? " " : "",
                 item->arg ? item->arg : "");
        fprintf(to, "  %-28s %s", left, item->help);
        opts_help_default(item, to);
        fputc('\n', to);
    }
}
