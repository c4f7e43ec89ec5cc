/* json: writes one JSON value to a stream, piece by piece; commas are its own business. Text that
 * is not UTF-8 is never passed on raw: json_data gives it as hexadecimal under another key. */
#pragma once

#include "base/jute.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *to;
    bool comma; /* something was written at this level */
};

void json_init(struct json *json, FILE *to);

/* json_open writes { or [, json_close the other; key NULL inside an array or at the top. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);

void json_int(struct json *json, const char *key, int64_t value);
void json_hex(struct json *json, const char *key, uint64_t value); /* "0x..", as zxids are shown */
void json_real(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_text(struct json *json, const char *key, const char *text); /* NULL gives null */
void json_bytes(struct json *json, const char *key, struct bytes text);

/* json_data writes "<key>": text when the bytes are UTF-8 (null for the null buffer), else
 * "<key>_hex": "..". */
void json_data(struct json *json, const char *key, struct bytes data);

/* json_line ends the value with a newline and starts afresh. */
void json_line(struct json *json);

/* json_is_utf8 says whether size bytes are well-formed UTF-8. */
bool json_is_utf8(const uint8_t *at, size_t size);
