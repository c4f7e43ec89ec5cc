#include "tools/host/cpulist.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPULIST_WORDS (CPULIST_MAX / 64)

void cpulist_add(struct cpulist *list, uint32_t cpu)
{
    if (cpu < CPULIST_MAX)
        list->words[cpu / 64] |= 1ull << (cpu % 64);
}

void cpulist_remove(struct cpulist *list, uint32_t cpu)
{
    if (cpu < CPULIST_MAX)
        list->words[cpu / 64] &= ~(1ull << (cpu % 64));
}

bool cpulist_has(const struct cpulist *list, uint32_t cpu)
{
    return cpu < CPULIST_MAX && (list->words[cpu / 64] >> (cpu % 64) & 1);
}

uint32_t cpulist_count(const struct cpulist *list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < CPULIST_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(list->words[i]);
    return count;
}

bool cpulist_is_empty(const struct cpulist *list)
{
    return cpulist_next(list, 0) == CPULIST_MAX;
}

uint32_t cpulist_next(const struct cpulist *list, uint32_t from)
{
    while (from < CPULIST_MAX && !cpulist_has(list, from))
        from++;
    return from;
}

/* A cpu number at *at, in [0, CPULIST_MAX). */
static int cpulist_number(const char **at, uint32_t *cpu)
{
    char *end;
    if (!isdigit((unsigned char)**at))
        return ERR_MALFORMED;
    unsigned long value = strtoul(*at, &end, 10);
    *at = end;
    *cpu = (uint32_t)value;
    return value < CPULIST_MAX ? 0 : ERR_RANGE;
}

int cpulist_parse(const char *text, struct cpulist *to)
{
    struct cpulist list = {0};

    text += strspn(text, " \t\n");
    if (strncmp(text, "(null)", 6) == 0)
        text += 6;
    while (*text != '\0' && !isspace((unsigned char)*text)) {
        uint32_t first, last;
        int err = cpulist_number(&text, &first);
        last = first;
        if (!err && *text == '-') {
            text++;
            err = cpulist_number(&text, &last);
        }
        if (err)
            return err;
        if (last < first || (*text != ',' && *text != '\0' && !isspace((unsigned char)*text)))
            return ERR_MALFORMED;
        for (uint32_t cpu = first; cpu <= last; cpu++)
            cpulist_add(&list, cpu);
        text += *text == ',';
    }
    if (text[strspn(text, " \t\n")] != '\0')
        return ERR_MALFORMED;
    *to = list;
    return 0;
}

int cpulist_parse_mask(const char *text, struct cpulist *to)
{
    struct cpulist list = {0};
    uint32_t digit = 0;
    size_t size = strcspn(text, " \t\n");

    if (size == 0)
        return ERR_MALFORMED;
    for (size_t i = size; i-- > 0;) {
        char c = (char)tolower((unsigned char)text[i]);
        if (c == ',')
            continue;
        if (!isxdigit((unsigned char)c))
            return ERR_MALFORMED;
        uint32_t value = (uint32_t)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
        if (digit * 4 >= CPULIST_MAX && value != 0)
            return ERR_RANGE;
        for (uint32_t bit = 0; bit < 4; bit++)
            if (value >> bit & 1)
                cpulist_add(&list, digit * 4 + bit);
        digit++;
    }
    *to = list;
    return 0;
}

const char *cpulist_print(const struct cpulist *list, char *out, size_t size)
{
    size_t used = 0;

    snprintf(out, size, "none");
    for (uint32_t first = cpulist_next(list, 0); first < CPULIST_MAX && used < size;) {
        uint32_t last = first;
        while (cpulist_has(list, last + 1))
            last++;
        int n = first == last
                    ? snprintf(out + used, size - used, "%s%u", used ? "," : "", first)
                    : snprintf(out + used, size - used, "%s%u-%u", used ? "," : "", first, last);
        used += (size_t)n;
        first = cpulist_next(list, last + 1);
    }
    return out;
}

const char *cpulist_print_mask(const struct cpulist *list, char *out, size_t size)
{
    uint32_t top = CPULIST_MAX / 32;
    size_t used = 0;

    while (top > 1 && (uint32_t)(list->words[(top - 1) / 2] >> ((top - 1) % 2 * 32)) == 0)
        top--;
    for (uint32_t i = top; i-- > 0 && used < size;)
        used += (size_t)snprintf(out + used, size - used, "%s%08x", used ? "," : "",
                                 (uint32_t)(list->words[i / 2] >> (i % 2 * 32)));
    return out;
}

struct cpulist cpulist_and(const struct cpulist *a, const struct cpulist *b)
{
    struct cpulist result;
    for (uint32_t i = 0; i < CPULIST_WORDS; i++)
        result.words[i] = a->words[i] & b->words[i];
    return result;
}

struct cpulist cpulist_or(const struct cpulist *a, const struct cpulist *b)
{
    struct cpulist result;
    for (uint32_t i = 0; i < CPULIST_WORDS; i++)
        result.words[i] = a->words[i] | b->words[i];
    return result;
}

struct cpulist cpulist_without(const struct cpulist *a, const struct cpulist *b)
{
    struct cpulist result;
    for (uint32_t i = 0; i < CPULIST_WORDS; i++)
        result.words[i] = a->words[i] & ~b->words[i];
    return result;
}
