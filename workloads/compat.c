/* Code of 32 bits in a 64-bit program: jumps to Linux's 32-bit user code segment and
 * back, runs each snippet below on many inputs, and prints a checksum of all it left:
 * registers, flags and memory. */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Selectors of arch/x86/include/asm/segment.h, with RPL 3. */
#define USER32_CS 0x23
#define USER_CS 0x33
#define USER_DS 0x2b

#define CF 0x001
#define PF 0x004
#define AF 0x010
#define ZF 0x040
#define SF 0x080
#define OF 0x800

struct registers {
    uint32_t eax, ecx, edx, ebx, esi, edi, ebp, eflags;
};

/* What 32-bit code uses lies at fixed addresses below 4 GiB, so that the checksums are
 * those of every build. */
static struct area {
    struct registers in, out;
    uint8_t data[4096] __attribute__((aligned(64)));
    uint8_t stack[4096];
} *const area = (struct area *)0x20000000;
static uint8_t *const code = (uint8_t *)0x10000000;
static uint64_t saved_rsp;

struct snippet {
    const char *name;
    /* Flags that the processor leaves undefined. */
    uint32_t undefined;
    uint8_t len;
    uint8_t bytes[40];
};

#define SNIPPET(name, undefined, ...)                                              \
    { name, undefined, sizeof((uint8_t[]){__VA_ARGS__}), {__VA_ARGS__} }

