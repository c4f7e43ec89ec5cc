/* fourlw: asks a server one of its four-letter words (zk_admin.md section 1). Blocking. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdint.h>

#define FOURLW_TEXT_SIZE (256 << 10)

/* fourlw_ask sends the word to "host:port" and collects the answer, zero-ended, at most
 * FOURLW_TEXT_SIZE bytes of it, within timeout_ms. Returns 0 and the caller frees *text; or ERR_IO,
 * ERR_MALFORMED, ERR_NOTFOUND (address), ERR_NOMEM with a sentence. */
MUST_USE int fourlw_ask(const char *server, const char *word, uint32_t timeout_ms, char **text,
                        struct fault *fault);

/* fourlw_value finds the line of `text` that starts with `key` and copies what follows it, without
 * leading blanks, into value. Pure. Returns 0 or ERR_NOTFOUND. */
MUST_USE int fourlw_value(const char *text, const char *key, char *value, uint32_t value_size);

/* fourlw_is_refused says whether the answer is the server's "not in the whitelist". */
int fourlw_is_refused(const char *text);
