/* machine_diff: where two state machines differ beside tree and ACLs, in words for a person. For
 * `takt snapshot diff`: two machines loaded from images.
 *
 *   kind        name                 what is compared
 *   state       time, zxid, hash     scalars behind the last entry; index and term are the caller's
 *   setting     flags, ...           settings that the log carries
 *   lane        node 3               how far that node's forwarded commands were applied
 *   membership  now, next, pending   who belongs, and a change that is under way
 *   session     0x10000af3           timeout, attach, sequence, place, password, identities
 *
 * Pure; one call at a time. */
#pragma once

#include "store/machine.h"

struct machine_difference {
    const char *kind, *name;
    const char *a, *b; /* how it is there; NULL: it is not there. Never a password */
};

/* machine_diff calls found for each difference: the kinds in the order above, lanes by node,
 * sessions of `a` in order of opening and then those that only `b` has. Texts are lent for the
 * call. Returns how many there were. */
uint64_t machine_diff(const struct machine *a, const struct machine *b,
                      void (*found)(void *self, const struct machine_difference *difference),
                      void *self);
