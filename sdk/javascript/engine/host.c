/* What the prelude may call, as the members of `__host`: it captures the object and takes it off the global one. */

#include <string.h>
#include <sys/time.h>

#include "vestibule.h"

/* ---- Time: that of the login, and none while a rule is loaded ---- */

static double now_us;
static bool in_login;

/* The clock that the C library of the engine asks. */
double __rquickjs_host_now_us(void) { return now_us; }

/* ---- Randomness: ChaCha20 (RFC 8439 §2.3) over the login's seed, so that a replay draws the same numbers ---- */

static uint32_t key[8];
static uint32_t block[16];
static uint32_t counter;
static unsigned drawn = 16;

static inline uint32_t turned(uint32_t word, int by) { return word << by | word >> (32 - by); }

static inline void quarter(uint32_t *s, int a, int b, int c, int d) {
    s[a] += s[b]; s[d] = turned(s[d] ^ s[a], 16);
    s[c] += s[d]; s[b] = turned(s[b] ^ s[c], 12);
    s[a] += s[b]; s[d] = turned(s[d] ^ s[a], 8);
    s[c] += s[d]; s[b] = turned(s[b] ^ s[c], 7);
}

static void next_block(void) {
    const uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0], key[1], key[2], key[3],
                                key[4],     key[5],     key[6],     key[7],     counter++, 0,     0,      0};
    memcpy(block, start, sizeof block);
    for (int round = 0; round < 10; round++) {
        quarter(block, 0, 4, 8, 12);
        quarter(block, 1, 5, 9, 13);
        quarter(block, 2, 6, 10, 14);
        quarter(block, 3, 7, 11, 15);
        quarter(block, 0, 5, 10, 15);
        quarter(block, 1, 6, 11, 12);
        quarter(block, 2, 7, 8, 13);
        quarter(block, 3, 4, 9, 14);
    }
    for (int word = 0; word < 16; word++) block[word] += start[word];
    drawn = 0;
}

static uint32_t random_word(void) {
    if (drawn == 16) next_block();
    return block[drawn++];
}

static uint32_t hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return 0;
}

static void key_from(const char *seed, size_t length) {
    memset(key, 0, sizeof key);
    for (size_t digit = 0; digit < length && digit < 64; digit++)
        key[digit / 8] = key[digit / 8] << 4 | hex_digit(seed[digit]);
}

void host_begin(double now_ms, const char *seed, size_t seed_length) {
    now_us = now_ms * 1000;
    in_login = true;
    key_from(seed, seed_length);
    counter = 0;
    drawn = 16;
}

static JSValue js_random_word(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    return JS_NewInt64(ctx, random_word());
}

static JSValue js_math_random(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint64_t high = random_word() >> 5, low = random_word() >> 6;
    return JS_NewFloat64(ctx, (double)(high << 26 | low) / 9007199254740992.0); /* 53 bits */
}

static JSValue js_random_bytes(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint32_t length;
    if (JS_ToUint32(ctx, &length, argv[0])) return JS_EXCEPTION;
    if (length > 65536) return JS_ThrowRangeError(ctx, "more than 65536 random bytes");
    uint8_t *bytes = js_malloc(ctx, length + 4);
    if (!bytes) return JS_EXCEPTION;
    for (uint32_t at = 0; at < length; at += 4) {
        uint32_t word = random_word();
        memcpy(bytes + at, &word, 4);
    }
    JSValue buffer = JS_NewArrayBufferCopy(ctx, bytes, length);
    js_free(ctx, bytes);
    return buffer;
}

/* ---- Text ---- */

static JSValue js_utf8_encode(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    size_t length;
    const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
    if (!text) return JS_EXCEPTION;
    JSValue buffer = JS_NewArrayBufferCopy(ctx, (const uint8_t *)text, length);
    JS_FreeCString(ctx, text);
    return buffer;
}

/* How many bytes the character here has, as the Encoding Standard reads UTF-8; of what is none, how many become one U+FFFD. */
static uint32_t utf8_bytes(const uint8_t *at, uint32_t left, bool *is_character) {
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    uint32_t more = 0;
    if (first >= 0xc2 && first <= 0xdf) more = 1;
    else if (first >= 0xe0 && first <= 0xef) more = 2;
    else if (first >= 0xf0 && first <= 0xf4) more = 3;
    *is_character = first < 0x80;
    if (more == 0) return 1;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    for (uint32_t seen = 1; seen <= more; seen++) {
        if (seen == left || at[seen] < low || at[seen] > high) return seen;
        low = 0x80;
        high = 0xbf;
    }
    *is_character = true;
    return more + 1;
}

