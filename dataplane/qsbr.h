/* qsbr: this thread as a reader of the tree (liburcu's QSBR). Roles that share a worker share its
 * thread, so registration counts once a thread, however many roles ask for it. */
#pragma once

/* qsbr_online makes the calling thread a reader that is online: before it first reads, and after
 * a park. */
void qsbr_online(void);
/* qsbr_offline promises that the thread holds no pointer into the tree until it is online again. */
void qsbr_offline(void);
/* qsbr_quiescent gives up every pointer into the tree that this thread holds. Nothing to do for a
 * thread that never went online (a simulation with one thread for everything). */
void qsbr_quiescent(void);
/* qsbr_leave ends the thread's registration; before the thread ends. */
void qsbr_leave(void);
