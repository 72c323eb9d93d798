/* What the contract with rules adds to an event. The prelude says what, at deploy; here it is done, so that it costs a
 * login little and is no difference afterwards. */

#include <string.h>

#include "vestibule.h"

static Given *assumed;   /* members of `context` that rules take for granted */
static bool covers_root; /* whether `app_metadata` covers the root of `user` */
static JSAtom *kept;     /* the members of `user` that it never covers */
static uint32_t kept_count;

/* `assume(members)`: what `context` has where the event has nothing. */
static JSValue js_assume(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    uint32_t count;
    assumed = event_like(ctx, argv[0]);
    given_slots(ctx, assumed, &count); /* Read here, once. */
    return JS_UNDEFINED;
}

/* `cover(names)`: `app_metadata` covers the root of `user`, but for these names and those that begin with `last_`. */
static JSValue js_cover(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    int64_t length;
    if (JS_GetLength(ctx, argv[0], &length)) return JS_EXCEPTION;
    kept = js_malloc(ctx, (length + 1) * sizeof *kept);
    if (!kept) return JS_EXCEPTION;
    for (kept_count = 0; kept_count < length; kept_count++)
        kept[kept_count] = JS_ValueToAtom(ctx, checked(ctx, JS_GetPropertyUint32(ctx, argv[0], kept_count)));
    covers_root = true;
    return JS_UNDEFINED;
}

static bool is_kept(JSContext *ctx, JSAtom key) {
    for (uint32_t at = 0; at < kept_count; at++)
        if (kept[at] == key) return true;
    const char *name = JS_AtomToCString(ctx, key);
    bool is_about_the_last_login = name && !strncmp(name, "last_", 5);
    JS_FreeCString(ctx, name);
    return is_about_the_last_login;
}

static void cover_root(JSContext *ctx, Given *user) {
    static const char bag[] = "app_metadata";
    JSAtom name = JS_NewAtomLen(ctx, bag, sizeof bag - 1);
    Given *metadata = given_member(ctx, user, name);
    if (!metadata || given_is_array(metadata)) return;
    uint32_t count;
    const Slot *slots = given_slots(ctx, metadata, &count);
    for (uint32_t at = 0; at < count; at++)
        if (!is_kept(ctx, slots[at].key)) given_add(ctx, user, slots[at]);
}

void contract_apply(JSContext *ctx, Given *user, Given *context) {
    if (covers_root && user) cover_root(ctx, user);
    if (!assumed || !context) return;
    uint32_t count;
    const Slot *slots = given_slots(ctx, assumed, &count);
    for (uint32_t at = 0; at < count; at++) {
        const Slot *known = given_slot(ctx, context, slots[at].key);
        if (!known || (!known->given && JS_IsNull(known->value))) given_add(ctx, context, slots[at]);
    }
}

void contract_install(JSContext *ctx, JSValueConst host) {
    host_method(ctx, host, "assume", js_assume, 1);
    host_method(ctx, host, "cover", js_cover, 1);
}
