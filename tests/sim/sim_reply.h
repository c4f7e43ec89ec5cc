/* sim_reply: what a client may be told. Every function prints the client, the request and the
 * difference, and aborts, when it is told something else. */
#pragma once

#include "tests/sim/sim_client.h"

/* sim_reply_greeting takes a ConnectResponse. False: the session is gone (and had to be). */
bool sim_reply_greeting(struct sim_client *client, struct jute_in *in);

/* sim_reply_check takes a reply or an event on a live connection. */
void sim_reply_check(struct sim_client *client, struct jute_in *in);

/* sim_reply_end: a live connection is lost; what it was told so far must be a beginning. */
void sim_reply_end(struct sim_client *client);
