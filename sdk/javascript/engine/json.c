/* The answer as text. What is plain, which is nearly all, is written here; for the rest there is JSON.stringify. */

#include <stdio.h>
#include <string.h>

#include "vestibule.h"

enum { DEPTH = 40 }; /* The host refuses what is deeper, and JSON.stringify what has no end. */

static JSAtom to_json;

static void put(JSContext *ctx, Text *text, const void *bytes, size_t length) {
    if (text->length + length > text->room) {
        text->room = (text->length + length) * 2;
        text->at = js_realloc(ctx, text->at, text->room);
        if (!text->at) fail("out of memory");
    }
    memcpy(text->at + text->length, bytes, length);
    text->length += length;
}

static void put_text(JSContext *ctx, Text *text, const char *words) { put(ctx, text, words, strlen(words)); }

static void put_character(JSContext *ctx, Text *text, uint8_t character) {
    static const char short_forms[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (const char *form = short_forms; *form; form += 2)
        if ((uint8_t)form[0] == character) return put(ctx, text, (char[]){'\\', form[1]}, 2);
    char written[8];
    if (character < 0x20) put(ctx, text, written, snprintf(written, sizeof written, "\\u%04x", character));
    else if (character < 0x80) put(ctx, text, &character, 1);
    else put(ctx, text, (uint8_t[]){0xc0 | character >> 6, 0x80 | (character & 0x3f)}, 2);
}

static bool put_string(JSContext *ctx, Text *text, JSValueConst string) {
    size_t length;
    const uint8_t *characters = slots_text(string, &length);
    if (!characters) return false;
    put(ctx, text, "\"", 1);
    for (size_t at = 0, from = 0; at <= length; at++) {
        bool is_itself = at < length && characters[at] >= 0x20 && characters[at] < 0x80 && characters[at] != '"' && characters[at] != '\\';
        if (is_itself) continue;
        put(ctx, text, characters + from, at - from);
        if (at < length) put_character(ctx, text, characters[at]);
        from = at + 1;
    }
    put(ctx, text, "\"", 1);
    return true;
}

static bool put_value(JSContext *ctx, Text *text, JSValueConst value, int depth);

static bool put_object(JSContext *ctx, Text *text, JSValueConst object, int depth) {
    uint32_t count = slots_count(object), written = 0;
    if (count == SLOTS_NOT_PLAIN || JS_HasProperty(ctx, object, to_json)) return false;
    put(ctx, text, "{", 1);
    for (uint32_t at = 0; at < count; at++) {
        Slot slot;
        SlotKind kind = slots_look(ctx, object, at, &slot);
        if (kind == SLOT_NONE) continue;
        JSValueConst value = kind == SLOT_LAZY ? given_value(ctx, slot.given) : slot.value;
        if (kind == SLOT_COMPUTED || JS_IsFunction(ctx, value) || JS_IsUndefined(value) || JS_IsSymbol(value)) return false;
        if (written++) put(ctx, text, ",", 1);
        JSValue key = JS_AtomToString(ctx, slot.key);
        bool is_written = put_string(ctx, text, key);
        JS_FreeValue(ctx, key);
        put(ctx, text, ":", 1);
        if (!is_written || !put_value(ctx, text, value, depth + 1)) return false;
    }
    put(ctx, text, "}", 1);
    return true;
}

static bool put_array(JSContext *ctx, Text *text, JSValueConst array, int depth) {
    uint32_t count;
    const JSValue *elements = slots_elements(array, &count);
    if (!elements || JS_HasProperty(ctx, array, to_json)) return false;
    put(ctx, text, "[", 1);
    for (uint32_t at = 0; at < count; at++) {
        if (at) put(ctx, text, ",", 1);
        if (!put_value(ctx, text, elements[at], depth + 1)) return false;
    }
    put(ctx, text, "]", 1);
    return true;
}

/* Writes a value that is plain; tells whether it was. Nothing of the rule's runs meanwhile. */
static bool put_value(JSContext *ctx, Text *text, JSValueConst value, int depth) {
    if (depth > DEPTH) return false;
    char number[16];
    switch (JS_VALUE_GET_TAG(value)) {
    case JS_TAG_NULL: return put_text(ctx, text, "null"), true;
    case JS_TAG_BOOL: return put_text(ctx, text, JS_VALUE_GET_BOOL(value) ? "true" : "false"), true;
    case JS_TAG_INT: return put(ctx, text, number, snprintf(number, sizeof number, "%d", JS_VALUE_GET_INT(value))), true;
    case JS_TAG_STRING: return put_string(ctx, text, value);
    case JS_TAG_OBJECT:
        return JS_IsArray(value) ? put_array(ctx, text, value, depth) : put_object(ctx, text, value, depth);
    default: return false;
    }
}

Text json_between(JSContext *ctx, const char *before, JSValueConst value, const char *after) {
    Text text = {NULL, 0, 0};
    put_text(ctx, &text, before);
    if (!put_value(ctx, &text, value, 0)) {
        text.length = strlen(before);
        JSValue json = checked(ctx, JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED));
        size_t length;
        const char *written = JS_ToCStringLen(ctx, &length, json);
        if (!written) fail_with_exception(ctx);
        put(ctx, &text, written, length);
        JS_FreeCString(ctx, written);
        JS_FreeValue(ctx, json);
    }
    put_text(ctx, &text, after);
    return text;
}

void json_intern(JSContext *ctx) { to_json = JS_NewAtom(ctx, "toJSON"); }
