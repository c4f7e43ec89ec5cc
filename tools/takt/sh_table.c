/* The shell's commands. One line each, in the order that help shows. */
#include "tools/takt/sh_multi.h"
#include "tools/takt/sh_quota.h"
#include "tools/takt/sh_read.h"
#include "tools/takt/sh_tree.h"
#include "tools/takt/sh_watch.h"
#include "tools/takt/sh_write.h"

#include <inttypes.h>

static int sh_table_help(struct sh *sh, const struct sh_args *args)
{
    const char *name = sh_args_text(args, 0);
    if (name == NULL) {
        for (const struct sh_command *c = sh_table; c->name != NULL; c++)
            printf("  %s\n", c->usage);
        printf(
            "\nCommands are separated by ; and # starts a comment. 'quote' or \"quote\\n\" words "
            "with blanks.\nhelp COMMAND says more.\n");
        return 0;
    }
    const struct sh_command *c = sh_find(name);
    if (c == NULL)
        return sh_complain(sh, ERR_NOTFOUND, "there is no command \"%s\"", name);
    printf("%s\n  %s\n", c->usage, c->help);
    if (c->also != NULL)
        printf("  also called %s\n", c->also);
    return 0;
}

static int sh_table_quit(struct sh *sh, const struct sh_args *args)
{
    (void)args;
    sh->quit = true;
    return 0;
}

static int sh_table_session(struct sh *sh, const struct sh_args *args)
{
    (void)args;
    if (sh_connect(sh) != 0)
        return ERR_IO;
    if (sh->as_json) {
        sh_json_begin(sh, NULL);
        json_text(&sh->json, "server", sh->client.server);
        json_hex(&sh->json, "session", (uint64_t)sh->client.session.id);
        json_int(&sh->json, "timeout_ms", sh->client.session.timeout_ms);
        json_hex(&sh->json, "last_zxid", (uint64_t)sh->client.last_zxid);
        sh_json_end(sh);
        return 0;
    }
    printf("server          %s\nsession         0x%" PRIx64
           "\ntimeout         %d ms\nlast zxid       "
           "0x%" PRIx64 "\n",
           sh->client.server, sh->client.session.id, sh->client.session.timeout_ms,
           sh->client.last_zxid);
    return 0;
}