/* The engine's own reading of bytes that are no UTF-8 would make halves of pairs of them. */
static JSValue text_of(JSContext *ctx, const uint8_t *bytes, uint32_t length) {
    uint32_t at = 0, size = 0;
    bool is_character = true;
    while (at < length && is_character) at += utf8_bytes(bytes + at, length - at, &is_character);
    if (is_character) return JS_NewStringLen(ctx, (const char *)bytes, length);
    char *text = js_malloc(ctx, (size_t)length * 3);
    if (!text) return JS_EXCEPTION;
    for (at = 0; at < length;) {
        uint32_t taken = utf8_bytes(bytes + at, length - at, &is_character);
        if (is_character) memcpy(text + size, bytes + at, taken);
        else memcpy(text + size, "\xef\xbf\xbd", 3);
        size += is_character ? taken : 3;
        at += taken;
    }
    JSValue value = JS_NewStringLen(ctx, text, size);
    js_free(ctx, text);
    return value;
}

static JSValue js_utf8_decode(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    size_t size;
    uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, argv[0]);
    if (!bytes && size) return JS_EXCEPTION;
    uint32_t offset = 0, length = size;
    if (!JS_IsUndefined(argv[1]) && JS_ToUint32(ctx, &offset, argv[1])) return JS_EXCEPTION;
    if (offset > size) offset = size;
    length = size - offset;
    if (!JS_IsUndefined(argv[2]) && JS_ToUint32(ctx, &length, argv[2])) return JS_EXCEPTION;
    if (length > size - offset) length = size - offset;
    return text_of(ctx, bytes + offset, length);
}

static JSValue js_log(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint32_t level;
    if (JS_ToUint32(ctx, &level, argv[0])) return JS_EXCEPTION;
    size_t length;
    const char *text = JS_ToCStringLen(ctx, &length, argv[1]);
    if (!text) return JS_EXCEPTION;
    host_log(level & 3, text, length);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

/* ---- HTTP: a request is started at once; vestibule.c waits when the rule has nothing else to do ---- */

static JSValue js_http_start(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    if (!in_login) return JS_ThrowTypeError(ctx, "there is no network while a rule is loaded: make the request inside the function");
    size_t head_length, body_length = 0;
    const char *head = JS_ToCStringLen(ctx, &head_length, argv[0]);
    if (!head) return JS_EXCEPTION;
    const void *body = "";
    if (JS_IsString(argv[1])) {
        body = JS_ToCStringLen(ctx, &body_length, argv[1]);
        if (!body) return JS_EXCEPTION;
    } else if (JS_IsArrayBuffer(argv[1])) {
        body = JS_GetArrayBuffer(ctx, &body_length, argv[1]);
    }
    return JS_NewInt32(ctx, host_http_start(head, head_length, body, body_length));
}

static JSValue js_http_result(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    int32_t handle;
    if (JS_ToInt32(ctx, &handle, argv[0])) return JS_EXCEPTION;
    size_t length = host_http_result_len(handle);
    char *json = js_malloc(ctx, length + 1);
    if (!json) return JS_EXCEPTION;
    host_http_result_read(handle, json);
    JSValue text = JS_NewStringLen(ctx, json, length);
    js_free(ctx, json);
    return text;
}

static JSValue js_http_body(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    enum { PIECE = 64 * 1024 };
    int32_t handle;
    if (JS_ToInt32(ctx, &handle, argv[0])) return JS_EXCEPTION;
    uint8_t *body = NULL;
    size_t length = 0;
    for (;;) {
        body = js_realloc(ctx, body, length + PIECE);
        if (!body) return JS_EXCEPTION;
        size_t read = host_http_body_read(handle, length, body + length, PIECE);
        length += read;
        if (read < PIECE) break;
    }
    JSValue buffer = JS_NewArrayBufferCopy(ctx, body, length);
    js_free(ctx, body);
    return buffer;
}

/* ---- Installation ---- */

void host_method(JSContext *ctx, JSValueConst object, const char *name, JSCFunction *function, int arguments) {
    JS_DefinePropertyValueStr(ctx, object, name, JS_NewCFunction(ctx, function, name, arguments),
                              JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
}

void host_install(JSContext *ctx) {
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue host = JS_NewObject(ctx);
    host_method(ctx, host, "log", js_log, 2);
    host_method(ctx, host, "random", js_random_word, 0);
    host_method(ctx, host, "randomBytes", js_random_bytes, 1);
    host_method(ctx, host, "utf8Encode", js_utf8_encode, 1);
    host_method(ctx, host, "utf8Decode", js_utf8_decode, 3);
    host_method(ctx, host, "httpStart", js_http_start, 2);
    host_method(ctx, host, "httpResult", js_http_result, 1);
    host_method(ctx, host, "httpBody", js_http_body, 1);
    contract_install(ctx, host);
    changes_install(ctx, host);
    promises_install(ctx, host);
    hash_install(ctx, host);
    JS_SetPropertyStr(ctx, global, "__host", host);
    JSValue math = JS_GetPropertyStr(ctx, global, "Math");
    host_method(ctx, math, "random", js_math_random, 0);
    JS_FreeValue(ctx, math);
    JS_FreeValue(ctx, global);
}
