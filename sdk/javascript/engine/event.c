/* Event form 1 (crates/abi/src/document.rs) as JavaScript objects.
 *
 * The document comes from the host and is trusted to be one; it is read within its bounds all the same. */

#include <string.h>

#include "vestibule.h"

enum { TAG_NULL, TAG_FALSE, TAG_TRUE, TAG_INTEGER, TAG_FLOAT, TAG_STRING, TAG_ARRAY, TAG_OBJECT, TAG_SYMBOL };
enum { HEADER_BYTES = 16, HEAD_BYTES = 8, DEPTH = 32 };

typedef struct Head {
    uint8_t tag, flags;
    uint16_t aux;
    uint32_t length;
} Head;

typedef struct Builder {
    JSContext *ctx;
    const uint8_t *at, *end;
    Original *values;
    uint32_t count, room;
} Builder;

static const char *const symbol_names[] = {
#include "symbols.inc" /* generated: the names of crates/abi/src/symbols.rs, each as a literal with a comma */
};

enum { SYMBOL_COUNT = sizeof symbol_names / sizeof *symbol_names };

static JSAtom symbols[SYMBOL_COUNT];

void event_intern(JSContext *ctx) {
    for (int id = 0; id < SYMBOL_COUNT; id++) symbols[id] = JS_NewAtom(ctx, symbol_names[id]);
}

static Head take_head(Builder *b) {
    Head head;
    if (b->end - b->at < HEAD_BYTES) fail("the event document ends early");
    memcpy(&head, b->at, HEAD_BYTES);
    b->at += HEAD_BYTES;
    if ((size_t)(b->end - b->at) < head.length) fail("the event document ends early");
    return head;
}

static const uint8_t *take_payload(Builder *b, const Head *head) {
    const uint8_t *payload = b->at;
    size_t padded = ((size_t)head->length + 7) & ~(size_t)7;
    b->at += padded < (size_t)(b->end - b->at) ? padded : (size_t)(b->end - b->at);
    return payload;
}

static uint32_t remember(Builder *b, JSAtom key, JSValue value) {
    if (b->count == b->room) {
        b->room *= 2;
        b->values = js_realloc(b->ctx, b->values, b->room * sizeof *b->values);
        if (!b->values) fail("out of memory");
    }
    b->values[b->count] = (Original){value, key, b->count + 1};
    return b->count++;
}

static JSAtom take_key(Builder *b) {
    Head head = take_head(b);
    const uint8_t *payload = take_payload(b, &head);
    if (head.tag == TAG_SYMBOL && head.aux < SYMBOL_COUNT) return JS_DupAtom(b->ctx, symbols[head.aux]);
    if (head.tag == TAG_STRING) return JS_NewAtomLen(b->ctx, (const char *)payload, head.length);
    fail("the event document has a key that is none");
}

static JSValue build(Builder *b, JSAtom key, int depth);

static JSValue build_array(Builder *b, JSAtom key, const uint8_t *end, int depth) {
    JSValue array = JS_NewArray(b->ctx);
    uint32_t self = remember(b, key, array);
    for (uint32_t index = 0; b->at < end; index++)
        JS_DefinePropertyValueUint32(b->ctx, array, index, JS_DupValue(b->ctx, build(b, JS_ATOM_NULL, depth + 1)),
                                     JS_PROP_C_W_E);
    b->values[self].end = b->count;
    return array;
}

static JSValue build_object(Builder *b, JSAtom key, const uint8_t *end, int depth) {
    JSValue object = JS_NewObject(b->ctx);
    uint32_t self = remember(b, key, object);
    while (b->at < end) {
        JSAtom name = take_key(b);
        JS_DefinePropertyValue(b->ctx, object, name, JS_DupValue(b->ctx, build(b, name, depth + 1)), JS_PROP_C_W_E);
    }
    b->values[self].end = b->count;
    return object;
}

/* Builds the next value and remembers it; the reference it is remembered by is never given up. */
static JSValue build(Builder *b, JSAtom key, int depth) {
    if (depth > DEPTH + 1) fail("the event document is nested too deep");
    Head head = take_head(b);
    if (head.tag == TAG_ARRAY) return build_array(b, key, b->at + head.length, depth);
    if (head.tag == TAG_OBJECT) return build_object(b, key, b->at + head.length, depth);
    const uint8_t *payload = take_payload(b, &head);
    JSValue value = JS_NULL;
    int64_t integer;
    double number;
    switch (head.tag) {
    case TAG_FALSE: value = JS_FALSE; break;
    case TAG_TRUE: value = JS_TRUE; break;
    case TAG_INTEGER:
        memcpy(&integer, payload, sizeof integer);
        value = JS_NewInt64(b->ctx, integer);
        break;
    case TAG_FLOAT:
        memcpy(&number, payload, sizeof number);
        value = JS_NewFloat64(b->ctx, number);
        break;
    case TAG_STRING: value = JS_NewStringLen(b->ctx, (const char *)payload, head.length); break;
    default: break; /* A tag of a later version reads as null. */
    }
    remember(b, key, value);
    return value;
}

Event event_build(JSContext *ctx, const uint8_t *document, size_t length) {
    if (length < HEADER_BYTES || memcmp(document, "vst1", 4)) fail("the event is no document");
    Builder b = {ctx, document + HEADER_BYTES, document + length, NULL, 0, 128};
    b.values = js_malloc(ctx, b.room * sizeof *b.values);
    if (!b.values) fail("out of memory");
    build(&b, JS_ATOM_NULL, 0);
    return (Event){b.values, b.count};
}

uint32_t event_member(const Event *event, uint32_t parent, JSAtom key) {
    if (parent == NO_ORIGINAL) return NO_ORIGINAL;
    for (uint32_t child = parent + 1; child < event->values[parent].end; child = event->values[child].end)
        if (event->values[child].key == key) return child;
    return NO_ORIGINAL;
}

JSValue event_value(const Event *event, uint32_t index) {
    return index == NO_ORIGINAL ? JS_UNDEFINED : event->values[index].value;
}
