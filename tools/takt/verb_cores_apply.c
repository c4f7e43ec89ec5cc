/* takt cores apply, check, undo: the configuration and the running system. */
#include "tools/host/yamledit.h"
#include "tools/takt/json.h"
#include "tools/takt/verb_cores.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERB_CORES_PATH 1100

static struct stage_list verb_cores_list; /* 1.5 MB */

static const char *const verb_cores_keys[] = {
    "roles.layout",    "roles.nets",       "roles.cpus.net",  "roles.cpus.core",
    "roles.cpus.disk", "roles.cpus.apply", "roles.cpus.snap", "roles.cpus.ctl"};

#define VERB_CORES_KEYS (sizeof(verb_cores_keys) / sizeof(verb_cores_keys[0]))

static void verb_cores_journal(const struct verb_cores *cores, char out[VERB_CORES_PATH])
{
    if (cores->journal)
        snprintf(out, VERB_CORES_PATH, "%s", cores->journal);
    else
        snprintf(out, VERB_CORES_PATH, "%s.cores-journal",
                 cores->where.config ? cores->where.config : "takt");
}

/* ---- the configuration ------------------------------------------------------------------------
 */

static void verb_cores_value(const struct config *config, const char *key, char *out, size_t size)
{
    const struct config_setting *setting = config_table_find(key);
    char plain[256];

    config_value_print(config, setting, plain, sizeof(plain));
    snprintf(out, size, setting->type == CONFIG_CPUS ? "[%s]" : "%s", plain);
}

/* What the plan wants otherwise than the configuration has it; returns how many keys. */
static uint32_t verb_cores_differ(const struct verb_cores *cores, struct config *wanted,
                                  bool differs[VERB_CORES_KEYS])
{
    uint32_t count = 0;
    char a[300], b[300];

    *wanted = cores->config;
    plan_config(&cores->plan, wanted);
    for (size_t i = 0; i < VERB_CORES_KEYS; i++) {
        verb_cores_value(&cores->config, verb_cores_keys[i], a, sizeof(a));
        verb_cores_value(wanted, verb_cores_keys[i], b, sizeof(b));
        differs[i] = strcmp(a, b) != 0;
        count += differs[i];
    }
    return count;
}

static int verb_cores_save(const char *path, const char *text, struct fault *fault)
{
    char next[VERB_CORES_PATH];
    size_t size = strlen(text);

    snprintf(next, sizeof(next), "%s.new", path);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool fine = fd >= 0 && write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    if (fd >= 0)
        fine = close(fd) == 0 && fine;
    if (!fine || rename(next, path) != 0)
        return fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
    return 0;
}

/* The file's text with the plan in it, parsed again to be sure that it says so. */
static int verb_cores_edited(struct verb_cores *cores, const struct config *wanted, char **out,
                             struct fault *fault)
{
    static struct config again;
    struct sysroot here = {""};
    char *text = sysroot_all(&here, "%s", cores->where.config), value[300];
    int err = text ? 0 : fault_set(fault, ERR_IO, "%s cannot be read", cores->where.config);

    for (size_t i = 0; !err && i < VERB_CORES_KEYS; i++) {
        char *next = NULL;
        verb_cores_value(wanted, verb_cores_keys[i], value, sizeof(value));
        err = yamledit_set(text, verb_cores_keys[i], value, &next, fault);
        if (!err) {
            free(text);
            text = next;
        }
    }
    char probe[VERB_CORES_PATH];
    snprintf(probe, sizeof(probe), "%s.probe.yaml", cores->where.config);
    if (!err)
        err = verb_cores_save(probe, text, fault);
    if (!err) {
        config_init(&again);
        err = config_load(&again, probe, fault);
    }
    if (!err && !*cores->where.root) /* of another machine's picture this one cannot judge */
        err = config_check(&again, fault);
    unlink(probe);
    for (size_t i = 0; !err && i < VERB_CORES_KEYS; i++) {
        char got[300];
        verb_cores_value(wanted, verb_cores_keys[i], value, sizeof(value));
        verb_cores_value(&again, verb_cores_keys[i], got, sizeof(got));
        if (strcmp(got, value) != 0)
            err = fault_set(fault, ERR_UNSUPPORTED,
                            "%s cannot be changed in %s by this program: "
                            "write %s: %s there by hand",
                            verb_cores_keys[i], cores->where.config, verb_cores_keys[i], value);
    }
    if (err)
        free(text);
    else
        *out = text;
    return err;
}

/* The file as it was goes beside it, and stays until undo. */
static int verb_cores_configure(struct verb_cores *cores, const struct config *wanted,
                                struct fault *fault)
{
    char before[VERB_CORES_PATH], *text = NULL, *old;
    struct sysroot here = {""};

