#include "tests/sim/check_promise.h"

#include <stdio.h>
#include <string.h>

static void promise_term(struct check_promise *promise, uint64_t term)
{
    if (term <= promise->term)
        return;
    promise->term = term;
    promise->vote = 0;
}

static void promise_vote(struct check_promise *promise, uint64_t term, uint8_t vote)
{
    promise_term(promise, term);
    if (term == promise->term)
        promise->vote = vote;
}

void check_promise_sent(struct check_promise *promise, const struct peer_message *message,
                        uint64_t entry_term)
{
    switch (message->kind) {
    case PEER_VOTE: promise_vote(promise, message->term, message->from); break;
    case PEER_VOTE_REPLY:
        if (message->flags & PEER_REJECT)
            promise_term(promise, message->term);
        else
            promise_vote(promise, message->term, message->to);
        break;
    case PEER_APPEND: promise_term(promise, message->term); break;
    case PEER_APPEND_REPLY:
        promise_term(promise, message->term);
        if ((message->flags & PEER_REJECT) || message->term < promise->match_term)
            break;
        if (message->term > promise->match_term || message->index > promise->match_index) {
            promise->match_index = message->index;
            promise->match_entry_term = entry_term;
        }
        promise->match_term = message->term;
        break;
    default: break; /* the others promise nothing of the disk */
    }
}

static const char *promise_broken(const char *what, uint64_t told, uint64_t found)
{
    static char text[160];

    snprintf(text, sizeof(text), "it told %s %llu, and came back with %llu", what,
             (unsigned long long)told, (unsigned long long)found);
    return text;
}

const char *check_promise_kept(struct check_promise *promise,
                               const struct check_promise_found *found)
{
    if (!found->voting) {
        check_promise_void(promise);
        return NULL;
    }
    if (found->term < promise->term)
        return promise_broken("others of term", promise->term, found->term);
    if (found->term == promise->term && promise->vote && found->vote != promise->vote)
        return promise_broken("of its vote for node", promise->vote, found->vote);
    if (found->term == promise->match_term && found->last_index < promise->match_index)
        return promise_broken("that it holds entry", promise->match_index, found->last_index);
    if (found->term == promise->match_term && promise->match_entry_term && found->entry_term &&
        found->entry_term != promise->match_entry_term)
        return promise_broken("that it holds an entry of term", promise->match_entry_term,
                              found->entry_term);
    return NULL;
}

void check_promise_void(struct check_promise *promise)
{
    memset(promise, 0, sizeof(*promise));
}
