/* The life of the JavaScript guest.
 *
 * `_initialize` runs once when the engine is built into an installation: it makes the context and evaluates the prelude.
 * `evaluate` runs once when a rule is deployed: on the warmed heap, with the modules it requires and its own source.
 * `run` runs once for a login, in an instance of its own, and the instance is thrown away. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vestibule.h"

#define EXPORT(name) __attribute__((export_name(name)))

enum {
    STACK_BYTES = 48 * 1024,      /* Of the 64 KiB that are linked: the rest is for what C does below a script. */
    GC_BYTES = 8 * 1024 * 1024,   /* A run ends long before; half of what a rule may have. */
};

static const char prelude[] = {
#include "prelude.inc" /* generated: the bytes of sdk/javascript/runtime/dist/prelude.js, each with a comma */
    0};

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque);

static JSRuntime *rt;
static JSContext *ctx;
static JSValue vestibule; /* The prelude's object. */
static Given *event;      /* Of the login; one instance has one. */
static struct {
    JSAtom define, start, waiting, arrived, rejected, finish, deny, fail, noCallback, user, context, configuration, shared, now, seed;
    JSAtom go_on; /* "continue" */
} names;

/* ---- Failing ---- */

_Noreturn void fail(const char *message) { host_fail(message, strlen(message)); }

/* The place in a file of the author's that a stack mentions first: "rule.js:3:14", or nothing. Files of ours are called
   `vestibule:…`. */
static size_t find_place(const char *stack, const char **place) {
    for (const char *line = stack; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        const char *end = line + length;
        if (length && end[-1] == ')') end--;
        const char *start = end;
        while (start > line && start[-1] != '(' && start[-1] != ' ') start--;
        bool is_ours = !strncmp(start, "vestibule:", 10) || !strncmp(start, "native", 6) || !memchr(start, ':', end - start);
        if (!is_ours && end > start) {
            *place = start;
            return end - start;
        }
    }
    return 0;
}

_Noreturn void fail_with_exception(JSContext *ctx) {
    static char message[1024];
    JSValue thrown = JS_GetException(ctx);
    const char *said = JS_ToCString(ctx, thrown);
    const char *place = NULL;
    size_t place_length = 0;
    if (JS_IsError(thrown)) {
        const char *stack = JS_ToCString(ctx, JS_GetPropertyStr(ctx, thrown, "stack"));
        if (stack) place_length = find_place(stack, &place);
    }
    int length = snprintf(message, sizeof message, "%.*s%s%s", (int)place_length, place_length ? place : "",
                          place_length ? ": " : "", said ? said : "something was thrown that cannot be shown");
    host_fail(message, length < (int)sizeof message ? (size_t)length : sizeof message - 1);
}

JSValue checked(JSContext *ctx, JSValue value) {
    if (JS_IsException(value)) fail_with_exception(ctx);
    return value;
}

/* ---- Memory: the C library's ---- */

/* While a rule is loaded, memory that is given back is cleared: what is left behind is kept with the heap, and laid over
   the memory of each login. Parsing leaves many times what it makes. */
static bool is_loading = true;

size_t malloc_usable_size(void *bytes);

static size_t size_of_bytes(const void *bytes) { return malloc_usable_size((void *)bytes); }

static void *take_zeros(void *opaque, size_t count, size_t size) { return calloc(count, size); }

static void *take_bytes(void *opaque, size_t size) { return malloc(size); }

static void give_bytes(void *opaque, void *bytes) {
    if (is_loading && bytes) memset(bytes, 0, size_of_bytes(bytes));
    __asm__ volatile("" ::"r"(bytes) : "memory"); /* Or the compiler leaves the clearing out: who would see it? */
    free(bytes);
}

static void *resize_bytes(void *opaque, void *bytes, size_t size) {
    if (!is_loading || !bytes) return realloc(bytes, size);
    size_t had = size_of_bytes(bytes);
    void *moved = malloc(size);
    if (!moved) return NULL;
    memcpy(moved, bytes, had < size ? had : size);
    give_bytes(opaque, bytes);
    return moved;
}

static const JSMallocFunctions memory = {take_zeros, take_bytes, give_bytes, resize_bytes, size_of_bytes};

/* ---- Once for an installation ---- */

static JSValue evaluated(const char *source, size_t length, const char *file, int line) {
    JSEvalOptions options = {JS_EVAL_OPTIONS_VERSION, JS_EVAL_TYPE_GLOBAL, file, line};
    return checked(ctx, JS_Eval2(ctx, source, length, &options));
}

/* The linker's; called here once, so that it does not wrap every export in a call of it. */
void __wasm_call_ctors(void);