/* EBX points to the middle of the data, ESI and EDI into it. */
static const struct snippet snippets[] = {
    SNIPPET("aaa", OF | SF | ZF | PF, 0x37),
    SNIPPET("aas", OF | SF | ZF | PF, 0x3f),
    SNIPPET("daa", OF, 0x27),
    SNIPPET("das", OF, 0x2f),
    SNIPPET("aam", OF | AF | CF, 0xd4, 0x0a),
    SNIPPET("aam 7", OF | AF | CF, 0xd4, 0x07),
    SNIPPET("aad", OF | AF | CF, 0xd5, 0x0a),
    SNIPPET("aad 16", OF | AF | CF, 0xd5, 0x10),
    SNIPPET("salc", 0, 0xd6),
    SNIPPET("inc eax; dec edx", 0, 0x40, 0x4a),
    SNIPPET("inc ax", 0, 0x66, 0x40),
    SNIPPET("pusha; pop x8", 0, 0x60, 0x58, 0x59, 0x5a, 0x5d, 0x5d, 0x5f, 0x5e, 0x5d),
    SNIPPET("pushaw; popaw", 0, 0x66, 0x60, 0x66, 0x61),
    SNIPPET("push sregs", 0, 0x06, 0x0e, 0x16, 0x1e, 0x0f, 0xa0, 0x58, 0x59, 0x5a, 0x5d, 0x5d),
    SNIPPET("push ds; pop es", 0, 0x1e, 0x07, 0x8c, 0xc0),
    SNIPPET("bound, in range", 0, 0xc7, 0x03, 0, 0, 0, 0x80, 0xc7, 0x43, 4, 0xff, 0xff, 0xff, 0x7f,
            0x62, 0x03),
    SNIPPET("arpl dx,ax", 0, 0x63, 0xc2),
    SNIPPET("arpl [ebx],ax", 0, 0x63, 0x03),
    SNIPPET("les edx,[ebx]", 0, 0x66, 0xc7, 0x43, 4, 0x2b, 0, 0xc4, 0x13, 0x8c, 0xc1),
    SNIPPET("into, not taken", 0, 0x31, 0xc0, 0xce),
    SNIPPET("xlat", 0, 0xd7),
    SNIPPET("moffs", 0, 0xa1, 0xf0, 0xff, 0xff, 0xff, 0xa3, 0xf0, 0xff, 0xff, 0xff),
    SNIPPET("adc [ebx+4*edx]", 0, 0x83, 0xe2, 0x0f, 0x11, 0x04, 0x93),
    SNIPPET("sbb with prefix es", 0, 0x26, 0x19, 0x43, 0x10),
    SNIPPET("shld, shrd", OF | AF | SF | ZF | PF | CF, 0x80, 0xe1, 0x0f, 0x0f, 0xa5, 0xc2, 0x0f, 0xad,
            0x03),
    SNIPPET("mul, imul", SF | ZF | AF | PF, 0xf7, 0x23, 0x0f, 0xaf, 0xc2, 0x69, 0xca, 1, 2, 3, 4),
    SNIPPET("div", OF | SF | ZF | AF | PF | CF, 0x31, 0xd2, 0x80, 0xc9, 0x01, 0xf7, 0xf1),
    SNIPPET("bts [ebx],eax", OF | SF | AF | PF, 0x25, 0xff, 0x0f, 0, 0, 0x0f, 0xab, 0x03),
    SNIPPET("cmpxchg8b", 0, 0x0f, 0xc7, 0x4b, 0x08),
    SNIPPET("bswap, movzx, movsx", 0, 0x0f, 0xc8, 0x0f, 0xb6, 0xd1, 0x0f, 0xbf, 0x0b),
    SNIPPET("cwde, cdq, cbw", 0, 0x98, 0x99, 0x66, 0x98),
    SNIPPET("enter 8,2; leave", 0, 0x89, 0xe5, 0xc8, 0x08, 0, 0x02, 0x8b, 0x04, 0x24, 0x31, 0xc0, 0xc9,
            0x31, 0xed),
    SNIPPET("call, ret", 0, 0xe8, 1, 0, 0, 0, 0x90, 0x83, 0x04, 0x24, 0x07, 0xc3, 0x40, 0x42),
    SNIPPET("loop", 0, 0x83, 0xe1, 0x1f, 0x41, 0x01, 0xc8, 0xe2, 0xfc),
    SNIPPET("loop with cx", 0, 0x83, 0xe1, 0x1f, 0x41, 0x40, 0x67, 0xe2, 0xfc),
    SNIPPET("jcxz", 0, 0x67, 0xe3, 0x01, 0x40, 0x42),
    SNIPPET("rep movsd", 0, 0x83, 0xe1, 0x0f, 0xfc, 0xf3, 0xa5),
    SNIPPET("rep stosb backwards", 0, 0x83, 0xe1, 0x0f, 0xfd, 0xf3, 0xaa, 0xfc),
    SNIPPET("repne scasb", 0, 0x83, 0xe1, 0x1f, 0xfc, 0xf2, 0xae),
    SNIPPET("repe cmpsw", 0, 0x83, 0xe1, 0x0f, 0xfc, 0xf3, 0x66, 0xa7),
    SNIPPET("lods, stos", 0, 0xfc, 0xad, 0xab, 0x66, 0xad, 0xaa),
    SNIPPET("pushfd, popfd", 0, 0x9c, 0x58, 0x35, 0xd5, 0x08, 0, 0, 0x50, 0x9d),
    SNIPPET("lahf, sahf", 0, 0x9f, 0x34, 0x55, 0x9e),
    SNIPPET("lar, lsl", 0, 0xb8, 0x23, 0, 0, 0, 0x0f, 0x02, 0xc8, 0x0f, 0x03, 0xd0),
    SNIPPET("x87", 0, 0xdb, 0x03, 0xdc, 0xc0, 0xd9, 0xfe, 0xdd, 0x5b, 0x08),
    SNIPPET("sse", 0, 0x0f, 0x10, 0x03, 0x0f, 0x58, 0xc0, 0x0f, 0x11, 0x43, 0x10),
    SNIPPET("mmx", 0, 0x0f, 0x6f, 0x03, 0x0f, 0xfe, 0x43, 0x08, 0x0f, 0x7f, 0x43, 0x10, 0x0f, 0x77),
    SNIPPET("far call, far ret", 0, 0x0e, 0xe8, 0x03, 0, 0, 0, 0x40, 0xeb, 0x02, 0x42, 0xcb),
    SNIPPET("iretd", 0, 0x9c, 0x0e, 0xe8, 0x02, 0, 0, 0, 0xeb, 0x01, 0xcf, 0x40),
};

static uint32_t state = 1;

static uint32_t number(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 16 | state << 16;
}

/* Bytes, or a 32-bit number, at the end of the code. */
static uint8_t *at;

static void put(const void *bytes, int len) {
    memcpy(at, bytes, len);
    at += len;
}

static void put32(uint32_t value) { put(&value, 4); }

/* mov reg,[address] and mov [address],reg of 32-bit code. */
static void load(int reg, const void *from) {
    put((uint8_t[]){0x8b, 0x05 | reg << 3}, 2);
    put32((uint32_t)(uintptr_t)from);
}

static void store(int reg, const void *to) {
    put((uint8_t[]){0x89, 0x05 | reg << 3}, 2);
    put32((uint32_t)(uintptr_t)to);
}

