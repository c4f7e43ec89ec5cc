#include "base/messages.h"
#include "base/zk.h"
#include "consensus/disk_posix.h"
#include "consensus/wal_inspect.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct verb_page verb_log_page = {
    .usage = "takt log inspect|verify DIR [--entries] [-o table|json]",
    .about =
        "Reads the log in a node's data directory, without changing it. Stop the node first:\n"
        "a write under way looks like one that did not finish.\n"
        "Both read and check everything (checksums, order, the chain). inspect lists the\n"
        "segments, and with --entries every entry; verify only says what is damaged and where.",
    .examples = "  takt log verify /var/lib/takt\n"
                "  takt log inspect /var/lib/takt --entries | tail\n"
                "  takt log inspect /var/lib/takt -o json\n",
};

struct verb_log_print {
    bool as_json, verify, entries;
    struct json json;
};

static const char *command_name(const struct command *command)
{
    static const char *const kinds[] = {"noop",   "request", "open",  "attach", "auth",
                                        "expire", "reap",    "touch", "query",  "config",
                                        "cancel"};
    if (command->kind == COMMAND_REQUEST && zk_op_name(command->op))
        return zk_op_name(command->op);
    return command->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[command->kind] : "?";
}

static void print_entry_json(struct json *json, const struct log_record *record,
                             const struct command *command)
{
    json_open(json, NULL, '{');
    json_int(json, "index", (int64_t)record->index);
    json_int(json, "term", (int64_t)record->term);
    json_int(json, "size", record->size);
    json_text(json, "command", command ? command_name(command) : NULL);
    if (command) {
        json_hex(json, "session", (uint64_t)command->session);
        json_int(json, "sequence", (int64_t)command->sequence);
        json_int(json, "time_ms", command->time_ms);
        json_int(json, "node", command->node);
        json_int(json, "lane", (int64_t)command->lane);
    }
    json_close(json, '}');
    json_line(json);
}

static void print_entry(void *self, const struct log_record *record)
{
    struct verb_log_print *print = self;
    const struct command *command =
        record->size >= sizeof(*command) ? (const struct command *)(record + 1) : NULL;
    if (print->as_json) {
        print_entry_json(&print->json, record, command);
        return;
    }
    printf("%12" PRIu64 "  term %-6" PRIu64 " %7u B  ", record->index, record->term, record->size);
    if (command)
        printf("%-16s session 0x%" PRIx64 "  time %" PRId64 "\n", command_name(command),
               (uint64_t)command->session, command->time_ms);
    else
        printf("too short for a command\n");
}

static void print_segment_json(struct json *json, const struct wal_inspect_segment *segment)
{
    json_open(json, NULL, '{');
    json_text(json, "segment", segment->name);
    json_text(json, "state", wal_inspect_state_name(segment->state));
    json_int(json, "size", (int64_t)segment->size);
    json_int(json, "used", (int64_t)segment->used_size);
    json_int(json, "torn", (int64_t)segment->torn_size);
    json_int(json, "block_size", segment->header.block_size);
    json_int(json, "first_index", (int64_t)segment->header.first_index);
    json_int(json, "last_index", (int64_t)segment->last.index);
    json_int(json, "last_term", (int64_t)segment->last.term);
    json_int(json, "entries", (int64_t)segment->entry_count);
    json_int(json, "batches", (int64_t)segment->batch_count);
    json_text(json, "problem", segment->fault.text[0] ? segment->fault.text : NULL);
    json_close(json, '}');
    json_line(json);
}