    snprintf(before, sizeof(before), "%s.before-cores", cores->where.config);
    if (cores->config.file_is_zoo)
        return fault_set(fault, ERR_UNSUPPORTED,
                         "%s is a zoo.cfg, which has no such settings; "
                         "give taktd a takt.yaml, or --set",
                         cores->where.config);
    if (access(before, F_OK) == 0)
        return fault_set(fault, ERR_EXISTS, "%s exists: takt cores undo first", before);
    int err = verb_cores_edited(cores, wanted, &text, fault);
    old = err ? NULL : sysroot_all(&here, "%s", cores->where.config);
    if (!err && old == NULL)
        err = fault_set(fault, ERR_IO, "%s cannot be read", cores->where.config);
    if (!err)
        err = verb_cores_save(before, old, fault);
    if (!err)
        err = verb_cores_save(cores->where.config, text, fault);
    free(text);
    free(old);
    return err;
}

/* ---- what is said ------------------------------------------------------------------------------
 */

static void verb_cores_say_config(const struct verb_cores *cores, const struct config *wanted,
                                  const bool differs[VERB_CORES_KEYS], uint32_t count,
                                  const char *did)
{
    char a[300], b[300];

    printf("%sconfiguration%s %s: %u setting%s from the plan%s\n", verb_tint(stdout, "1"),
           verb_tint(stdout, "0"), cores->where.config ? cores->where.config : "(none given)",
           count, count == 1 ? " differs" : "s differ", count ? did : "");
    for (size_t i = 0; i < VERB_CORES_KEYS; i++) {
        if (!differs[i])
            continue;
        verb_cores_value(&cores->config, verb_cores_keys[i], a, sizeof(a));
        verb_cores_value(wanted, verb_cores_keys[i], b, sizeof(b));
        printf("    %-17s %s -> %s\n", verb_cores_keys[i], a, b);
    }
}

static uint32_t verb_cores_say_stages(const struct stage_list *list, const char *verb)
{
    uint32_t failed = 0;

    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        printf("%s%s%s %s: %s\n    why: %s\n", verb_tint(stdout, "1"), stage_texts[stage].name,
               verb_tint(stdout, "0"), stage_texts[stage].title,
               *list->found[stage] ? list->found[stage] : verb, stage_texts[stage].why);
        for (uint32_t i = 0; i < list->count; i++) {
            const struct stage_edit *edit = &list->edits[i];
            if (edit->stage != (enum stage_kind)stage)
                continue;
            failed += edit->os_error != 0;
            if (edit->kind == STAGE_KEPT) {
                printf("    left  %s: %s; the kernel moves it for nobody (isolcpus=managed_irq at "
                       "boot keeps queues away)\n",
                       edit->path, edit->before);
                continue;
            }
            printf("    %s %s: %s -> %s%s%s\n", edit->os_error ? "FAILED" : verb, edit->path,
                   edit->before, edit->kind == STAGE_MKDIR ? "made" : edit->after,
                   edit->os_error ? ": " : "", edit->os_error ? strerror(edit->os_error) : "");
        }
    }
    return failed;
}

static void verb_cores_say_boot(const struct verb_cores *cores)
{
    char line[512];
    plan_boot_line(&cores->plan, line, sizeof(line));
    printf("%sboot line%s what no running system can change: full dynticks, RCU callbacks, managed "
           "interrupts.\n    append, and boot: %s\n",
           verb_tint(stdout, "1"), verb_tint(stdout, "0"), line);
}

