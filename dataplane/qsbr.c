#include "dataplane/qsbr.h"

#include "base/grace.h"

#include <pthread.h>
#include <stdbool.h>
#include <urcu-qsbr.h>

static _Thread_local bool qsbr_registered;
static pthread_once_t qsbr_once = PTHREAD_ONCE_INIT;
static pthread_key_t qsbr_key;

/* A thread that ends must not stay in liburcu's list: its entry lies in the thread's own memory. */
static void qsbr_thread_ends(void *unused)
{
    qsbr_leave();
}

static void qsbr_key_make(void)
{
    pthread_key_create(&qsbr_key, qsbr_thread_ends);
}

void qsbr_online(void)
{
    if (qsbr_registered) {
        urcu_qsbr_thread_online();
        return;
    }
    pthread_once(&qsbr_once, qsbr_key_make);
    pthread_setspecific(qsbr_key, &qsbr_registered); /* not NULL: so the destructor runs */
    urcu_qsbr_register_thread();                     /* and online */
    qsbr_registered = true;
}

void qsbr_offline(void)
{
    if (!qsbr_registered)
        return;
    grace_reader_done();
    urcu_qsbr_thread_offline();
}

void qsbr_quiescent(void)
{
    if (!qsbr_registered)
        return;
    grace_reader_done();
    urcu_qsbr_quiescent_state();
}

void qsbr_leave(void)
{
    grace_reader_done();
    if (qsbr_registered)
        urcu_qsbr_unregister_thread();
    qsbr_registered = false;
}
