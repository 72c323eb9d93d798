/* Objects by their slots: what the interface of QuickJS does not give, so this file is compiled as one with its source.
 *
 * QuickJS makes some members of its own objects when they are first looked at. That is what we need for the event, most
 * of which most rules never look at: one of its makers is given a second kind of member, ours. */

#include "quickjs.h"

typedef struct JSObject JSObject;

static JSValue js_bytecode_autoinit(JSContext *ctx, JSObject *object, JSAtom key, void *opaque);
/* Where it is defined or called, but not where it is named in the table of makers. */
#define js_bytecode_autoinit(ctx, object, key, opaque) js_bytecode_autoinit_of_quickjs(ctx, object, key, opaque)
#include "quickjs.c"
#undef js_bytecode_autoinit

#include "vestibule.h"

static bool is_ours(const void *opaque) {
    enum { NUMBERS = 4096 };
    return (uintptr_t)opaque >= NUMBERS;
}

/* Stands in the table of makers where QuickJS's own stood; that one is told what to make by a small number. */
static JSValue js_bytecode_autoinit(JSContext *ctx, JSObject *object, JSAtom key, void *opaque) {
    if (!is_ours(opaque)) return js_bytecode_autoinit_of_quickjs(ctx, object, key, opaque);
    return JS_DupValue(ctx, given_value(ctx, opaque));
}

/* ---- Making ---- */

static void put_lazily(JSContext *ctx, JSProperty *property, Given *given) {
    property->u.init.realm_and_id = (uintptr_t)JS_DupContext(ctx) | JS_AUTOINIT_ID_BYTECODE;
    property->u.init.opaque = given;
}

JSValue slots_object(JSContext *ctx, const Slot *slots, uint32_t count) {
    int room = count < JS_PROP_INITIAL_SIZE ? JS_PROP_INITIAL_SIZE : (int)count, hash_size = JS_PROP_INITIAL_HASH_SIZE;
    while (hash_size < room) hash_size *= 2;
    JSShape *shape = js_new_shape_nohash(ctx, JS_VALUE_GET_OBJ(ctx->class_proto[JS_CLASS_OBJECT]), hash_size, room);
    JSValue object = shape ? JS_NewObjectFromShape(ctx, shape, JS_CLASS_OBJECT, NULL) : JS_EXCEPTION;
    if (JS_IsException(object)) return object;
    JSProperty *properties = JS_VALUE_GET_OBJ(object)->prop;
    JSShapeProperty *names = get_shape_prop(shape);
    uint32_t *hash_end = prop_hash_end(shape);
    for (uint32_t at = 0; at < count; at++) {
        const Slot *slot = &slots[at];
        bool is_lazy = slot->given && !given_is_made(slot->given);
        intptr_t bucket = hash_atom(slot->key, hash_size - 1);
        names[at].atom = JS_DupAtom(ctx, slot->key);
        names[at].flags = is_lazy ? JS_PROP_C_W_E | JS_PROP_AUTOINIT : JS_PROP_C_W_E;
        names[at].hash_next = hash_end[-bucket - 1];
        hash_end[-bucket - 1] = at + 1;
        if (is_lazy) put_lazily(ctx, &properties[at], slot->given);
        else properties[at].u.value = js_dup(slot->given ? given_value(ctx, slot->given) : slot->value);
    }
    shape->prop_count = count;
    return object;
}

/* ---- Looking ---- */

uint32_t slots_count(JSValueConst object) {
    JSObject *p = JS_VALUE_GET_OBJ(object);
    bool is_plain = p->class_id == JS_CLASS_OBJECT && !p->is_exotic;
    if (!is_plain) return SLOTS_NOT_PLAIN;
    JSShapeProperty *names = get_shape_prop(p->shape);
    for (int at = 0; at < p->shape->prop_count; at++)
        if (__JS_AtomIsTaggedInt(names[at].atom)) return SLOTS_NOT_PLAIN; /* Such members come first, in order of number. */
    return p->shape->prop_count;
}

SlotKind slots_look(JSContext *ctx, JSValueConst object, uint32_t at, Slot *found) {
    JSObject *p = JS_VALUE_GET_OBJ(object);
    if (at >= (uint32_t)p->shape->prop_count) return SLOT_NONE; /* A getter may have taken some away. */
    JSShapeProperty *name = &get_shape_prop(p->shape)[at];
    JSProperty *property = &p->prop[at];
    *found = (Slot){name->atom, NULL, JS_UNDEFINED};
    if (name->atom == JS_ATOM_NULL || !(name->flags & JS_PROP_ENUMERABLE) || JS_AtomGetKind(ctx, name->atom) != JS_ATOM_KIND_STRING)
        return SLOT_NONE;
    switch (name->flags & JS_PROP_TMASK) {
    case JS_PROP_NORMAL: found->value = property->u.value; return SLOT_VALUE;
    case JS_PROP_AUTOINIT:
        if (js_autoinit_get_id(property) != JS_AUTOINIT_ID_BYTECODE || !is_ours(property->u.init.opaque)) return SLOT_COMPUTED;
        found->given = property->u.init.opaque;
        return SLOT_LAZY;
    default: return SLOT_COMPUTED;
    }
}

