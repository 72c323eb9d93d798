/* Promises whose value is made when somebody waits for it: `__host.promise(make)`.
 *
 * Auth0 answers an update of metadata with the whole profile, and hardly a rule looks at it. */

#include "vestibule.h"

typedef struct Deferred {
    JSValue promise, make;
} Deferred;

static Deferred *deferred;
static uint32_t count, room;

/* `promise(make)`: a promise of what `make` gives. It is fulfilled when the jobs that are queued have run. */
static JSValue js_promise(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv) {
    if (count == room) {
        room = room ? room * 2 : 4;
        deferred = js_realloc(ctx, deferred, room * sizeof *deferred);
        if (!deferred) fail("out of memory");
    }
    JSValue promise = checked(ctx, slots_pending_promise(ctx));
    deferred[count++] = (Deferred){JS_DupValue(ctx, promise), JS_DupValue(ctx, argv[0])};
    return promise;
}

bool promises_fulfil(JSContext *ctx) {
    bool was_one = false;
    for (uint32_t at = 0; at < count; at++) {
        Deferred one = deferred[at];
        if (JS_IsUndefined(one.promise) || !slots_is_awaited(one.promise)) continue;
        deferred[at].promise = JS_UNDEFINED;
        JSValue value = checked(ctx, JS_Call(ctx, one.make, JS_UNDEFINED, 0, NULL));
        slots_fulfil(ctx, one.promise, value);
        JS_FreeValue(ctx, value);
        JS_FreeValue(ctx, one.promise);
        JS_FreeValue(ctx, one.make);
        was_one = true;
    }
    return was_one;
}

void promises_install(JSContext *ctx, JSValueConst host) { host_method(ctx, host, "promise", js_promise, 1); }
