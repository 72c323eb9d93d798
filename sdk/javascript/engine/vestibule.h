/* The parts of the JavaScript guest, and what they ask of each other.
 *
 * host.c      what the prelude may call: `__host`
 * event.c     the event document, as what is given to the rule
 * slots.c     objects of QuickJS by their slots; compiled as one with it
 * contract.c  what the contract with rules adds to the event
 * changes.c   what a rule did to what it was given
 * promises.c  promises whose value is made when somebody waits for it
 * json.c      the answer as text
 * hash.c      hashing, which the host does
 * vestibule.c the life of the module: initialise, evaluate, run
 *
 * One instance serves one login and is thrown away, so nothing here frees what the instance takes with it.
 */
#ifndef VESTIBULE_H
#define VESTIBULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

/* ---- The host functions (crates/abi/src/host.rs) ---- */

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name))) extern

IMPORT("vestibule_v1", "event_len") int32_t host_event_len(int32_t form);
IMPORT("vestibule_v1", "event_read") void host_event_read(int32_t form, void *to);
IMPORT("vestibule_v1", "answer") void host_answer(const void *json, size_t length);
IMPORT("vestibule_v1", "fail") _Noreturn void host_fail(const void *message, size_t length);
IMPORT("vestibule_v1", "log") void host_log(int32_t level, const void *text, size_t length);
IMPORT("vestibule_http_v1", "start")
int32_t host_http_start(const void *head, size_t head_length, const void *body, size_t body_length);
IMPORT("vestibule_http_v1", "wait") int32_t host_http_wait(const uint32_t *handles, size_t count);
IMPORT("vestibule_http_v1", "result_len") int32_t host_http_result_len(int32_t handle);
IMPORT("vestibule_http_v1", "result_read") void host_http_result_read(int32_t handle, void *to);
IMPORT("vestibule_http_v1", "body_read")
int32_t host_http_body_read(int32_t handle, size_t offset, void *to, size_t length);

IMPORT("vestibule_hash_v1", "digest") int32_t host_hash_digest(int32_t algorithm, const void *at, size_t length, void *to);
IMPORT("vestibule_hash_v1", "hmac")
int32_t host_hash_hmac(int32_t algorithm, const void *key, size_t key_length, const void *at, size_t length, void *to);
IMPORT("vestibule_hash_v1", "pbkdf2")
void host_hash_pbkdf2(int32_t algorithm, const void *password, size_t password_length, const void *salt, size_t salt_length,
                      uint32_t rounds, void *to, size_t length);
IMPORT("vestibule_hash_v1", "bcrypt")
void host_hash_bcrypt(const void *password, size_t password_length, const void *salt, int32_t cost, void *to);

#define FORM_DOCUMENT 1

/* ---- host.c ---- */

/* Adds `__host` to the global object, and puts our generator behind `Math.random`. */
void host_install(JSContext *ctx);
/* Begins a login: its time and the seed of its generator. From here on there is a network. */
void host_begin(double now_ms, const char *seed, size_t seed_length);

/* A method of an object, as the language's own are: not listed. */
void host_method(JSContext *ctx, JSValueConst object, const char *name, JSCFunction *function, int arguments);

/* ---- event.c ---- */

/* An object or array of the event. It is read, and made an object of JavaScript, when somebody looks at it. */
typedef struct Given Given;

/* One member of it. */
typedef struct Slot {
    JSAtom key;    /* JS_ATOM_NULL for the element of an array */
    Given *given;  /* for an object or array; else NULL, and there is the value */
    JSValue value;
    bool is_added; /* the event has no such member: taking it away is no change */
} Slot;

/* Interns the well-known keys; once, before the heap is kept. */
void event_intern(JSContext *ctx);
/* What a document holds. Ends the run when it is none. The document stays where it is. */
Given *event_given(JSContext *ctx, const uint8_t *document, size_t length);
/* As if it were given: an object of plain values, which stays as it is. */
Given *event_like(JSContext *ctx, JSValueConst value);