EXPORT("_initialize") void initialize(void) {
    __wasm_call_ctors();
    rt = JS_NewRuntime2(&memory, NULL);
    if (rt) ctx = JS_NewContextRaw(rt);
    if (!ctx) fail("the engine has no memory");
    JS_SetMaxStackSize(rt, STACK_BYTES);
    JS_SetGCThreshold(rt, GC_BYTES);
    /* Everything but a clock: `performance` is left out. */
    if (JS_AddIntrinsicBaseObjects(ctx) || JS_AddIntrinsicDate(ctx) || JS_AddIntrinsicEval(ctx) ||
        JS_AddIntrinsicRegExp(ctx) || JS_AddIntrinsicJSON(ctx) || JS_AddIntrinsicProxy(ctx) ||
        JS_AddIntrinsicMapSet(ctx) || JS_AddIntrinsicTypedArrays(ctx) || JS_AddIntrinsicPromise(ctx) ||
        JS_AddIntrinsicWeakRef(ctx) || JS_AddIntrinsicAToB(ctx))
        fail("the engine could not be set up");
    JS_SetHostPromiseRejectionTracker(rt, track_rejection, NULL);
    event_intern(ctx);
    json_intern(ctx);
    host_install(ctx);
#define NAME(name) names.name = JS_NewAtom(ctx, #name)
    NAME(define), NAME(start), NAME(waiting), NAME(arrived), NAME(rejected), NAME(finish), NAME(deny), NAME(fail), NAME(noCallback);
    NAME(user), NAME(context), NAME(configuration), NAME(shared), NAME(now), NAME(seed);
    names.go_on = JS_NewAtom(ctx, "continue");
#undef NAME
    JS_FreeValue(ctx, evaluated(prelude, sizeof prelude - 1, "vestibule:prelude", 1));
    JSValue global = JS_GetGlobalObject(ctx);
    vestibule = checked(ctx, JS_GetPropertyStr(ctx, global, "__vestibule"));
    JS_DeleteProperty(ctx, global, JS_NewAtom(ctx, "__vestibule"), 0);
    JS_RunGC(rt);
    slots_tidy(rt);
}

/* ---- Once for a rule ---- */

/* Memory for what the host is about to write: names and sources. */
EXPORT("take") void *take(size_t length) {
    void *memory = js_malloc(ctx, length);
    if (!memory) fail("the sources are too large");
    return memory;
}

enum Kind { KIND_MODULE, KIND_RULE, KIND_ACTION };

static void run_jobs(void);

static void define(const char *kind, JSValue value) {
    JSValue arguments[] = {JS_NewString(ctx, kind), value};
    JS_FreeValue(ctx, checked(ctx, JS_Invoke(ctx, vestibule, names.define, 2, arguments)));
    JS_FreeValue(ctx, arguments[0]);
    JS_FreeValue(ctx, arguments[1]);
}

/* A source between two texts. The first ends two lines before the author's first, which is counted as line 1 (QuickJS takes 0
   for "not said"): the author's lines and columns stay what they are. */
static JSValue evaluated_between(const char *before, const char *source, size_t length, const char *after, const char *file) {
    size_t before_length = strlen(before), after_length = strlen(after);
    char *whole = take(before_length + length + after_length + 1);
    memcpy(whole, before, before_length);
    memcpy(whole + before_length, source, length);
    memcpy(whole + before_length + length, after, after_length + 1);
    JSValue value = evaluated(whole, before_length + length + after_length, file, -1);
    js_free(ctx, whole);
    return value;
}

/* Evaluates a script whose name and source end with a zero byte, and gives both back. */
EXPORT("evaluate") void evaluate(enum Kind kind, char *file, char *source, size_t length) {
    JS_UpdateStackTop(rt);
    switch (kind) {
    case KIND_MODULE: JS_FreeValue(ctx, evaluated(source, length, file, 1)); break;
    case KIND_RULE: define("rule", evaluated_between("(\n\n", source, length, "\n)", file)); break;
    case KIND_ACTION:
        define("action", evaluated_between("(function (exports, require, module) {\n\n", source, length, "\n})", file));
        break;
    }
    run_jobs();
    js_free(ctx, file);
    js_free(ctx, source);
}

/* Ends the evaluation: what can be collected is, so that it is not kept with the heap. Returns where the heap begins: below
   is the stack, and nothing of it is alive between two calls. */
EXPORT("settle") const void *settle(void) {
    extern const char __global_base;
    JS_RunGC(rt);
    slots_tidy(rt);
    is_loading = false;
    return &__global_base;
}

/* ---- Once for a login ---- */

static JSValue call(JSAtom method, int count, JSValueConst *arguments) {
    return checked(ctx, JS_Invoke(ctx, vestibule, method, count, arguments));
}

/* A promise that was rejected while nobody waited for it. Somebody may still come before all jobs are done. */
typedef struct Rejection {
    JSValue promise, reason;
} Rejection;

static Rejection *rejections;
static uint32_t rejection_count, rejection_room;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque) {
    if (is_handled) {
        for (uint32_t at = 0; at < rejection_count; at++) {
            if (JS_VALUE_GET_PTR(rejections[at].promise) != JS_VALUE_GET_PTR(promise)) continue;
            rejections[at] = rejections[--rejection_count];
            return;
        }
        return;
    }
    if (rejection_count == rejection_room) {
        rejection_room = rejection_room ? rejection_room * 2 : 8;
        rejections = js_realloc(ctx, rejections, rejection_room * sizeof *rejections);
        if (!rejections) fail("out of memory");
    }
    rejections[rejection_count++] = (Rejection){JS_DupValue(ctx, promise), JS_DupValue(ctx, reason)};
}

