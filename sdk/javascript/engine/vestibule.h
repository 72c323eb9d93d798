/* The parts of the JavaScript guest, and what they ask of each other.
 *
 * host.c      what the prelude may call: `__host`
 * event.c     the event document, as objects, remembered as they were
 * changes.c   what a rule did to them
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

#define FORM_DOCUMENT 1

/* ---- host.c ---- */

/* Adds `__host` to the global object, and puts our generator behind `Math.random`. */
void host_install(JSContext *ctx);
/* Begins a login: its time and the seed of its generator. From here on there is a network. */
void host_begin(double now_ms, const char *seed, size_t seed_length);

/* ---- event.c ---- */

/* One value of the event as the rule received it. The values of an event stand in the order of the document, so the
   children of a value follow it, up to `end`. */
typedef struct Original {
    JSValue value;
    JSAtom key;   /* JS_ATOM_NULL for the element of an array */
    uint32_t end; /* the index behind its last descendant */
} Original;

typedef struct Event {
    Original *values;
    uint32_t count;
} Event;

#define NO_ORIGINAL UINT32_MAX

/* Interns the well-known keys; once, before the heap is kept. */
void event_intern(JSContext *ctx);
/* Builds the objects of a document. Ends the run when it is not one. */
Event event_build(JSContext *ctx, const uint8_t *document, size_t length);
/* The member of that name below a value, or NO_ORIGINAL. */
uint32_t event_member(const Event *event, uint32_t parent, JSAtom key);
/* The value there, or `undefined`; not counted. */
JSValue event_value(const Event *event, uint32_t index);

/* ---- changes.c ---- */

/* Adds `changes` to `__host`. */
void changes_install(JSContext *ctx, JSValueConst host);

/* ---- vestibule.c ---- */

/* The event of the login that runs; NULL while a rule is loaded. */
const Event *event_of_login(void);
/* Ends the run with a message. */
_Noreturn void fail(const char *message);
/* Ends the run with the pending exception: its message, and the place in the author's file. */
_Noreturn void fail_with_exception(JSContext *ctx);
/* `value`, unless it is an exception: that ends the run. */
JSValue checked(JSContext *ctx, JSValue value);

#endif
