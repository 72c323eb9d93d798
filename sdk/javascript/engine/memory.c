/* Copying and filling, in the place of the C library's, which was built for machines that can only do it byte by byte:
 * there every byte costs fuel. A short range is done here, a long one by the machine's own instruction. */

#include <stddef.h>
#include <stdint.h>

enum { SHORT = 64, WORD = sizeof(uint64_t) };

typedef struct __attribute__((packed)) Word {
    uint64_t bits; /* wherever it stands */
} Word;

__attribute__((no_builtin)) void *memcpy(void *restrict to, const void *restrict from, size_t length) {
    if (length >= SHORT) {
        __asm__ volatile("local.get %0\nlocal.get %1\nlocal.get %2\nmemory.copy 0, 0" ::"r"(to), "r"(from), "r"(length) : "memory");
        return to;
    }
    uint8_t *target = to;
    const uint8_t *source = from;
    for (; length >= WORD; length -= WORD, target += WORD, source += WORD) *(Word *)target = *(const Word *)source;
    while (length--) *target++ = *source++;
    return to;
}

__attribute__((no_builtin)) void *memmove(void *to, const void *from, size_t length) {
    __asm__ volatile("local.get %0\nlocal.get %1\nlocal.get %2\nmemory.copy 0, 0" ::"r"(to), "r"(from), "r"(length) : "memory");
    return to;
}

__attribute__((no_builtin)) void *memset(void *to, int byte, size_t length) {
    if (length >= SHORT) {
        __asm__ volatile("local.get %0\nlocal.get %1\nlocal.get %2\nmemory.fill 0" ::"r"(to), "r"(byte), "r"(length) : "memory");
        return to;
    }
    uint8_t *target = to;
    Word word = {(uint8_t)byte * UINT64_C(0x0101010101010101)};
    for (; length >= WORD; length -= WORD, target += WORD) *(Word *)target = word;
    while (length--) *target++ = (uint8_t)byte;
    return to;
}