/* The object or array itself; not counted. */
JSValueConst given_value(JSContext *ctx, Given *given);
bool given_is_made(const Given *given);
bool given_is_array(const Given *given);
/* Whether a value is that very object. */
bool given_is(const Given *given, JSValueConst value);
/* Whether nothing in it was changed, as far as that can be told without comparing. */
bool given_is_untouched(const Given *given);
/* The same, to be made once more. */
Given *given_again(JSContext *ctx, const Given *given);

/* Its members, in order; none of NULL. */
const Slot *given_slots(JSContext *ctx, Given *given, uint32_t *count);
/* The member of that key, or NULL. */
const Slot *given_slot(JSContext *ctx, Given *given, JSAtom key);
/* The object or array of that key, or NULL. */
Given *given_member(JSContext *ctx, Given *given, JSAtom key);
/* Before it is made: a member less, and a member that is added or takes the place of one. */
void given_leave_out(JSContext *ctx, Given *given, JSAtom key);
void given_add(JSContext *ctx, Given *given, Slot slot);

/* ---- contract.c ---- */

/* Adds `assume` and `cover` to `__host`. */
void contract_install(JSContext *ctx, JSValueConst host);
/* Before a login's user and context are made: what the contract with rules adds to them. */
void contract_apply(JSContext *ctx, Given *user, Given *context);

/* ---- slots.c ---- */

/* An object with these members. */
JSValue slots_object(JSContext *ctx, const Slot *slots, uint32_t count);
/* How many slots an object has that is plain: no proxy, array or the like, and no numbers among its keys. */
uint32_t slots_count(JSValueConst object);
#define SLOTS_NOT_PLAIN UINT32_MAX

typedef enum SlotKind {
    SLOT_NONE,     /* gone, not listed, or a symbol */
    SLOT_VALUE,    /* a value, not counted */
    SLOT_LAZY,     /* given, and never looked at */
    SLOT_COMPUTED, /* a getter */
} SlotKind;

/* One slot of a plain object. */
SlotKind slots_look(JSContext *ctx, JSValueConst object, uint32_t at, Slot *found);
/* Whether an object or array has these very values, all that was given untouched. */
bool slots_are(JSValueConst object, const Slot *slots, uint32_t count);

/* The elements of an array that has no others members, and whose elements are all there; or NULL. */
const JSValue *slots_elements(JSValueConst array, uint32_t *count);

/* The characters of a string that are all below 256, or NULL where it is kept in another way. */
const uint8_t *slots_text(JSValueConst string, size_t *length);

/* A promise that only `slots_fulfil` settles, and whether anybody waits for it yet. */
JSValue slots_pending_promise(JSContext *ctx);
bool slots_is_awaited(JSValueConst promise);
void slots_fulfil(JSContext *ctx, JSValueConst promise, JSValueConst value);

/* Gives up what no login needs: the texts of our own functions, and what is left behind in memory that is free. */
void slots_tidy(JSRuntime *rt);

/* ---- promises.c ---- */

/* Adds `promise` to `__host`. */
void promises_install(JSContext *ctx, JSValueConst host);
/* Fulfils the promises that somebody waits for by now; tells whether there was one. */
bool promises_fulfil(JSContext *ctx);

/* ---- json.c ---- */

/* A value as JSON.stringify writes it, between two texts. */
typedef struct Text {
    char *at;
    size_t length, room;
} Text;
/* Once, before the heap is kept. */
void json_intern(JSContext *ctx);
Text json_between(JSContext *ctx, const char *before, JSValueConst value, const char *after);

/* ---- hash.c ---- */

/* Adds `digest`, `hmac`, `pbkdf2` and `bcrypt` to `__host`. */
void hash_install(JSContext *ctx, JSValueConst host);

/* ---- changes.c ---- */

/* Adds `changes`, `copy` and `wire` to `__host`. */
void changes_install(JSContext *ctx, JSValueConst host);

/* ---- vestibule.c ---- */

/* The event of the login that runs; NULL while a rule is loaded. */
Given *event_of_login(void);
/* Ends the run with a message. */
_Noreturn void fail(const char *message);
/* Ends the run with the pending exception: its message, and the place in the author's file. */
_Noreturn void fail_with_exception(JSContext *ctx);
/* `value`, unless it is an exception: that ends the run. */
JSValue checked(JSContext *ctx, JSValue value);

#endif
