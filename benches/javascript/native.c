/* QuickJS-NG, native, with a fresh context for each login in one runtime: a line "ARM RUNS" on stdin is answered by a line
 * of so many times, in nanoseconds. As the peers of Node: JSON in, the rule, JSON out. It is what a binding such as
 * rquickjs does, without what the binding adds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quickjs.h"

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) exit(2);
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *text = calloc(1, length + 1);
    if (fread(text, 1, length, file) != (size_t)length) exit(2);
    fclose(file);
    return text;
}

static JSValue sound(JSContext *ctx, JSValue value) {
    if (!JS_IsException(value)) return value;
    fprintf(stderr, "%s\n", JS_ToCString(ctx, JS_GetException(ctx)));
    exit(3);
}

static void login(JSRuntime *rt, char **sources, const char *event) {
    JSContext *ctx = JS_NewContext(rt);
    for (int at = 0; at < 2; at++)
        JS_FreeValue(ctx, sound(ctx, JS_Eval(ctx, sources[at], strlen(sources[at]), "rule.js", JS_EVAL_TYPE_GLOBAL)));
    JSValue drive = sound(ctx, JS_Eval(ctx, sources[2], strlen(sources[2]), "drive.js", JS_EVAL_TYPE_GLOBAL));
    JSValue json = JS_NewString(ctx, event);
    JSValue result = sound(ctx, JS_Call(ctx, drive, JS_UNDEFINED, 1, &json));
    const char *text = JS_ToCString(ctx, result);
    if (!text || !strstr(text, "last_client")) exit(4);
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, result);
    JS_FreeValue(ctx, json);
    JS_FreeValue(ctx, drive);
    JS_FreeContext(ctx);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    char *sources[3], *event = read_file(argv[4]);
    for (int at = 0; at < 3; at++) sources[at] = read_file(argv[at + 1]);
    JSRuntime *rt = JS_NewRuntime();
    char arm[32];
    int runs;
    printf("native\n");
    fflush(stdout);
    while (scanf("%31s %d", arm, &runs) == 2) {
        for (int run = 0; run < runs; run++) {
            struct timespec began, ended;
            clock_gettime(CLOCK_MONOTONIC, &began);
            login(rt, sources, event);
            clock_gettime(CLOCK_MONOTONIC, &ended);
            printf("%s%lld", run ? " " : "", (ended.tv_sec - began.tv_sec) * 1000000000LL + ended.tv_nsec - began.tv_nsec);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
