/* core_parts: the inside of CORE, for role_core.c and core_*.c only. One turn of role_core_poll
 * calls the files in the order of the drawing:
 *
 *   core_disk  what is durable        core_apply  sessions, reaping, snapshots
 *   core_tell  commits to APPLY       core_nets   what clients ask for ─▶ core_propose
 */
#pragma once

#include "consensus/role_core.h"

/* core_tell.c. core_put pushes one record on a link to APPLY; false: no room (HOLD). */
bool core_put(struct link *link, const struct core_apply *head, const void *behind, uint32_t size);
/* Tells a query or a refusal behind everything proposed. False: no room (HOLD). */
bool core_tell_behind(struct role_core *core, struct core_apply *head, const void *behind,
                      uint32_t size);
void core_tell_committed(struct role_core *core);

/* core_propose.c. Appends one command to the log tail; false: no room in the tail now (HOLD). */
bool core_propose(struct role_core *core, const struct command *command, const void *body,
                  struct now now);
bool core_disk_has_room(const struct role_core *core, uint32_t body_size);

/* core_disk.c */
void core_send_batch(struct role_core *core);
uint32_t core_poll_disk(struct role_core *core);

/* core_nets.c: round robin over the NETs, a bounded number of commands a turn. */
uint32_t core_poll_nets(struct role_core *core, struct now now);

/* core_apply.c */
uint32_t core_poll_apply(struct role_core *core, struct now now);
uint32_t core_expire(struct role_core *core, struct now now);
void core_reap(struct role_core *core, struct now now);
void core_snapshot(struct role_core *core);