/* The 32-bit code around a snippet. */
static void build(const struct snippet *snippet, uint32_t back) {
    at = code;
    put((uint8_t[]){0xbc}, 1); /* mov esp,imm32 */
    put32((uint32_t)(uintptr_t)(area->stack + sizeof area->stack - 256));
    put((uint8_t[]){0xff, 0x35}, 2); /* push [in.eflags] */
    put32((uint32_t)(uintptr_t)&area->in.eflags);
    put((uint8_t[]){0x9d}, 1); /* popfd */
    load(0, &area->in.eax);
    load(1, &area->in.ecx);
    load(2, &area->in.edx);
    load(3, &area->in.ebx);
    load(6, &area->in.esi);
    load(7, &area->in.edi);
    load(5, &area->in.ebp);
    put(snippet->bytes, snippet->len);
    store(0, &area->out.eax);
    store(1, &area->out.ecx);
    store(2, &area->out.edx);
    store(3, &area->out.ebx);
    store(6, &area->out.esi);
    store(7, &area->out.edi);
    store(5, &area->out.ebp);
    put((uint8_t[]){0x9c, 0x8f, 0x05}, 3); /* pushfd; pop [out.eflags] */
    put32((uint32_t)(uintptr_t)&area->out.eflags);
    put((uint8_t[]){0xea}, 1); /* jmp USER_CS:back */
    put32(back);
    put((uint8_t[]){USER_CS, 0}, 2);
}

static struct {
    uint32_t offset;
    uint16_t selector;
} __attribute__((packed)) target;

/* Goes to the code and comes back; Linux leaves the data segments null. */
__attribute__((noinline)) static void enter(void) {
    target.offset = (uint32_t)(uintptr_t)code;
    target.selector = USER32_CS;
    __asm__ volatile("push %%rbp\n\t"
                     "push %%rbx\n\t"
                     "movq %%rsp,%0\n\t"
                     "movl %3,%%eax\n\t"
                     "mov %%eax,%%ds\n\t"
                     "mov %%eax,%%es\n\t"
                     "ljmp *%2\n\t"
                     ".globl back_in_64\n"
                     "back_in_64:\n\t"
                     "movq %1,%%rsp\n\t"
                     "pop %%rbx\n\t"
                     "pop %%rbp\n\t"
                     : "=m"(saved_rsp)
                     : "m"(saved_rsp), "m"(target), "i"(USER_DS)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "cc", "memory");
}

extern char back_in_64[];

static uint64_t mix(uint64_t sum, const void *bytes, int len) {
    for (int i = 0; i < len; i++)
        sum = (sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
    return sum;
}

/* Memory at an address that a static program has free. */
static int reserve(void *address, unsigned long bytes) {
    int protection = PROT_READ | PROT_WRITE | PROT_EXEC;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return mmap(address, bytes, protection, flags, -1, 0) == address;
}

/* A snippet with the address of the data where its bytes say f0 ff ff ff. */
static struct snippet placed(struct snippet snippet) {
    uint32_t address = (uint32_t)(uintptr_t)(area->data + 64);
    for (int i = 0; i + 4 <= snippet.len; i++)
        if (!memcmp(snippet.bytes + i, "\xf0\xff\xff\xff", 4))
            memcpy(snippet.bytes + i, &address, 4);
    return snippet;
}

/* Inputs of a round: every AL comes up in the first 256. */
static void prepare(unsigned round) {
    struct registers *in = &area->in;
    uint8_t *data = area->data;
    uint32_t arithmetic = number() & (CF | PF | AF | ZF | SF | OF);
    *in = (struct registers){number(), number(), number(), 0, 0, 0, number(), arithmetic | 2};
    if (round < 256)
        in->eax = (in->eax & ~0xffu) | round;
    in->ebx = (uint32_t)(uintptr_t)(data + 2048);
    in->esi = (uint32_t)(uintptr_t)(data + 256);
    in->edi = (uint32_t)(uintptr_t)(data + 1024);
    for (unsigned i = 0; i < sizeof area->data; i++)
        data[i] = (uint8_t)(i * 7 + round);
}

int main(void) {
    if (!reserve(code, 4096) || !reserve(area, sizeof *area))
        return 1;
    for (unsigned nth = 0; nth < sizeof snippets / sizeof *snippets; nth++) {
        struct snippet snippet = placed(snippets[nth]);
        build(&snippet, (uint32_t)(uintptr_t)back_in_64);
        uint64_t sum = 0xcbf29ce484222325ull;
        for (unsigned round = 0; round < 300; round++) {
            prepare(round);
            enter();
            area->out.eflags &= ~snippet.undefined;
            sum = mix(sum, &area->out, sizeof area->out);
            sum = mix(sum, area->data, sizeof area->data);
        }
        printf("%-24s %016llx\n", snippet.name, (unsigned long long)sum);
    }
    return 0;
}
