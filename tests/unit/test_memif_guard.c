/* Goal: DPDK's interrupt thread cannot go on with a disconnect while a queue is in a burst call.
 * Method: a thread that unregisters a callback, as net_memif does, beside a queue inside and
 * outside of its bursts; and the place where the drivers' shared libraries find the function. */
#include "dataplane/port/dpdk/memif_guard.h"

#include "dataplane/port/dpdk/eal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct rte_intr_handle;
int rte_intr_callback_unregister(const struct rte_intr_handle *handle, void (*callback)(void *),
                                 void *arg);

static _Atomic int ended;

static void *unregister(void *arg)
{
    int *err = arg;

    *err = rte_intr_callback_unregister(NULL, NULL, NULL);
    atomic_store(&ended, 1);
    return NULL;
}

/* Each queue in turn holds it back. */
static void test_waits(void **state)
{
    eal_stop(); /* does nothing, but brings librte_eal along */
    memif_guard_init();
    for (uint16_t queue = 0; queue < MEMIF_GUARD_QUEUES; queue++) {
        pthread_t thread;
        int err = 0;

        atomic_store(&ended, 0);
        memif_guard_enter(queue);
        assert_int_equal(pthread_create(&thread, NULL, unregister, &err), 0);
        usleep(5000);
        assert_int_equal(atomic_load(&ended), 0);
        memif_guard_leave(queue);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(atomic_load(&ended), 1);
        assert_true(err < 0); /* DPDK's own function was asked, and refused NULL */
    }
}

/* A queue that is in one burst after the other does not hold it back for ever. */
static void test_goes_on(void **state)
{
    pthread_t thread;
    int err = 0;

    atomic_store(&ended, 0);
    memif_guard_enter(1);
    assert_int_equal(pthread_create(&thread, NULL, unregister, &err), 0);
    while (!atomic_load(&ended)) {
        memif_guard_leave(1);
        memif_guard_enter(1);
    }
    memif_guard_leave(1);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_is_found(void **state)
{
    int (*here)(const struct rte_intr_handle *, void (*)(void *), void *) =
        rte_intr_callback_unregister;
    void *found = dlsym(RTLD_DEFAULT, "rte_intr_callback_unregister"), *dpdks;

    assert_memory_equal(&here, &found, sizeof(found));
    dpdks = dlsym(RTLD_NEXT, "rte_intr_callback_unregister");
    assert_non_null(dpdks);
    assert_ptr_not_equal(found, dpdks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_waits), cmocka_unit_test(test_goes_on),
                                       cmocka_unit_test(test_is_found)};
    return cmocka_run_group_tests_name("memif_guard", tests, NULL, NULL);
}
