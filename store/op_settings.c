/* The settings that travel in the log with the first entry of each term (base/messages.h). */
#include "store/op.h"

#include "base/check.h"
#include "base/limits.h"

#include <string.h>

static uint32_t flag(bool set, uint32_t bit)
{
    return set ? bit : 0;
}

struct command_settings op_settings_of(const struct machine *m)
{
    const struct machine_config *c = &m->config;
    CHECK(c->session_count_max > 0);
    return (struct command_settings){
        .version = COMMAND_SETTINGS_VERSION,
        .flags = flag(c->extended_types, COMMAND_SETTINGS_EXTENDED_TYPES) |
                 flag(c->enforce_quota, COMMAND_SETTINGS_ENFORCE_QUOTA) |
                 flag(c->skip_acl, COMMAND_SETTINGS_SKIP_ACL) |
                 flag(c->reconfig_enabled, COMMAND_SETTINGS_RECONFIG) |
                 flag(c->standalone, COMMAND_SETTINGS_STANDALONE),
        .memory_limit = c->memory_limit,
        .container_unused_ms = c->container_unused_ms,
        .session_count_max = c->session_count_max,
    };
}

/* memory_limit 0: the tree keeps the one it was made with. */
void op_settings_take(struct machine *m, const struct command_settings *settings)
{
    struct machine_config *c = &m->config;
    CHECK(settings->version == COMMAND_SETTINGS_VERSION);
    CHECK(settings->session_count_max > 0);
    c->extended_types = settings->flags & COMMAND_SETTINGS_EXTENDED_TYPES;
    c->enforce_quota = settings->flags & COMMAND_SETTINGS_ENFORCE_QUOTA;
    c->skip_acl = settings->flags & COMMAND_SETTINGS_SKIP_ACL;
    c->reconfig_enabled = settings->flags & COMMAND_SETTINGS_RECONFIG;
    c->standalone = settings->flags & COMMAND_SETTINGS_STANDALONE;
    c->container_unused_ms = settings->container_unused_ms;
    c->session_count_max = settings->session_count_max;
    c->memory_limit = settings->memory_limit;
    m->sessions.count_max = settings->session_count_max;
    acl_skip_set(m->acls, c->skip_acl);
    if (c->memory_limit)
        tree_limit_set(m->tree, c->memory_limit);
}

void op_settings_apply(struct op *op, const uint8_t *body)
{
    struct command_settings settings;
    uint32_t size = op->command->body_size;
    CHECK(size == 0 || size == sizeof settings);
    op_config_remind(op);
    if (size == 0)
        return;
    memcpy(&settings, body, sizeof settings);
    op_settings_take(op->m, &settings);
    op_hash(op, &settings, sizeof settings);
}