static void print_segment(void *self, const struct wal_inspect_segment *segment)
{
    struct verb_log_print *print = self;
    bool bad = segment->state == WAL_INSPECT_BAD;
    if (print->as_json) {
        print_segment_json(&print->json, segment);
        return;
    }
    if (print->verify && !bad && segment->state != WAL_INSPECT_TORN)
        return;
    printf("%-22s %s%-7s%s %12" PRIu64 " %12" PRIu64 " %9" PRIu64 " %9" PRIu64 " %11" PRIu64 "\n",
           segment->name, verb_tint(stdout, bad ? "1;31" : "32"),
           wal_inspect_state_name(segment->state), verb_tint(stdout, "0"),
           segment->header.first_index, segment->last.index, segment->entry_count,
           segment->batch_count, segment->used_size);
    if (segment->state == WAL_INSPECT_TORN)
        printf("    an unfinished write of %" PRIu64 " bytes is cut at the next start: %s\n",
               segment->torn_size, segment->fault.text);
    else if (bad)
        printf("    %s\n", segment->fault.text);
}

static void print_sum(struct verb_log_print *print, const char *dir, int err,
                      const struct wal_inspect_sum *sum)
{
    if (print->as_json) {
        json_open(&print->json, NULL, '{');
        json_text(&print->json, "directory", dir);
        json_bool(&print->json, "in_order", err == 0);
        json_int(&print->json, "segments", (int64_t)sum->segment_count);
        json_int(&print->json, "damaged", (int64_t)sum->bad_count);
        json_int(&print->json, "entries", (int64_t)sum->entry_count);
        json_int(&print->json, "first_index", (int64_t)sum->first_index);
        json_int(&print->json, "last_index", (int64_t)sum->last_index);
        json_int(&print->json, "torn", (int64_t)sum->torn_size);
        json_close(&print->json, '}');
        json_line(&print->json);
        return;
    }
    printf("%" PRIu64 " entries (%" PRIu64 " to %" PRIu64 ") in %" PRIu64 " segments: %s\n",
           sum->entry_count, sum->first_index, sum->last_index, sum->segment_count,
           err              ? "DAMAGED"
           : sum->torn_size ? "in order, but for the unfinished last write"
                            : "in order");
}

static int log_run(const char *dir, struct verb_log_print *print)
{
    struct disk_posix *disk = malloc(sizeof(*disk));
    struct disk_io io;
    struct fault fault;
    struct wal_inspect_sum sum;
    int err = disk ? disk_posix_init(disk, &io, dir, true, &fault)
                   : fault_set(&fault, ERR_NOMEM, "no memory");
    if (err) {
        fprintf(stderr, "takt: %s\n", fault.text);
        free(disk);
        return VERB_FAILED;
    }
    if (!print->as_json && !print->verify)
        printf("%s%-22s %-7s %12s %12s %9s %9s %11s%s\n", verb_tint(stdout, "1"), "segment",
               "state", "first", "last", "entries", "batches", "bytes", verb_tint(stdout, "0"));
    struct wal_inspect inspect = {.io = &io,
                                  .segment = print_segment,
                                  .entry = print->entries ? print_entry : NULL,
                                  .self = print};
    err = wal_inspect_run(&inspect, &sum, &fault);
    if (err && err != ERR_CORRUPT)
        fprintf(stderr, "takt: %s\n", fault.text);
    else
        print_sum(print, dir, err, &sum);
    disk_posix_fini(disk);
    free(disk);
    return err ? VERB_FAILED : VERB_OK;
}

int verb_log(int argc, char **argv)
{
    struct verb_log_print print = {0};
    const char *output = "table";
    int rest;
    const struct opts_item items[] = {
        {"entries", 'e', OPTS_FLAG, &print.entries, NULL, "every entry too"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table, or json: one value a line",
         .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_log_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    print.verify = rest > 0 && strcmp(argv[1], "verify") == 0;
    if (rest < 1 || (!print.verify && strcmp(argv[1], "inspect") != 0))
        return verb_usage(&verb_log_page, "\"inspect\" or \"verify\" is needed");
    if (rest != 2)
        return verb_usage(&verb_log_page, "one data directory is needed");
    print.as_json = strcmp(output, "json") == 0;
    json_init(&print.json, stdout);
    return log_run(argv[2], &print);
}
