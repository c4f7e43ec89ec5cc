#include "tools/taktd/config.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void config_set_origin(struct config *config, const struct config_setting *setting,
                       enum config_from from, uint32_t line)
{
    size_t index = (size_t)(setting - config_table);

    CHECK(index < config_table_count);
    config->origins[index].from = (uint16_t)from;
    config->origins[index].line = (uint16_t)(line < UINT16_MAX ? line : UINT16_MAX);
}

/* ZooKeeper's server.<id> = ...; a later line for the same id replaces the earlier one. */
static int config_set_server(struct config *config, const char *id_text, const char *value,
                             struct fault *fault)
{
    struct membership_server server;
    char *end;
    unsigned long id = strtoul(id_text, &end, 10);

    if (end == id_text || *end || id > MEMBERSHIP_ID_MAX)
        id = 0;
    int err = membership_server_parse(&server, (uint32_t)id, value, fault);
    if (err)
        return err;
    if (membership_add(&config->servers, &server) != 0)
        return fault_set(fault, ERR_CONFIG, "more than %d servers", MEMBERSHIP_MAX);
    return 0;
}

/* clientPort and clientPortAddress each change their half of every listening address. */
static int config_set_client(struct config *config, bool is_port, const char *value,
                             struct fault *fault)
{
    char text[256];
    struct address at;

    snprintf(text, sizeof(text), strchr(value, ':') && !is_port ? "[%s]:%s" : "%s:%s",
             is_port ? "" : value, is_port ? value : "1");
    int err = config_value_address(&at, text, NULL);
    if (err)
        return fault_set(fault, err,
                         is_port ? "'%s' is not a port, 1 to 65535"
                                 : "'%s' is not an IP address (names are not looked up; "
                                   "localhost is known)",
                         value);
    for (uint32_t i = 0; i < config->listen.count; i++) {
        if (is_port)
            config->listen.at[i].port = at.port;
        else
            memcpy(config->listen.at[i].ip, at.ip, sizeof(at.ip));
    }
    if (!is_port)
        config->listen.count = 1;
    return 0;
}

/* Names of ZooKeeper that are not one setting of ours. Returns ERR_NOTFOUND for all others. */
static int config_set_special(struct config *config, const char *name, const char *value,
                              const struct config_setting **setting, struct fault *fault)
{
    *setting = NULL;
    if (strncmp(name, "server.", 7) == 0) {
        *setting = config_table_find("servers");
        return config_set_server(config, name + 7, value, fault);
    }
    if (strcmp(name, "clientPort") == 0 || strcmp(name, "clientPortAddress") == 0) {
        *setting = config_table_find("listen");
        return config_set_client(config, name[10] == '\0', value, fault);
    }
    if (strcmp(name, "DigestAuthenticationProvider.digestAlg") == 0)
        return strcasecmp(value, "SHA1") == 0 || strcasecmp(value, "SHA-1") == 0
                   ? 0
                   : fault_set(fault, ERR_CONFIG, "'%.32s' is not in this version; SHA1 is", value);
    if (strcmp(name, "sessionRequireClientSASLAuth") == 0 && strcasecmp(value, "true") == 0)
        return fault_set(fault, ERR_CONFIG,
                         "SASL is not in this version, so no client could ever "
                         "be let in; auth.enforce with auth.schemes digest is");
    return ERR_NOTFOUND;
}

static int config_set_unknown(const char *key, struct fault *fault)
{
    const char *why = config_table_zk_why(key), *near = config_table_near(key);

    if (why)
        return fault_set(fault, ERR_NOTFOUND, "%s: has no effect in takt (%s)", key, why);
    if (near)
        return fault_set(fault, ERR_NOTFOUND, "%.80s: no such setting; did you mean %s?", key,
                         near);
    return fault_set(fault, ERR_NOTFOUND, "%.80s: no such setting; --help-config lists all", key);
}

int config_set(struct config *config, const char *key, const char *value, enum config_from from,
               uint32_t line, struct fault *fault)
{
    const struct config_setting *setting = config_table_find(key);
    uint32_t scale = 1;
    int err;

    if (!setting && (setting = config_table_zk_find(key))) {
        scale = setting->zk_scale ? setting->zk_scale : 1;
        if (strcmp(value, "-1") == 0) /* how ZooKeeper writes "the default" */
            value = setting->fallback;
    }
    if (setting) {
        err = config_value_parse(config, setting, value, scale, fault);
    } else {
        err = config_set_special(config, strncmp(key, "zookeeper.", 10) ? key : key + 10, value,
                                 &setting, fault);
        if (err == ERR_NOTFOUND)
            return config_set_unknown(key, fault);
    }
    if (err)
        return fault_wrap(fault, err, "%s", key);
    if (setting)
        config_set_origin(config, setting, from, line);
    return 0;
}

int config_set_pair(struct config *config, const char *pair, struct fault *fault)
{
    const char *equals = strchr(pair, '=');
    char key[128] = "";

    if (!equals || equals == pair || (size_t)(equals - pair) >= sizeof(key))
        return fault_set(fault, ERR_CONFIG, "--set %s: it is written --set key=value", pair);
    memcpy(key, pair, (size_t)(equals - pair));
    int err = config_set(config, key, equals + 1, CONFIG_FROM_SET, 0, fault);
    return err ? fault_wrap(fault, ERR_CONFIG, "--set") : 0;
}
