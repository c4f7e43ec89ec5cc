#include "tools/host/yamledit.h"

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YAMLEDIT_DEEP 8
#define YAMLEDIT_KEY  64

struct yamledit_line {
    const char *at;
    size_t size; /* without the newline */
    size_t indent;
    bool talk; /* blank, or a comment */
    bool item; /* "- ..." */
};

/* How far of the key's way exists, and where the text is to change. */
struct yamledit_find {
    const char *parts[YAMLEDIT_DEEP];
    uint32_t count;
    uint32_t found;        /* parts that exist */
    size_t indent;         /* of the last that exists */
    size_t child_indent;   /* of its children; 0: none seen */
    const char *from, *to; /* found all: the lines to replace; else from: where to insert */
    bool braces;           /* the last that exists has a value on its own line */
};

static const char *yamledit_next(const char *at, struct yamledit_line *line)
{
    if (*at == '\0')
        return NULL;
    line->at = at;
    line->size = strcspn(at, "\n");
    line->indent = strspn(at, " ");
    if (line->indent > line->size)
        line->indent = line->size;
    const char *first = at + line->indent;
    line->talk = line->indent == line->size || *first == '#';
    line->item = *first == '-' && (first[1] == ' ' || first[1] == '\n' || first[1] == '\0');
    return at + line->size + (at[line->size] == '\n');
}

static bool yamledit_is(const struct yamledit_line *line, const char *part)
{
    size_t n = strlen(part);
    const char *at = line->at + line->indent;
    return line->indent + n < line->size && strncmp(at, part, n) == 0 && at[n] == ':';
}

/* A value behind the colon, other than a comment. */
static bool yamledit_has_value(const struct yamledit_line *line)
{
    const char *at = memchr(line->at, ':', line->size), *end = line->at + line->size;
    for (at++; at < end && *at == ' '; at++)
        ;
    return at < end && *at != '#';
}

static void yamledit_search(const char *text, struct yamledit_find *find)
{
    struct yamledit_line line;
    bool inside = true; /* of the last part that was found */

    find->from = text + strlen(text);
    for (const char *at = text, *next; (next = yamledit_next(at, &line)) != NULL; at = next) {
        if (line.talk)
            continue;
        bool below = find->found == 0 || line.indent > find->indent;
        if (find->found == find->count) { /* lines of the value that is replaced */
            if (!below && !(line.item && line.indent == find->indent))
                return;
            find->to = next;
            continue;
        }
        if (find->found > 0 && !below)
            inside = false;
        if (!inside)
            return;
        if (find->found > 0 && find->child_indent == 0)
            find->child_indent = line.indent;
        bool child = find->found == 0 ? line.indent == 0 : line.indent == find->child_indent;
        if (find->found > 0)
            find->from = next; /* the section's end so far */
        if (!child || !yamledit_is(&line, find->parts[find->found]))
            continue;
        find->found++;
        find->indent = line.indent;
        find->child_indent = 0;
        find->braces = yamledit_has_value(&line);
        find->from = find->found == find->count ? at : next;
        find->to = next;
    }
}

/* The new lines: the parts that are missing, each a step further in. */
static void yamledit_lines(const struct yamledit_find *find, const char *value, FILE *to)
{
    size_t indent = find->found == 0 ? 0 : find->indent + 2;

    if (find->found == find->count) {
        fprintf(to, "%*s%s: %s\n", (int)find->indent, "", find->parts[find->count - 1], value);
        return;
    }
    if (find->child_indent > 0)
        indent = find->child_indent;
    for (uint32_t i = find->found; i < find->count; i++, indent += 2)
        fprintf(to, "%*s%s:%s%s\n", (int)indent, "", find->parts[i],
                i + 1 == find->count ? " " : "", i + 1 == find->count ? value : "");
}

int yamledit_set(const char *text, const char *key, const char *value, char **out,
                 struct fault *fault)
{
    struct yamledit_find find = {0};
    char parts[YAMLEDIT_DEEP * YAMLEDIT_KEY], *next = NULL, *made = NULL;
    size_t size = 0;

    CHECK(strlen(key) < sizeof(parts));
    strcpy(parts, key);
    for (char *part = strtok_r(parts, ".", &next); part; part = strtok_r(NULL, ".", &next)) {
        CHECK(find.count < YAMLEDIT_DEEP);
        find.parts[find.count++] = part;
    }
    yamledit_search(text, &find);
    if (find.found > 0 && find.found < find.count && find.braces)
        return fault_set(fault, ERR_UNSUPPORTED,
                         "%s is written on one line; put its keys on lines of their own",
                         find.parts[find.found - 1]);
    FILE *to = open_memstream(&made, &size);
    if (to == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory");
    fwrite(text, 1, (size_t)(find.from - text), to);
    if (find.from > text && find.from[-1] != '\n')
        fputc('\n', to);
    yamledit_lines(&find, value, to);
    fputs(find.found == find.count ? find.to : find.from, to);
    if (fclose(to) != 0) {
        free(made);
        return fault_set(fault, ERR_NOMEM, "no memory");
    }
    *out = made;
    return 0;
}
