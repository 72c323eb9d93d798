/* The event as the rule receives it: form 1 (crates/abi/src/document.rs), made into objects as far as the rule looks.
 *
 * The document comes from the host and is trusted to be one; it is read within its bounds all the same. */

#include <string.h>

#include "vestibule.h"

enum { TAG_NULL, TAG_FALSE, TAG_TRUE, TAG_INTEGER, TAG_FLOAT, TAG_STRING, TAG_ARRAY, TAG_OBJECT, TAG_SYMBOL };
enum { HEADER_BYTES = 16, HEAD_BYTES = 8 };

static const char *const symbol_names[] = {
#include "symbols.inc" /* generated: the names of crates/abi/src/symbols.rs, each as a literal with a comma */
};

enum { SYMBOL_COUNT = sizeof symbol_names / sizeof *symbol_names };

static JSAtom symbols[SYMBOL_COUNT];

void event_intern(JSContext *ctx) {
    for (int id = 0; id < SYMBOL_COUNT; id++) symbols[id] = JS_NewAtom(ctx, symbol_names[id]);
}

/* ---- Reading ---- */

typedef struct Cursor {
    const uint8_t *at, *end;
} Cursor;

typedef struct Head {
    uint8_t tag, flags;
    uint16_t aux;
    uint32_t length;
} Head;

static Head take_head(Cursor *from) {
    Head head;
    if (from->end - from->at < HEAD_BYTES) fail("the event document ends early");
    memcpy(&head, from->at, HEAD_BYTES);
    from->at += HEAD_BYTES;
    if ((size_t)(from->end - from->at) < head.length) fail("the event document ends early");
    return head;
}

static const uint8_t *take_payload(Cursor *from, const Head *head) {
    const uint8_t *payload = from->at;
    size_t padded = ((size_t)head->length + 7) & ~(size_t)7, left = from->end - from->at;
    from->at += padded < left ? padded : left;
    return payload;
}

static JSAtom take_key(JSContext *ctx, Cursor *from) {
    Head head = take_head(from);
    const uint8_t *payload = take_payload(from, &head);
    if (head.tag == TAG_SYMBOL && head.aux < SYMBOL_COUNT) return JS_DupAtom(ctx, symbols[head.aux]);
    if (head.tag == TAG_STRING) return JS_NewAtomLen(ctx, (const char *)payload, head.length);
    fail("the event document has a key that is none");
}

static JSValue scalar(JSContext *ctx, const Head *head, const uint8_t *payload) {
    int64_t integer;
    double number;
    switch (head->tag) {
    case TAG_FALSE: return JS_FALSE;
    case TAG_TRUE: return JS_TRUE;
    case TAG_INTEGER: memcpy(&integer, payload, sizeof integer); return JS_NewInt64(ctx, integer);
    case TAG_FLOAT: memcpy(&number, payload, sizeof number); return JS_NewFloat64(ctx, number);
    case TAG_STRING: return checked(ctx, JS_NewStringLen(ctx, (const char *)payload, head->length));
    default: return JS_NULL; /* A tag of a later version reads as null. */
    }
}

/* ---- What is given ---- */

struct Given {
    JSValue made;        /* the object or array, once somebody looked at it; `undefined` before */
    const uint8_t *from; /* its members in the document; NULL: they are those of `like` */
    JSValue like;        /* what stands in for a value that the event lacks */
    uint32_t length;     /* bytes in the document */
    bool is_array, is_read;
    uint32_t count, room;
    Slot *slots; /* its members, in order, once they were read */
};

static Given *new_given(JSContext *ctx, Given what) {
    Given *given = js_malloc(ctx, sizeof *given);
    if (!given) fail("out of memory");
    *given = what;
    given->made = JS_UNDEFINED;
    return given;
}

static Given *given_like(JSContext *ctx, JSValueConst like) {
    return new_given(ctx, (Given){.like = like, .is_array = JS_IsArray(like)});
}

/* A member that is added, or one of the same key that is replaced. */
static void put_slot(JSContext *ctx, Given *given, Slot slot) {
    if (given->count == given->room) {
        given->room = given->room ? given->room * 2 : 8;
        given->slots = js_realloc(ctx, given->slots, given->room * sizeof *given->slots);
        if (!given->slots) fail("out of memory");
    }
    given->slots[given->count++] = slot;
}

static Slot slot_of(JSContext *ctx, JSAtom key, JSValueConst value) {
    if (JS_IsObject(value)) return (Slot){key, given_like(ctx, value), JS_UNDEFINED};
    return (Slot){key, NULL, JS_DupValue(ctx, value)};
}

