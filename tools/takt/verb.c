#include "tools/takt/verb.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *verb_tint(FILE *to, const char *code)
{
    static char room[4][16];
    static unsigned next;
    if (!isatty(fileno(to)) || getenv("NO_COLOR") != NULL)
        return "";
    char *into = room[next++ % 4];
    snprintf(into, sizeof(room[0]), "\033[%sm", code);
    return into;
}

int verb_usage(const struct verb_page *page, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("takt: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: %s\n(--help explains)\n", page->usage);
    return VERB_USAGE;
}

static void verb_help(const struct verb_page *page, const struct opts_item *items)
{
    printf("%susage:%s %s\n\n%s\n", verb_tint(stdout, "1"), verb_tint(stdout, "0"), page->usage,
           page->about);
    if (items[0].name != NULL) {
        printf("\n%soptions:%s\n", verb_tint(stdout, "1"), verb_tint(stdout, "0"));
        opts_help(items, stdout);
    }
    printf("\n%sexamples:%s\n%s", verb_tint(stdout, "1"), verb_tint(stdout, "0"), page->examples);
}

int verb_begin(const struct verb_page *page, const struct opts_item *items, int argc, char **argv,
               int *rest_count)
{
    struct fault fault;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            verb_help(page, items);
            return VERB_OK;
        }
    }
    if (opts_parse(items, argc - 1, argv + 1, rest_count, &fault) != 0)
        return verb_usage(page, "%s", fault.text);
    return VERB_GO_ON;
}
