/* stage: what `takt cores apply --system` changes of a running system, as a list of files with what
 * they hold and what they are to hold; and the journal that undoes it.
 *
 *   host, plan ──▶ stage_make ──▶ edits ──┬─▶ shown (check, --dry-run)
 *                                         └─▶ stage_apply: journal, then write, one by one
 *   journal ──▶ stage_undo: what was there before, in reverse order
 *
 * Only what differs becomes an edit, so a list without edits means: as planned. The files are below
 * the host's sysroot. A journal line is written and synced before its file is touched. */
#pragma once

#include "base/say.h"
#include "tools/host/plan.h"

#define STAGE_EDITS_MAX 2048
#define STAGE_TEXT_SIZE 320

enum stage_kind { STAGE_CPUSET, STAGE_IRQ, STAGE_SLEEP, STAGE_KWORK, STAGE_COUNT };
/* STAGE_KEPT: a write that the kernel refused, of an interrupt that it moves for nobody (a timer's,
 * a managed queue's). In a journal the row behind the write's. stage_make makes none. */
enum stage_edit_kind { STAGE_WRITE, STAGE_MKDIR, STAGE_KEPT };

struct stage_text {
    const char *name, *title, *why;
};
extern const struct stage_text stage_texts[STAGE_COUNT];

struct stage_edit {
    enum stage_kind stage;
    enum stage_edit_kind kind;
    char path[160]; /* as on the machine, without the root */
    char before[STAGE_TEXT_SIZE], after[STAGE_TEXT_SIZE];
    int os_error; /* of stage_apply or stage_undo; 0 = done */
};

struct stage_list {
    uint32_t count;
    struct stage_edit edits[STAGE_EDITS_MAX];
    char found[STAGE_COUNT][STAGE_TEXT_SIZE]; /* a sentence: how it stands, or why not */
    bool possible[STAGE_COUNT];               /* this system has what the stage needs */
};

/* stage_make lists what differs from the plan. Returns 0 or ERR_LIMIT: more than STAGE_EDITS_MAX.
 */
MUST_USE int stage_make(const struct host *host, const struct plan *plan, struct stage_list *list,
                        struct fault *fault);

/* stage_apply makes the edits; a failed one is noted in its os_error and the others go on; what
 * the kernel keeps to itself becomes STAGE_KEPT. The journal must not exist. Returns 0; ERR_EXISTS
 * or ERR_IO for the journal: nothing was touched. */
MUST_USE int stage_apply(const struct sysroot *root, struct stage_list *list, const char *journal,
                         struct fault *fault);

/* stage_forget_kept takes out of a list what the journal of an apply says the kernel keeps, so that
 * it is not asked for again. Without a journal nothing is taken. Returns how many were. */
uint32_t stage_forget_kept(struct stage_list *list, const char *journal);

/* stage_undo puts back what a journal says, newest first, and removes the journal if all could be.
 * What was undone is in *list. Returns 0; ERR_NOTFOUND: no journal; ERR_CORRUPT: a line of it is
 * none; ERR_IO: some edit could not be undone (the journal stays). */
MUST_USE int stage_undo(const struct sysroot *root, struct stage_list *list, const char *journal,
                        struct fault *fault);
