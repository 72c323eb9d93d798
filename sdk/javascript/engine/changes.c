/* What a rule did to what it was given: `__host.changes(path, value)`.
 *
 * What the rule never looked at, or left as it was, is told by its slots. All else is compared member by member, so that a
 * copy of an unchanged object is no change. Differences are rolled up to the first level: a changed member is given whole,
 * one that is gone as `null`. What is made of the differences is the prelude's business. */

#include <string.h>

#include "vestibule.h"

enum { DEPTH = 40 }; /* Deeper than any document: what it does not hold is refused by the host. */

/* ---- The members of an object, as JSON sees them ---- */

typedef struct Members {
    JSContext *ctx;
    JSValueConst object;
    uint32_t at, count;
    JSPropertyEnum *names; /* NULL: the object is plain, its slots are looked at */
} Members;

typedef struct Member {
    JSAtom key;
    Given *lazy;   /* given, and never looked at; then there is no value */
    JSValue value; /* to be freed */
} Member;

static Members members_of(JSContext *ctx, JSValueConst object) {
    Members members = {ctx, object, 0, 0, NULL};
    if (!JS_IsObject(object)) return members;
    members.count = slots_count(object);
    if (members.count != SLOTS_NOT_PLAIN) return members;
    if (JS_GetOwnPropertyNames(ctx, &members.names, &members.count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        fail_with_exception(ctx);
    return members;
}

static bool next_member(Members *members, Member *member) {
    JSContext *ctx = members->ctx;
    while (members->at < members->count) {
        uint32_t at = members->at++;
        Slot slot = {members->names ? members->names[at].atom : JS_ATOM_NULL, NULL, JS_UNDEFINED};
        SlotKind kind = members->names ? SLOT_COMPUTED : slots_look(ctx, members->object, at, &slot);
        if (kind == SLOT_NONE) continue;
        *member = (Member){slot.key, slot.given, JS_UNDEFINED};
        if (kind == SLOT_VALUE) member->value = JS_DupValue(ctx, slot.value);
        if (kind == SLOT_COMPUTED) member->value = checked(ctx, JS_GetProperty(ctx, members->object, slot.key));
        return true;
    }
    if (members->names) JS_FreePropertyEnum(ctx, members->names, members->count);
    members->names = NULL;
    return false;
}

/* ---- Comparing ---- */

static bool is_same(JSContext *ctx, const Slot *was, const Member *now, int depth);

/* The slot of that key; it mostly stands where the member stands. */
static const Slot *slot_for(const Slot *slots, uint32_t count, uint32_t guess, JSAtom key) {
    if (guess < count && slots[guess].key == key) return &slots[guess];
    for (uint32_t at = 0; at < count; at++)
        if (slots[at].key == key) return &slots[at];
    return NULL;
}

static bool is_same_array(JSContext *ctx, Given *was, JSValueConst now, int depth) {
    int64_t length;
    uint32_t count;
    if (!JS_IsArray(now)) return false;
    if (JS_GetLength(ctx, now, &length)) fail_with_exception(ctx);
    const Slot *slots = given_slots(ctx, was, &count);
    if (length != count) return false;
    for (uint32_t at = 0; at < count; at++) {
        Member element = {JS_ATOM_NULL, NULL, checked(ctx, JS_GetPropertyUint32(ctx, now, at))};
        bool same = is_same(ctx, &slots[at], &element, depth + 1);
        JS_FreeValue(ctx, element.value);
        if (!same) return false;
    }
    return true;
}

static bool is_same_object(JSContext *ctx, Given *was, JSValueConst now, int depth) {
    if (!JS_IsObject(now) || JS_IsArray(now) || JS_IsFunction(ctx, now) || JS_IsDate(now)) return false;
    uint32_t count, known = 0;
    const Slot *slots = given_slots(ctx, was, &count);
    Members members = members_of(ctx, now);
    Member member;
    bool same = true;
    while (next_member(&members, &member)) {
        const Slot *slot = same ? slot_for(slots, count, known, member.key) : NULL;
        same = slot && is_same(ctx, slot, &member, depth + 1);
        known++;
        JS_FreeValue(ctx, member.value);
    }
    return same && known == count;
}

static bool is_same(JSContext *ctx, const Slot *was, const Member *now, int depth) {
    if (depth > DEPTH) return false;
    if (!was->given) return !now->lazy && JS_IsStrictEqual(ctx, was->value, now->value);
    if (now->lazy == was->given) return true;
    JSValueConst value = now->lazy ? given_value(ctx, now->lazy) : now->value;
    if (given_is(was->given, value) && given_is_untouched(was->given)) return true;
    return given_is_array(was->given) ? is_same_array(ctx, was->given, value, depth)
                                      : is_same_object(ctx, was->given, value, depth);
}

/* ---- Rolling up ---- */

/* Whether JSON has a word for it: functions, symbols and `undefined` it leaves out. */
static bool can_be_said(JSContext *ctx, JSValueConst value) {
    return !JS_IsUndefined(value) && !JS_IsFunction(ctx, value) && !JS_IsSymbol(value);
}

/* The object that differences are collected in; made when there is one. It has no prototype, as a rule may have put
   anything there. */
static void set_change(JSContext *ctx, JSValue *changes, JSAtom key, JSValue value) {
    if (JS_IsUndefined(*changes)) *changes = JS_NewObjectProto(ctx, JS_NULL);
    if (JS_DefinePropertyValue(ctx, *changes, key, value, JS_PROP_C_W_E) < 0) fail_with_exception(ctx);
}

static JSValue changes_between(JSContext *ctx, Given *was, JSValueConst now) {
    if (was && given_is(was, now) && given_is_untouched(was)) return JS_UNDEFINED;
    JSValue changes = JS_UNDEFINED;
    uint32_t count, position = 0;
    const Slot *slots = given_slots(ctx, was, &count);
    uint8_t *is_there = js_mallocz(ctx, count + 1);
    if (!is_there) fail("out of memory");
    Members members = members_of(ctx, now);
    Member member;
    while (next_member(&members, &member)) {
        const Slot *slot = slot_for(slots, count, position++, member.key);
        if (slot) is_there[slot - slots] = true;
        if (slot && is_same(ctx, slot, &member, 0)) {
            JS_FreeValue(ctx, member.value);
            continue;
        }
        JSValue value = member.lazy ? JS_DupValue(ctx, given_value(ctx, member.lazy)) : member.value;
        if (can_be_said(ctx, value)) set_change(ctx, &changes, member.key, value);
        else if (slot) is_there[slot - slots] = false;
    }
    for (uint32_t at = 0; at < count; at++)
        if (!is_there[at] && !slots[at].is_added) set_change(ctx, &changes, slots[at].key, JS_NULL);
    js_free(ctx, is_there);
    return changes;
}

/* The paths that are asked about, as `user.app_metadata`. */
static struct {
    JSAtom path, first, second; /* `second` may be JS_ATOM_NULL */
} paths[8];
static uint32_t path_count;

static void know_path(JSContext *ctx, const char *path) {
    const char *dot = strchr(path, '.');
    size_t length = dot ? (size_t)(dot - path) : strlen(path);
    paths[path_count].path = JS_NewAtom(ctx, path);
    paths[path_count].first = JS_NewAtomLen(ctx, path, length);
    paths[path_count++].second = dot ? JS_NewAtom(ctx, dot + 1) : JS_ATOM_NULL;
}

static Given *given_at(JSContext *ctx, JSAtom path) {
    for (uint32_t at = 0; at < path_count; at++) {
        if (paths[at].path != path) continue;
        Given *given = given_member(ctx, event_of_login(), paths[at].first);
        return paths[at].second ? given_member(ctx, given, paths[at].second) : given;
    }
    fail("the prelude asks about a path that is not known");
}

/* `changes(path, value)`: the members that differ, as an object, or `undefined` when none does. */
static JSValue js_changes(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    if (!event_of_login()) return JS_UNDEFINED;
    JSAtom path = JS_ValueToAtom(ctx, argv[0]);
    JSValue changes = changes_between(ctx, given_at(ctx, path), argv[1]);
    JS_FreeAtom(ctx, path);
    return changes;
}

/* ---- Copies ---- */

static JSValue copy_of(JSContext *ctx, JSValueConst value, int levels) {
    if (!levels || !JS_IsObject(value) || JS_IsArray(value) || slots_count(value) == SLOTS_NOT_PLAIN)
        return JS_DupValue(ctx, value);
    uint32_t count = slots_count(value), copied = 0;
    Slot *slots = js_malloc(ctx, (count + 1) * sizeof *slots);
    if (!slots) fail("out of memory");
    for (uint32_t at = 0; at < count; at++) {
        Slot *slot = &slots[copied];
        SlotKind kind = slots_look(ctx, value, at, slot);
        if (kind == SLOT_NONE) continue;
        if (kind == SLOT_LAZY) slot->given = given_again(ctx, slot->given);
        if (kind == SLOT_VALUE) slot->value = copy_of(ctx, slot->value, levels - 1);
        if (kind == SLOT_COMPUTED) slot->value = checked(ctx, JS_GetProperty(ctx, value, slot->key));
        copied++;
    }
    JSValue copy = checked(ctx, slots_object(ctx, slots, copied));
    js_free(ctx, slots);
    return copy;
}

/* `copy(object)`: an object with the same members, and those that are objects copied too; what nobody looked at yet is
   copied when somebody looks. */
static JSValue js_copy(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) { return copy_of(ctx, argv[0], 2); }

/* ---- What crosses the wire ---- */

static JSAtom to_json;

/* Whether JSON would bring it back as it is. */
static bool is_plain_scalar(JSValueConst value) {
    if (JS_IsString(value) || JS_IsBool(value) || JS_IsNull(value)) return true;
    if (JS_VALUE_GET_TAG(value) == JS_TAG_INT) return true;
    return false;
}

static bool is_plain(JSContext *ctx, JSValueConst value, uint32_t count) {
    if (count == SLOTS_NOT_PLAIN || JS_HasProperty(ctx, value, to_json)) return false;
    Slot slot;
    for (uint32_t at = 0; at < count; at++)
        if (slots_look(ctx, value, at, &slot) != SLOT_VALUE || !is_plain_scalar(slot.value)) return false;
    return true;
}

/* `wire(value)`: what JSON.parse makes of what JSON.stringify makes of it. */
static JSValue js_wire(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    if (JS_IsObject(argv[0]) && !JS_IsArray(argv[0]) && is_plain(ctx, argv[0], slots_count(argv[0])))
        return copy_of(ctx, argv[0], 1);
    JSValue text = JS_JSONStringify(ctx, argv[0], JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(text) || JS_IsUndefined(text)) return text;
    size_t length;
    const char *json = JS_ToCStringLen(ctx, &length, text);
    JS_FreeValue(ctx, text);
    if (!json) return JS_EXCEPTION;
    JSValue value = JS_ParseJSON(ctx, json, length, "vestibule:wire");
    JS_FreeCString(ctx, json);
    return value;
}

static bool is_dotted(JSContext *ctx, JSValueConst value) {
    Members members = members_of(ctx, value);
    Member member;
    bool found = false, is_array = JS_IsArray(value);
    while (next_member(&members, &member)) {
        const char *key = is_array || found ? NULL : JS_AtomToCString(ctx, member.key);
        found = found || (key && strpbrk(key, ".$")) || is_dotted(ctx, member.value);
        JS_FreeCString(ctx, key);
        JS_FreeValue(ctx, member.value);
    }
    return found;
}

/* `isDotted(value)`: whether a key of it, at any depth, has a dot or a dollar sign. The value came over the wire. */
static JSValue js_is_dotted(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    return JS_NewBool(ctx, is_dotted(ctx, argv[0]));
}

/* ---- Installation ---- */

void changes_install(JSContext *ctx, JSValueConst host) {
    to_json = JS_NewAtom(ctx, "toJSON");
    static const char *const asked[] = {"user",    "user.app_metadata", "user.user_metadata",
                                        "context", "context.idToken",   "context.accessToken", "shared"};
    for (size_t at = 0; at < sizeof asked / sizeof *asked; at++) know_path(ctx, asked[at]);
    host_method(ctx, host, "changes", js_changes, 2);
    host_method(ctx, host, "copy", js_copy, 1);
    host_method(ctx, host, "wire", js_wire, 1);
    host_method(ctx, host, "isDotted", js_is_dotted, 1);
}
