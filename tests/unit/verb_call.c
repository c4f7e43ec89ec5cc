#include "tests/unit/verb_call.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char verb_call_said[VERB_CALL_SAID_SIZE];

int verb_call(int (*verb)(int argc, char **argv), ...)
{
    char path[] = "/tmp/takt-verb-said-XXXXXX", *argv[VERB_CALL_WORDS_MAX + 1];
    int argc = 0, out = mkstemp(path), saved_out = dup(1), saved_err = dup(2);
    va_list words;
    CHECK(out >= 0);
    va_start(words, verb);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        CHECK(argc < VERB_CALL_WORDS_MAX);
        argv[argc++] = (char *)(uintptr_t)word;
    }
    va_end(words);
    argv[argc] = NULL;
    fflush(stdout);
    dup2(out, 1);
    dup2(out, 2);
    int exit_code = verb(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    ssize_t n = pread(out, verb_call_said, sizeof(verb_call_said) - 1, 0);
    verb_call_said[n > 0 ? n : 0] = '\0';
    close(out);
    unlink(path);
    return exit_code;
}
