#include "tools/takt/sh.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

static void sh_print_time(const char *name, int64_t ms)
{
    char text[64] = "never";
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (ms != 0 && gmtime_r(&s, &tm) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    if (ms != 0)
        printf("%-15s %s.%03d UTC\n", name, text, (int)(ms % 1000));
    else
        printf("%-15s %s\n", name, text);
}

void sh_print_stat(struct sh *sh, const struct zk_stat *stat)
{
    if (sh->as_json) {
        struct json *json = &sh->json;
        json_open(json, "stat", '{');
        json_hex(json, "czxid", (uint64_t)stat->czxid);
        json_hex(json, "mzxid", (uint64_t)stat->mzxid);
        json_hex(json, "pzxid", (uint64_t)stat->pzxid);
        json_int(json, "ctime_ms", stat->ctime_ms);
        json_int(json, "mtime_ms", stat->mtime_ms);
        json_int(json, "version", stat->version);
        json_int(json, "cversion", stat->cversion);
        json_int(json, "aversion", stat->aversion);
        json_hex(json, "ephemeral_owner", (uint64_t)stat->ephemeral_owner);
        json_int(json, "data_length", stat->data_length);
        json_int(json, "num_children", stat->num_children);
        json_close(json, '}');
        return;
    }
    printf("%-15s 0x%" PRIx64 "\n", "czxid", stat->czxid);
    sh_print_time("ctime", stat->ctime_ms);
    printf("%-15s 0x%" PRIx64 "\n", "mzxid", stat->mzxid);
    sh_print_time("mtime", stat->mtime_ms);
    printf("%-15s 0x%" PRIx64 "\n", "pzxid", stat->pzxid);
    printf("%-15s %d\n%-15s %d\n%-15s %d\n", "version", stat->version, "cversion", stat->cversion,
           "aversion", stat->aversion);
    printf("%-15s 0x%" PRIx64 "\n", "ephemeralOwner", stat->ephemeral_owner);
    printf("%-15s %d\n%-15s %d\n", "dataLength", stat->data_length, "numChildren",
           stat->num_children);
}

void sh_print_data(struct sh *sh, struct bytes data)
{
    if (data.size < 0) {
        if (sh->interactive)
            fputs("(null)", stdout);
    } else if (!isatty(STDOUT_FILENO)) {
        fwrite(data.at, 1, (size_t)data.size, stdout);
    } else {
        bool utf8 = json_is_utf8(data.at, (size_t)data.size);
        for (int32_t i = 0; i < data.size; i++) {
            uint8_t c = data.at[i];
            if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f || (c >= 0x80 && !utf8))
                printf("\\x%02x", c);
            else
                putchar(c);
        }
    }
    putchar('\n');
}