static void read_like(JSContext *ctx, Given *given) {
    if (given->is_array) {
        int64_t length;
        if (JS_GetLength(ctx, given->like, &length)) fail_with_exception(ctx);
        for (int64_t at = 0; at < length; at++)
            put_slot(ctx, given, slot_of(ctx, JS_ATOM_NULL, checked(ctx, JS_GetPropertyInt64(ctx, given->like, at))));
        return;
    }
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, given->like, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        fail_with_exception(ctx);
    for (uint32_t at = 0; at < count; at++)
        put_slot(ctx, given, slot_of(ctx, names[at].atom, checked(ctx, JS_GetProperty(ctx, given->like, names[at].atom))));
}

static void read_document(JSContext *ctx, Given *given) {
    Cursor from = {given->from, given->from + given->length};
    while (from.at < from.end) {
        Slot slot = {given->is_array ? JS_ATOM_NULL : take_key(ctx, &from), NULL, JS_UNDEFINED};
        Head head = take_head(&from);
        const uint8_t *payload = take_payload(&from, &head);
        if (head.tag == TAG_ARRAY || head.tag == TAG_OBJECT)
            slot.given = new_given(ctx, (Given){.from = payload, .length = head.length, .is_array = head.tag == TAG_ARRAY});
        else slot.value = scalar(ctx, &head, payload);
        put_slot(ctx, given, slot);
    }
}

static void read(JSContext *ctx, Given *given) {
    if (given->is_read) return;
    given->is_read = true;
    if (given->from) read_document(ctx, given);
    else read_like(ctx, given);
}

JSValueConst given_value(JSContext *ctx, Given *given) {
    if (given_is_made(given)) return given->made;
    read(ctx, given);
    if (given->is_array) {
        JSValue *elements = js_malloc(ctx, (given->count + 1) * sizeof *elements);
        if (!elements) fail("out of memory");
        for (uint32_t at = 0; at < given->count; at++) {
            Slot *slot = &given->slots[at];
            elements[at] = JS_DupValue(ctx, slot->given ? given_value(ctx, slot->given) : slot->value);
        }
        given->made = checked(ctx, JS_NewArrayFrom(ctx, given->count, elements));
        js_free(ctx, elements);
    } else {
        given->made = checked(ctx, slots_object(ctx, given->slots, given->count));
    }
    return given->made;
}

Given *given_again(JSContext *ctx, const Given *given) { return new_given(ctx, *given); }

bool given_is_made(const Given *given) { return JS_IsObject(given->made); }

bool given_is_array(const Given *given) { return given->is_array; }

bool given_is(const Given *given, JSValueConst value) {
    return given_is_made(given) && JS_IsObject(value) && JS_VALUE_GET_PTR(given->made) == JS_VALUE_GET_PTR(value);
}

bool given_is_untouched(const Given *given) {
    return !given_is_made(given) || slots_are(given->made, given->slots, given->count);
}

const Slot *given_slots(JSContext *ctx, Given *given, uint32_t *count) {
    *count = 0;
    if (!given) return NULL;
    read(ctx, given);
    *count = given->count;
    return given->slots;
}

const Slot *given_slot(JSContext *ctx, Given *given, JSAtom key) {
    uint32_t count;
    const Slot *slots = given_slots(ctx, given, &count);
    for (uint32_t at = 0; at < count; at++)
        if (slots[at].key == key) return &slots[at];
    return NULL;
}

Given *given_member(JSContext *ctx, Given *given, JSAtom key) {
    const Slot *slot = given_slot(ctx, given, key);
    return slot ? slot->given : NULL;
}

/* ---- What the contract with rules adds to the event ---- */

void given_leave_out(JSContext *ctx, Given *given, JSAtom key) {
    Slot *slot = (Slot *)given_slot(ctx, given, key);
    if (!slot) return;
    size_t behind = given->slots + given->count - (slot + 1);
    memmove(slot, slot + 1, behind * sizeof *slot);
    given->count--;
}

void given_add(JSContext *ctx, Given *given, Slot slot) {
    Slot *known = (Slot *)given_slot(ctx, given, slot.key);
    slot.is_added = !known;
    if (known) *known = slot;
    else put_slot(ctx, given, slot);
}

Given *event_given(JSContext *ctx, const uint8_t *document, size_t length) {
    if (length < HEADER_BYTES || memcmp(document, "vst1", 4)) fail("the event is no document");
    Cursor from = {document + HEADER_BYTES, document + length};
    Head head = take_head(&from);
    return new_given(ctx, (Given){.from = from.at, .length = head.length, .is_array = head.tag == TAG_ARRAY});
}

Given *event_like(JSContext *ctx, JSValueConst value) { return given_like(ctx, JS_DupValue(ctx, value)); }