/* Runs what is queued, then tells the prelude of each promise whose rejection nobody takes. */
static void run_jobs(void) {
    for (;;) {
        JSContext *of_job;
        int ran;
        while ((ran = JS_ExecutePendingJob(rt, &of_job)) > 0) {}
        if (ran < 0) fail_with_exception(of_job);
        if (promises_fulfil(ctx)) continue;
        if (!rejection_count) return;
        JSValue reason = rejections[--rejection_count].reason;
        call(names.rejected, 1, &reason);
    }
}

/* Waits for the first of the requests that the rule has started. */
static void wait_for_one(JSValueConst handles) {
    enum { MOST = 64 };
    uint32_t waiting[MOST];
    int64_t count;
    if (JS_GetLength(ctx, handles, &count)) fail_with_exception(ctx);
    if (count > MOST) count = MOST;
    for (int64_t at = 0; at < count; at++)
        if (JS_ToUint32(ctx, &waiting[at], checked(ctx, JS_GetPropertyInt64(ctx, handles, at)))) fail_with_exception(ctx);
    JSValue handle = JS_NewInt32(ctx, host_http_wait(waiting, count));
    call(names.arrived, 1, &handle);
}

/* Runs the rule until there is nothing left that could happen. */
static void run_to_end(void) {
    for (;;) {
        run_jobs();
        JSValue waiting = call(names.waiting, 0, NULL);
        int64_t count = 0;
        if (JS_IsArray(waiting) && JS_GetLength(ctx, waiting, &count)) fail_with_exception(ctx);
        if (count > 0) wait_for_one(waiting);
        else if (!JS_IsBool(waiting) || !JS_ToBool(ctx, waiting)) return;
    }
}

Given *event_of_login(void) { return event; }

/* The value of that key below what is given, or `undefined`. */
static JSValueConst member(Given *given, JSAtom name) {
    const Slot *slot = given_slot(ctx, given, name);
    if (!slot) return JS_UNDEFINED;
    return slot->given ? given_value(ctx, slot->given) : slot->value;
}

static bool has_members(Given *given) {
    uint32_t count;
    given_slots(ctx, given, &count);
    return count > 0;
}

/* Takes what the clock and the randomness are made of out of the context: rules never had it. */
static void begin_host(Given *context) {
    JSValueConst now = member(context, names.now), seed = member(context, names.seed);
    double now_ms = 0;
    if (!JS_IsUndefined(now)) JS_ToFloat64(ctx, &now_ms, now);
    size_t seed_length = 0;
    const char *digits = JS_IsString(seed) ? JS_ToCStringLen(ctx, &seed_length, seed) : "";
    host_begin(now_ms, digits, seed_length);
    given_leave_out(ctx, context, names.now);
    given_leave_out(ctx, context, names.seed);
}

/* Calls the author's function. */
static void begin(void) {
    Given *user = given_member(ctx, event, names.user), *context = given_member(ctx, event, names.context);
    begin_host(context);
    contract_apply(ctx, user, context);
    JSValueConst shared = has_members(given_member(ctx, event, names.shared)) ? member(event, names.shared) : JS_UNDEFINED;
    JSValueConst arguments[] = {member(event, names.user), member(event, names.context), member(event, names.configuration), shared};
    call(names.start, 4, arguments);
}

static void answer_json(const char *before, JSValueConst value, const char *after) {
    Text answer = json_between(ctx, before, value, after);
    host_answer(answer.at, answer.length);
}

/* One member of what the prelude finished with, or `undefined`. */
static JSValue finished_with(JSValueConst finished, JSAtom name) {
    return JS_IsObject(finished) ? checked(ctx, JS_GetProperty(ctx, finished, name)) : JS_UNDEFINED;
}

static void answer(void) {
    JSValue finished = call(names.finish, 0, NULL);
    JSValue deny = finished_with(finished, names.deny), go_on = finished_with(finished, names.go_on);
    JSValue failure = finished_with(finished, names.fail);
    if (!JS_IsUndefined(deny)) {
        answer_json("{\"deny\":", deny, "}");
    } else if (!JS_IsUndefined(failure)) {
        size_t length;
        const char *message = JS_ToCStringLen(ctx, &length, failure);
        if (!message) fail_with_exception(ctx);
        host_fail(message, length);
    } else if (!JS_ToBool(ctx, finished_with(finished, names.noCallback))) {
        answer_json("{\"continue\":", go_on, "}");
    } /* Without a callback there is no answer: the host knows what that means for a JavaScript rule. */
}

EXPORT("run") void run(void) {
    JS_UpdateStackTop(rt);
    size_t length = host_event_len(FORM_DOCUMENT);
    uint8_t *document = take(length);
    host_event_read(FORM_DOCUMENT, document);
    event = event_given(ctx, document, length);
    begin();
    run_to_end();
    answer();
}