static void verb_cores_json(const struct verb_cores *cores, uint32_t config_count,
                            const struct config *wanted, const bool differs[VERB_CORES_KEYS],
                            const struct stage_list *list, bool done)
{
    struct json json;
    char a[512], b[300];

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_bool(&json, "as_planned", config_count == 0 && list->count == 0);
    json_bool(&json, "done", done);
    json_open(&json, "configuration", '[');
    for (size_t i = 0; i < VERB_CORES_KEYS; i++) {
        if (!differs[i])
            continue;
        verb_cores_value(&cores->config, verb_cores_keys[i], a, sizeof(a));
        verb_cores_value(wanted, verb_cores_keys[i], b, sizeof(b));
        json_open(&json, NULL, '{');
        json_text(&json, "key", verb_cores_keys[i]);
        json_text(&json, "before", a);
        json_text(&json, "after", b);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_open(&json, "system", '[');
    for (uint32_t i = 0; i < list->count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "stage", stage_texts[list->edits[i].stage].name);
        json_text(&json, "path", list->edits[i].path);
        json_text(&json, "before", list->edits[i].before);
        json_text(&json, "after", list->edits[i].after);
        json_text(&json, "error",
                  list->edits[i].os_error ? strerror(list->edits[i].os_error) : NULL);
        json_bool(&json, "kept", list->edits[i].kind == STAGE_KEPT);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    plan_boot_line(&cores->plan, a, sizeof(a));
    json_text(&json, "boot_line", a);
    json_close(&json, '}');
    json_line(&json);
}

static int verb_cores_fails(const struct fault *fault)
{
    fprintf(stderr, "takt: %s\n", fault->text);
    return VERB_FAILED;
}

/* ---- the words ---------------------------------------------------------------------------------
 */

int verb_cores_check(struct verb_cores *cores)
{
    struct stage_list *list = &verb_cores_list;
    static struct config wanted;
    bool differs[VERB_CORES_KEYS] = {false};
    char journal[VERB_CORES_PATH];
    struct fault fault;
    uint32_t count = cores->where.config ? verb_cores_differ(cores, &wanted, differs) : 0;

    list->count = 0;
    if (cores->system && stage_make(&cores->host, &cores->plan, list, &fault) != 0)
        return verb_cores_fails(&fault);
    verb_cores_journal(cores, journal);
    uint32_t kept = stage_forget_kept(list, journal);
    if (kept)
        snprintf(list->found[STAGE_IRQ], STAGE_TEXT_SIZE,
                 "%u interrupts are the kernel's own and stay (%.200s)", kept, journal);
    if (cores->where.config == NULL && !cores->system)
        return verb_usage(&verb_cores_page, "check what? --config FILE, --system, or both");
    if (cores->as_json) {
        verb_cores_json(cores, count, &wanted, differs, list, false);
    } else {
        if (cores->where.config)
            verb_cores_say_config(cores, &wanted, differs, count, "");
        if (cores->system)
            verb_cores_say_stages(list, "differs");
        printf("%s\n", count || list->count ? "not as planned: takt cores apply" : "as planned");
    }
    return count || list->count ? VERB_FAILED : VERB_OK;
}

int verb_cores_apply(struct verb_cores *cores)
{
    struct stage_list *list = &verb_cores_list;
    static struct config wanted;
    bool differs[VERB_CORES_KEYS] = {false};
    char journal[VERB_CORES_PATH];
    struct fault fault;
    uint32_t count = 0, failed = 0;
    int err = 0;

    if (cores->where.config == NULL && !cores->system)
        return verb_usage(&verb_cores_page, "apply to what? --config FILE, --system, or both");
    verb_cores_journal(cores, journal);
    list->count = 0;
    if (cores->where.config)
        count = verb_cores_differ(cores, &wanted, differs);
    if (cores->system)
        err = stage_make(&cores->host, &cores->plan, list, &fault);
    if (!err && !cores->dry_run && count)
        err = verb_cores_configure(cores, &wanted, &fault);
    if (!err && !cores->dry_run)
        err = stage_apply(&cores->host.root, list, journal, &fault);
    if (err)
        return verb_cores_fails(&fault);
    for (uint32_t i = 0; i < list->count; i++)
        failed += list->edits[i].os_error != 0;
    if (cores->as_json) {
        verb_cores_json(cores, count, &wanted, differs, list, !cores->dry_run);
        return failed ? VERB_FAILED : VERB_OK;
    }
    if (cores->where.config)
        verb_cores_say_config(cores, &wanted, differs, count,
                              cores->dry_run ? "; would be written" : "; written");
    if (cores->system) {
        verb_cores_say_stages(list, cores->dry_run ? "would write" : "wrote");
        verb_cores_say_boot(cores);
    }
    if (!cores->dry_run && (count || list->count))
        printf("takt cores undo puts it all back; a running node keeps its cpus until it is "
               "restarted\n");
    return failed ? VERB_FAILED : VERB_OK;
}

int verb_cores_undo(struct verb_cores *cores)
{
    struct stage_list *list = &verb_cores_list;
    char journal[VERB_CORES_PATH], before[VERB_CORES_PATH] = "";
    struct fault fault;
    bool found = false;

    verb_cores_journal(cores, journal);
    if (cores->where.config)
        snprintf(before, sizeof(before), "%s.before-cores", cores->where.config);
    if (*before && access(before, F_OK) == 0) {
        if (rename(before, cores->where.config) != 0) {
            fprintf(stderr, "takt: %s: %s\n", before, strerror(errno));
            return VERB_FAILED;
        }
        printf("configuration %s is again as it was before apply\n", cores->where.config);
        found = true;
    }
    if (access(journal, F_OK) == 0) {
        int err = stage_undo(&cores->host.root, list, journal, &fault);
        for (uint32_t i = list->count; i-- > 0;)
            printf("%s %s: %s\n",
                   list->edits[i].os_error             ? "FAILED"
                   : list->edits[i].kind == STAGE_KEPT ? "left"
                                                       : "undid",
                   list->edits[i].path,
                   list->edits[i].os_error ? strerror(list->edits[i].os_error)
                                           : list->edits[i].before);
        if (err)
            return verb_cores_fails(&fault);
        found = true;
    }
    if (!found) {
        fprintf(stderr, "takt: neither %s nor %s is there: nothing to undo\n", journal,
                *before ? before : "a changed configuration (--config)");
        return VERB_FAILED;
    }
    return VERB_OK;
}