/* Whether it is the very value that was given. What is given as an object has to be untouched besides. */
static bool is_given(const Slot *slot, JSValueConst value) {
    if (slot->given) return given_is(slot->given, value) && given_is_untouched(slot->given);
    return !memcmp(&slot->value, &value, sizeof value);
}

bool slots_are(JSValueConst object, const Slot *slots, uint32_t count) {
    JSObject *p = JS_VALUE_GET_OBJ(object);
    if (p->class_id == JS_CLASS_ARRAY) {
        if (!p->fast_array || p->u.array.count != count || p->shape->prop_count != 1) return false;
        for (uint32_t at = 0; at < count; at++)
            if (!is_given(&slots[at], p->u.array.u.values[at])) return false;
        return JS_VALUE_GET_INT(p->prop[0].u.value) == (int)count;
    }
    if (p->shape->prop_count != (int)count) return false;
    JSShapeProperty *names = get_shape_prop(p->shape);
    for (uint32_t at = 0; at < count; at++) {
        if (names[at].atom != slots[at].key) return false;
        if (names[at].flags == (JS_PROP_C_W_E | JS_PROP_AUTOINIT)) {
            if (p->prop[at].u.init.opaque != slots[at].given) return false;
        } else if (names[at].flags != JS_PROP_C_W_E || !is_given(&slots[at], p->prop[at].u.value)) {
            return false;
        }
    }
    return true;
}

const JSValue *slots_elements(JSValueConst array, uint32_t *count) {
    static const JSValue none;
    JSObject *p = JS_VALUE_GET_OBJ(array);
    bool is_whole = p->class_id == JS_CLASS_ARRAY && p->fast_array && JS_VALUE_GET_TAG(p->prop[0].u.value) == JS_TAG_INT &&
                    JS_VALUE_GET_INT(p->prop[0].u.value) == (int)p->u.array.count;
    *count = p->u.array.count;
    return !is_whole ? NULL : *count ? p->u.array.u.values : &none;
}

/* ---- Text ---- */

const uint8_t *slots_text(JSValueConst string, size_t *length) {
    if (JS_VALUE_GET_TAG(string) != JS_TAG_STRING) return NULL; /* Or a rope, which is not in one piece. */
    JSString *text = JS_VALUE_GET_STRING(string);
    *length = text->len;
    return text->is_wide_char ? NULL : str8(text);
}

/* ---- Promises ---- */

JSValue slots_pending_promise(JSContext *ctx) {
    JSValue promise = JS_NewObjectClass(ctx, JS_CLASS_PROMISE);
    JSPromiseData *state = JS_IsException(promise) ? NULL : js_mallocz(ctx, sizeof *state);
    if (!state) return JS_EXCEPTION;
    state->promise_state = JS_PROMISE_PENDING;
    for (int kind = 0; kind < 2; kind++) init_list_head(&state->promise_reactions[kind]);
    state->promise_result = JS_UNDEFINED;
    JS_SetOpaqueInternal(promise, state);
    return promise;
}

bool slots_is_awaited(JSValueConst promise) {
    JSPromiseData *state = JS_GetOpaque(promise, JS_CLASS_PROMISE);
    return state && !list_empty(&state->promise_reactions[0]);
}

void slots_fulfil(JSContext *ctx, JSValueConst promise, JSValueConst value) {
    fulfill_or_reject_promise(ctx, promise, value, false);
}

/* ---- What need not be kept with a heap ---- */

/* Whether a function is of a file of ours: `vestibule:…`. */
static bool is_of_ours(JSRuntime *rt, const JSFunctionBytecode *function) {
    char name[ATOM_GET_STR_BUF_SIZE];
    return !strncmp(JS_AtomGetStrRT(rt, name, sizeof name, function->filename), "vestibule:", 10);
}

/* Every function keeps its text, and so do those around it. */
static void forget_sources(JSRuntime *rt) {
    struct list_head *link;
    list_for_each(link, &rt->gc_obj_list) {
        JSGCObjectHeader *header = list_entry(link, JSGCObjectHeader, link);
        if (JS_GC_TYPE(header) != JS_GC_OBJ_TYPE_FUNCTION_BYTECODE) continue;
        JSFunctionBytecode *function = (JSFunctionBytecode *)header;
        if (!function->source || !is_of_ours(rt, function)) continue;
        js_free_rt(rt, function->source);
        function->source = NULL;
        function->source_len = 0;
    }
}

/* Clears the small blocks that are free; parsing leaves many. */
static void clear_free_blocks(JSRuntime *rt) {
    for (int index = 0; index < JS_ARENA_BLOCK_SIZE_COUNT; index++) {
        struct list_head *link;
        list_for_each(link, &rt->arena_state.free_arena_list[index]) {
            JSArena *arena = list_entry(link, JSArena, free_link);
            unsigned int size = arena_block_sizes[index];
            for (unsigned int at = arena->first_free_block; at != JS_ARENA_FREE_NIL;) {
                JSMallocBlockHeader *block = arena_get_block(arena, at, size);
                block->gc_obj_type = block->mark = block->ref_count = 0;
                memset(block->user_data, 0, size - sizeof *block);
                at = block->u.free_next;
            }
        }
    }
}

void slots_tidy(JSRuntime *rt) {
    forget_sources(rt);
    clear_free_blocks(rt);
}
