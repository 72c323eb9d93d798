/* What a rule did to a value, found by comparing what it became with what it was given: `__host.changes(path, value)`.
 *
 * Values are compared by identity first; what is not identical is compared member by member, so that a copy of an
 * unchanged object is no change. Differences are rolled up to the first level: a changed member is given whole, one that
 * is gone as `null`. What is made of the differences is the prelude's business. */

#include <string.h>

#include "vestibule.h"

enum { DEPTH = 40 }; /* Deeper than any document: what it does not hold is refused by the host. */

/* ---- Comparing ---- */

typedef struct Keys {
    JSPropertyEnum *names;
    uint32_t count;
} Keys;

static Keys keys_of(JSContext *ctx, JSValueConst object) {
    Keys keys;
    if (JS_GetOwnPropertyNames(ctx, &keys.names, &keys.count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        fail_with_exception(ctx);
    return keys;
}

/* Whether there is such a key; it mostly stands where it stood in the document. */
static bool has_key(const Keys *keys, uint32_t guess, JSAtom key) {
    if (guess < keys->count && keys->names[guess].atom == key) return true;
    for (uint32_t at = 0; at < keys->count; at++)
        if (keys->names[at].atom == key) return true;
    return false;
}

static bool is_same(JSContext *ctx, const Event *event, uint32_t original, JSValueConst current, int depth);

static bool is_same_array(JSContext *ctx, const Event *event, uint32_t original, JSValueConst current, int depth) {
    int64_t length, index = 0;
    if (!JS_IsArray(current)) return false;
    if (JS_GetLength(ctx, current, &length)) fail_with_exception(ctx);
    uint32_t end = event->values[original].end;
    for (uint32_t child = original + 1; child < end; child = event->values[child].end, index++) {
        if (index >= length) return false;
        JSValue element = checked(ctx, JS_GetPropertyInt64(ctx, current, index));
        bool same = is_same(ctx, event, child, element, depth + 1);
        JS_FreeValue(ctx, element);
        if (!same) return false;
    }
    return index == length;
}

static bool is_same_object(JSContext *ctx, const Event *event, uint32_t original, JSValueConst current, int depth) {
    if (!JS_IsObject(current) || JS_IsArray(current) || JS_IsFunction(ctx, current) || JS_IsDate(current)) return false;
    Keys keys = keys_of(ctx, current);
    uint32_t end = event->values[original].end, at = 0;
    bool same = true;
    for (uint32_t child = original + 1; same && child < end; child = event->values[child].end, at++) {
        JSAtom key = event->values[child].key;
        if (!has_key(&keys, at, key)) {
            same = false;
            break;
        }
        JSValue member = checked(ctx, JS_GetProperty(ctx, current, key));
        same = is_same(ctx, event, child, member, depth + 1);
        JS_FreeValue(ctx, member);
    }
    same = same && at == keys.count;
    JS_FreePropertyEnum(ctx, keys.names, keys.count);
    return same;
}

static bool is_same(JSContext *ctx, const Event *event, uint32_t original, JSValueConst current, int depth) {
    if (original == NO_ORIGINAL || depth > DEPTH) return false;
    JSValue was = event->values[original].value;
    if (!JS_IsObject(was)) return JS_IsStrictEqual(ctx, was, current);
    return JS_IsArray(was) ? is_same_array(ctx, event, original, current, depth)
                           : is_same_object(ctx, event, original, current, depth);
}

/* ---- Rolling up ---- */

/* Whether JSON has a word for it: functions, symbols and `undefined` it leaves out. */
static bool can_be_said(JSContext *ctx, JSValueConst value) {
    return !JS_IsUndefined(value) && !JS_IsFunction(ctx, value) && !JS_IsSymbol(value);
}

/* The object that differences are collected in; made when there is one. */
static void set_change(JSContext *ctx, JSValue *changes, JSAtom key, JSValue value) {
    if (JS_IsUndefined(*changes)) *changes = JS_NewObject(ctx);
    if (JS_DefinePropertyValue(ctx, *changes, key, value, JS_PROP_C_W_E) < 0) fail_with_exception(ctx);
}

static JSValue changes_between(JSContext *ctx, const Event *event, uint32_t original, JSValueConst current) {
    JSValue changes = JS_UNDEFINED;
    Keys keys = {NULL, 0};
    if (JS_IsObject(current)) keys = keys_of(ctx, current);
    for (uint32_t at = 0; at < keys.count; at++) {
        JSAtom key = keys.names[at].atom;
        uint32_t was = event_member(event, original, key);
        JSValue value = checked(ctx, JS_GetProperty(ctx, current, key));
        if (is_same(ctx, event, was, value, 0)) JS_FreeValue(ctx, value);
        else if (can_be_said(ctx, value)) set_change(ctx, &changes, key, value);
        else if (was != NO_ORIGINAL) set_change(ctx, &changes, key, JS_NULL);
    }
    bool was_object = original != NO_ORIGINAL && JS_IsObject(event->values[original].value);
    uint32_t end = was_object ? event->values[original].end : 0, at = 0;
    for (uint32_t child = original + 1; child < end; child = event->values[child].end, at++)
        if (!has_key(&keys, at, event->values[child].key)) set_change(ctx, &changes, event->values[child].key, JS_NULL);
    if (keys.names) JS_FreePropertyEnum(ctx, keys.names, keys.count);
    return changes;
}

/* The value at a path such as `context.idToken`. */
static uint32_t original_at(JSContext *ctx, const Event *event, const char *path) {
    uint32_t original = 0;
    while (original != NO_ORIGINAL && *path) {
        size_t length = strcspn(path, ".");
        original = event_member(event, original, JS_NewAtomLen(ctx, path, length));
        path += length + (path[length] == '.');
    }
    return original;
}

/* `changes(path, value)`: the members that differ, as an object, or `undefined` when none does. */
static JSValue js_changes(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    const Event *event = event_of_login();
    const char *path = JS_ToCString(ctx, argv[0]);
    if (!path) return JS_EXCEPTION;
    uint32_t original = event ? original_at(ctx, event, path) : NO_ORIGINAL;
    JS_FreeCString(ctx, path);
    return event ? changes_between(ctx, event, original, argv[1]) : JS_UNDEFINED;
}

void changes_install(JSContext *ctx, JSValueConst host) {
    JS_DefinePropertyValueStr(ctx, host, "changes", JS_NewCFunction(ctx, js_changes, "changes", 2),
                              JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
}
