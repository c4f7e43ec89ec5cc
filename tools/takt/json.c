#include "tools/takt/json.h"

#include <inttypes.h>
#include <math.h>

void json_init(struct json *json, FILE *to)
{
    *json = (struct json){.to = to};
}

static void json_quoted(struct json *json, struct bytes text)
{
    fputc('"', json->to);
    for (int32_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (c == '"' || c == '\\')
            fprintf(json->to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(json->to, "\\u%04x", c);
        else
            fputc(c, json->to);
    }
    fputc('"', json->to);
}

static void json_key(struct json *json, const char *key)
{
    if (json->comma)
        fputs(", ", json->to);
    json->comma = true;
    if (key != NULL) {
        json_quoted(json, bytes_of_string(key));
        fputs(": ", json->to);
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    json_key(json, key);
    fputc(bracket, json->to);
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    fputc(bracket, json->to);
    json->comma = true;
}

void json_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    fprintf(json->to, "%" PRId64, value);
}

void json_hex(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    fprintf(json->to, "\"0x%" PRIx64 "\"", value);
}

void json_real(struct json *json, const char *key, double value)
{
    json_key(json, key);
    if (isfinite(value))
        fprintf(json->to, "%.6g", value);
    else
        fputs("null", json->to);
}

void json_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    fputs(value ? "true" : "false", json->to);
}

void json_text(struct json *json, const char *key, const char *text)
{
    json_bytes(json, key, text ? bytes_of_string(text) : (struct bytes){NULL, -1});
}

void json_bytes(struct json *json, const char *key, struct bytes text)
{
    json_key(json, key);
    if (text.size < 0)
        fputs("null", json->to);
    else
        json_quoted(json, text);
}

void json_data(struct json *json, const char *key, struct bytes data)
{
    if (data.size < 0 || json_is_utf8(data.at, (size_t)data.size)) {
        json_bytes(json, key, data);
        return;
    }
    char name[64];
    snprintf(name, sizeof(name), "%s_hex", key);
    json_key(json, name);
    fputc('"', json->to);
    for (int32_t i = 0; i < data.size; i++)
        fprintf(json->to, "%02x", data.at[i]);
    fputc('"', json->to);
}

void json_line(struct json *json)
{
    fputc('\n', json->to);
    json->comma = false;
}

/* The length of the well-formed sequence at `at`, or 0. */
static size_t json_utf8_step(const uint8_t *at, size_t left)
{
    if (at[0] < 0x80)
        return 1;
    size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

bool json_is_utf8(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = json_utf8_step(at + i, size - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
