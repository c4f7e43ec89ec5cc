/* The model's membership (zk_protocol.md section 7, zk_admin.md sections 6 and 7): one change at a
 * time is asked for by a reconfig and answered by the entry that ends it. */
#include "tests/model/model_state.h"

#include "base/check.h"

#include <string.h>

static int64_t text_size(struct bytes text)
{
    return text.size > 0 ? text.size : 0;
}

static struct model_node *config_node(const struct model *model)
{
    return model_node(model, bytes_of_string("/zookeeper/config"));
}

static void config_answer(struct model *model)
{
    const struct model_node *node = config_node(model);

    jute_put_bytes(&model->out, node->data);
    model_stat_put(model, node);
}

static bool wanted_list(const struct model *model, struct bytes joining, struct bytes leaving,
                        struct bytes whole, struct membership *wanted)
{
    *wanted = model->members.now;
    struct membership both = model->members.now;
    int err = whole.size >= 0
                  ? membership_parse(wanted, (const char *)whole.at, (size_t)whole.size, NULL, NULL)
                  : membership_change(wanted, (const char *)joining.at, (size_t)text_size(joining),
                                      (const char *)leaving.at, (size_t)text_size(leaving), NULL);
    if (err || membership_check(wanted, NULL))
        return false;
    for (uint32_t i = 0; i < wanted->count; i++)
        if ((whole.size >= 0 && !wanted->server[i].client_port) ||
            membership_add(&both, &wanted->server[i]))
            return false;
    return membership_voter_count(wanted) >= (model->config.standalone ? 2 : 1);
}

/* takt's own: "leader=<id>" asks that this voter leads. */
static int32_t transfer(struct model *model, const struct model_session *session, struct bytes text)
{
    uint32_t id = 0;
    for (int32_t i = 7; i < text.size && id <= MEMBERSHIP_ID_MAX; i++)
        id = text.at[i] >= '0' && text.at[i] <= '9' ? id * 10 + (uint32_t)(text.at[i] - '0')
                                                    : MEMBERSHIP_ID_MAX + 1;
    const struct membership_server *to = membership_find(&model->members.now, id);
    if (!to || to->observer)
        return ZK_BAD_ARGUMENTS;
    if (!model_allows(model, session->id, config_node(model), ZK_PERM_WRITE))
        return ZK_NO_AUTH;
    config_answer(model);
    return ZK_OK;
}

int32_t model_reconfig(struct model *model, const struct model_session *session,
                       const struct command *c, struct jute_in *in)
{
    struct model_members *members = &model->members;
    struct membership wanted;
    struct bytes joining = jute_get_bytes(in), leaving = jute_get_bytes(in);
    struct bytes whole = jute_get_bytes(in);
    int64_t version = jute_get_long(in);

    if (in->bad)
        return MODEL_UNDECODABLE;
    bool leader = whole.size > 7 && memcmp(whole.at, "leader=", 7) == 0;
    if (!model->config.reconfig_enabled && !leader)
        return ZK_RECONFIG_DISABLED;
    if (!session)
        return ZK_SESSION_EXPIRED;
    if (members->now.count == 0)
        return ZK_UNIMPLEMENTED;
    if (leader)
        return transfer(model, session, whole);
    if (members->pending || members->next.count)
        return ZK_RECONFIG_IN_PROGRESS;
    if (version != -1 && version != members->version)
        return ZK_BAD_VERSION;
    if (!wanted_list(model, joining, leaving, whole, &wanted))
        return ZK_BAD_ARGUMENTS;
    if (!model_allows(model, session->id, config_node(model), ZK_PERM_WRITE))
        return ZK_NO_AUTH;
    members->pending = true;
    members->wanted = wanted;
    members->who = *c;
    return ZK_OK;
}

/* The pending request is answered by this entry. */
static bool answer_waiting(struct model *model)
{
    model->result.whose = &model->members.who;
    model->members.pending = false;
    return true;
}

bool model_config(struct model *model, const uint8_t *body, uint32_t size, int32_t *error)
{
    struct model_members *members = &model->members;
    struct model_node *node = config_node(model);
    struct membership_body entry;
    char text[MEMBERSHIP_TEXT_SIZE];

    CHECK(membership_body_decode(&entry, body, size) == 0);
    *error = ZK_OK;
    if (entry.flags & MEMBERSHIP_REFUSED) {
        *error = entry.error;
        return members->pending && answer_waiting(model);
    }
    if (entry.flags & MEMBERSHIP_JOINT) {
        members->next = entry.after;
        return false;
    }
    model->zxid = model_zxid_next(model);
    size_t text_length = membership_print(&entry.after, model->zxid, text, sizeof(text));
    node->data = model_keep(model, bytes_of(text, text_length));
    node->mzxid = model->zxid;
    node->mtime_ms = model->time_ms;
    node->version = -1; /* as the reference writes it */
    model_change(model, ZK_EVENT_DATA_CHANGED, node->path);
    members->now = entry.after;
    members->version = model->zxid;
    memset(&members->next, 0, sizeof(members->next));
    if (!members->pending || !membership_equal(&members->wanted, &members->now))
        return false;
    config_answer(model);
    return answer_waiting(model);
}

const struct model_members *model_members(const struct model *model)
{
    return &model->members;
}