const struct sh_command sh_table[] = {
    {"create", NULL, "secpt:", 1, 3, "create [-s] [-e] [-c] [-t TTL_MS] [-p] PATH [DATA] [ACL]",
     "-s adds a sequence number, -e makes it live with this session, -c a container (vanishes "
     "when\n"
     "  its last child goes), -t lets it vanish when unchanged for so long, -p makes missing "
     "parents.\n"
     "  ACL: scheme:id:perms,... such as world:anyone:r or auth::cdrwa. Prints the path.",
     sh_write_create, NULL},
    {"get", NULL, "sw", 1, 1, "get [-s] [-w] PATH",
     "prints the data; -s the Stat too, -w reports the next change", sh_read_get, NULL},
    {"set", NULL, "sv:", 2, 2, "set [-s] [-v VERSION] PATH DATA",
     "replaces the data; with -v only if the version is still that one", sh_write_set, NULL},
    {"ls", "ls1", "swR", 0, 1, "ls [-s] [-w] [-R] [PATH]",
     "lists the children; -s the Stat too, -w reports the next change, -R everything below",
     sh_read_ls, NULL},
    {"ls2", NULL, "w", 0, 1, "ls2 [-w] [PATH]", "lists the children and prints the Stat",
     sh_read_ls2, NULL},
    {"stat", "exists", "w", 1, 1, "stat [-w] PATH",
     "prints the Stat; -w reports the next change, also the creation of a znode that is missing",
     sh_read_stat, NULL},
    {"rm", "delete", "v:", 1, 1, "rm [-v VERSION] PATH", "deletes a znode without children",
     sh_write_rm, NULL},
    {"deleteall", "rmr", "", 1, 1, "deleteall PATH", "deletes a znode and all below it",
     sh_tree_delete, NULL},
    {"getAcl", NULL, "s", 1, 1, "getAcl [-s] PATH", "prints the ACL; -s the Stat too",
     sh_read_get_acl, NULL},
    {"setAcl", NULL, "sv:", 2, 2, "setAcl [-s] [-v AVERSION] PATH ACL",
     "replaces the ACL: scheme:id:perms,... with perms of cdrwa", sh_write_set_acl, NULL},
    {"addauth", NULL, "", 1, 2, "addauth SCHEME [AUTH]",
     "adds credentials to the connection, such as addauth digest bob:secret", sh_write_add_auth,
     NULL},
    {"sync", NULL, "", 0, 1, "sync [PATH]",
     "waits until this server has caught up: the next read is as fresh as can be", sh_read_sync,
     NULL},
    {"watch", "addWatch", "m:", 1, 1, "watch [-m persistent|recursive] PATH",
     "reports every change of the znode (and, recursive, of all below), until the session ends",
     sh_watch_add, NULL},
    {"unwatch", "removewatches", "m:", 1, 1,
     "unwatch [-m any|data|children|persistent|recursive] PATH", "removes watches of this session",
     sh_watch_remove, NULL},
    {"wait", NULL, "n:", 0, 1, "wait [-n EVENTS] [SECONDS]",
     "waits for watch events: for so many (1) since the last wait, at most so long (10 s); fails "
     "when\n"
     "  they do not come. -n 0 just waits",
     sh_watch_wait, NULL},
    {"multi", NULL, "", 0, 0, "multi OP ; OP ; ...",
     "all or nothing: create [-s -e -c -t TTL] PATH [DATA] [ACL] | set [-v V] PATH DATA |\n"
     "  delete [-v V] PATH | check PATH VERSION; or only reads: get PATH | ls PATH. Takes the rest "
     "of\n"
     "  the line: multi create /a x ; set /b y ; check /c 3 ; delete /d",
     NULL, sh_multi_run},
    {"setquota", NULL, "n:b:N:B:", 1, 1,
     "setquota [-n COUNT] [-b BYTES] [-N HARD_COUNT] [-B HARD_BYTES] PATH",
     "limits the subtree; soft limits only warn in the server's log, hard ones refuse",
     sh_quota_set, NULL},
    {"listquota", NULL, "", 0, 1, "listquota [PATH]",
     "shows limits and usage, of all quotas or one", sh_quota_list, NULL},
    {"delquota", NULL, "nbNB", 1, 1, "delquota [-n] [-b] [-N] [-B] PATH",
     "removes the quota, or only the limits named", sh_quota_delete, NULL},
    {"whoami", NULL, "", 0, 0, "whoami", "the credentials of this connection", sh_read_whoami,
     NULL},
    {"getEphemerals", NULL, "", 0, 1, "getEphemerals [PREFIX]",
     "the ephemerals of this session whose path starts so", sh_read_ephemerals, NULL},
    {"getAllChildrenNumber", NULL, "", 1, 1, "getAllChildrenNumber PATH",
     "how many znodes are below, at any depth", sh_read_count, NULL},
    {"config", NULL, "s", 0, 0, "config [-s]", "the ensemble's membership", sh_read_config, NULL},
    {"reconfig", NULL, "a:r:m:v:", 0, 0,
     "reconfig [-a SERVERS] [-r IDS] | -m SERVERS  [-v VERSION]",
     "changes the membership and prints the new one: -a adds or replaces server.ID=host:2888:3888\n"
     "  [:observer];2181,... -r removes ID,... -m gives the whole list; -v (hexadecimal, as\n"
     "  config shows it) only if that is still the version. Needs super, see addauth",
     sh_write_reconfig, NULL},
    {"session", NULL, "", 0, 0, "session", "server, session id, timeout", sh_table_session, NULL},
    {"help", "?", "", 0, 1, "help [COMMAND]", "this", sh_table_help, NULL},
    {"quit", "exit", "", 0, 0, "quit", "ends the session and leaves", sh_table_quit, NULL},
    {0},
};
