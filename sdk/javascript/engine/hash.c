/* Hashing, which the host does: interpreted it would take most of what a login may spend, and bcrypt more.
 *
 * `__host.digest`, `.hmac`, `.pbkdf2` and `.bcrypt` take arrays of bytes and give a buffer. What is out of range ends the
 * run: the modules that rules require ask for what there is. */

#include "vestibule.h"

enum { DIGEST_BYTES = 64, BCRYPT_BYTES = 23, SALT_BYTES = 16 };

typedef struct Bytes {
    const uint8_t *at;
    size_t length;
} Bytes;

static bool bytes_of(JSContext *ctx, JSValueConst value, Bytes *bytes) {
    bytes->at = JS_GetUint8Array(ctx, &bytes->length, value);
    return bytes->at || !JS_HasException(ctx);
}

/* `digest(algorithm, bytes)` */
static JSValue js_digest(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint8_t digest[DIGEST_BYTES];
    int32_t algorithm;
    Bytes data;
    if (JS_ToInt32(ctx, &algorithm, argv[0]) || !bytes_of(ctx, argv[1], &data)) return JS_EXCEPTION;
    return JS_NewArrayBufferCopy(ctx, digest, host_hash_digest(algorithm, data.at, data.length, digest));
}

/* `hmac(algorithm, key, bytes)` */
static JSValue js_hmac(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint8_t digest[DIGEST_BYTES];
    int32_t algorithm;
    Bytes key, data;
    if (JS_ToInt32(ctx, &algorithm, argv[0]) || !bytes_of(ctx, argv[1], &key) || !bytes_of(ctx, argv[2], &data))
        return JS_EXCEPTION;
    int32_t length = host_hash_hmac(algorithm, key.at, key.length, data.at, data.length, digest);
    return JS_NewArrayBufferCopy(ctx, digest, length);
}

/* `pbkdf2(algorithm, password, salt, rounds, length)` */
static JSValue js_pbkdf2(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    int32_t algorithm;
    uint32_t rounds, length;
    Bytes password, salt;
    if (JS_ToInt32(ctx, &algorithm, argv[0]) || JS_ToUint32(ctx, &rounds, argv[3]) || JS_ToUint32(ctx, &length, argv[4]) ||
        !bytes_of(ctx, argv[1], &password) || !bytes_of(ctx, argv[2], &salt))
        return JS_EXCEPTION;
    uint8_t *key = js_malloc(ctx, length + 1);
    if (!key) return JS_EXCEPTION;
    host_hash_pbkdf2(algorithm, password.at, password.length, salt.at, salt.length, rounds, key, length);
    JSValue buffer = JS_NewArrayBufferCopy(ctx, key, length);
    js_free(ctx, key);
    return buffer;
}

/* `bcrypt(password, salt, cost)` */
static JSValue js_bcrypt(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint8_t digest[BCRYPT_BYTES];
    int32_t cost;
    Bytes password, salt;
    if (JS_ToInt32(ctx, &cost, argv[2]) || !bytes_of(ctx, argv[0], &password) || !bytes_of(ctx, argv[1], &salt))
        return JS_EXCEPTION;
    if (salt.length != SALT_BYTES) return JS_ThrowRangeError(ctx, "the salt of bcrypt has 16 bytes");
    host_hash_bcrypt(password.at, password.length, salt.at, cost, digest);
    return JS_NewArrayBufferCopy(ctx, digest, sizeof digest);
}

void hash_install(JSContext *ctx, JSValueConst host) {
    host_method(ctx, host, "digest", js_digest, 2);
    host_method(ctx, host, "hmac", js_hmac, 3);
    host_method(ctx, host, "pbkdf2", js_pbkdf2, 5);
    host_method(ctx, host, "bcrypt", js_bcrypt, 3);
}
