/* write: commands of a live connection on their way to CORE. */
#pragma once

#include "dataplane/conn.h"

/* write_sent completes a command reserved by net_command_room for a live connection: token,
 * session, attach, sequence; and counts it as in flight. */
void write_sent(struct net *net, struct conn *conn, struct command *command);
