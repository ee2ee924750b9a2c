/* Segment selectors and layout that assembly and C share. */
#ifndef SELECTORS_H
#define SELECTORS_H

#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS32 0x1b /* SYSRET's base: data and 64-bit code follow */
#define USER_DS 0x23
#define USER_CS 0x2b
#define KERNEL_CS32 0x30
#define KERNEL_CS16 0x38
#define LDT_SELECTOR 0x40
#define KERNEL_CS_CONFORMING 0x50
#define CALL_GATE 0x60
#define SPARE_DS 0x73
#define TSS_SELECTOR 0x80 /* and 16 bytes for each further CPU */

/* In the LDT. */
#define LDT_CODE32 0x07
#define LDT_DATA 0x0f
#define LDT_DATA_ABSENT 0x17
#define LDT_CODE16 0x1f
#define LDT_DATA_SMALL 0x27 /* 256 bytes at the data area */
#define LDT_DATA_HIGH 0x2f  /* base 0xfffff000: offsets wrap */

#define MAX_CPUS 16
#define TASK_A (TSS_SELECTOR + MAX_CPUS * 16) /* 32-bit tasks, see legacy.S */
#define TASK_B (TASK_A + 8)
#define CPU_STACK 16384

#define TRAMPOLINE 0x8000 /* where a SIPI starts the other CPUs */

#define LEGACY_EVENTS 16 /* kept of an excursion from long mode */

#define END_VECTOR 0x40     /* a case ends with INT of it */
#define SPARE_VECTOR 0x41   /* for cases, DPL 3 */
#define TIMER_VECTOR 0x42
#define SYSCALL_VECTOR 0x80 /* how SYSCALL is logged */

#define WINDOW 0x40000000 /* linear: 2 MiB of 4 KiB pages, see tables.c */

#endif
