/* REP: x86-debug section 8. Bytes at SOURCE and TARGET are 0, so CMPS and SCAS go on. */
#include "case.h"

#define SRC(offset, size) RW(0x1000 + (offset), size)
#define DST(offset, size) W(0x2000 + (offset), size)

static void count_of_3(struct start *start)
{
	start->rcx = 3;
}

#define REP(id, name_, modes, text, ...) CHECK(id, "R8.2", name_, modes, text, __VA_ARGS__)

CHECK(r81_once, "R8.1", "execute-once", ANY | CORE, "mov $4, %ecx; P; rep movsb; P; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(r81_zero, "R8.1", "execute-count-0", ANY, "xor %ecx, %ecx; P; rep movsb; P; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(r81_rf, "R8.1,T4", "rf-for-the-whole-rep", ANY | START_RF, "P; rep movsb; P; nop", BP(X(0)),
      .before = count_of_3);
REP(r82_first, "hit-in-first-iteration", ANY, "mov $4, %ecx; P; rep movsb; P; nop", BP(DST(0, 1)),
    WANT(DBM(0, B0)));
REP(r82_middle, "hit-in-a-middle-iteration", ANY | CORE, "mov $4, %ecx; P; rep movsb; P; nop",
    BP(DST(2, 1)), WANT(DBM(0, B0)));
REP(r82_last, "hit-in-last-iteration", ANY, "mov $4, %ecx; P; rep movsb; P; nop", BP(DST(3, 1)),
    WANT(DB(1, B0)));
REP(r82_each, "hit-in-each-iteration", ANY, "mov $3, %ecx; P; rep stosb; P; nop", BP(DST(0, 4)),
    WANT(DBM(0, B0), DBM(0, B0), DB(1, B0)));
REP(r82_dword, "four-byte-elements", ANY, "mov $3, %ecx; P; rep movsl; P; nop", BP(DST(5, 1)),
    WANT(DBM(0, B0)));
REP(r82_source, "source-hit", ANY, "mov $3, %ecx; P; rep movsb; P; nop", BP(SRC(1, 1)),
    WANT(DBM(0, B0)));
REP(r82_both, "source-and-target", ANY, "mov $3, %ecx; P; rep movsb; P; nop",
    BP(SRC(1, 1), DST(1, 1)), WANT(DBM(0, B0 | B1)));
REP(r82_lods, "lods", ANY, "mov $3, %ecx; P; rep lodsb; P; nop", BP(SRC(1, 1)), WANT(DBM(0, B0)));
REP(r82_cmps, "cmps-ends-by-condition", BOTH, "movb $1, 1(%rsi); mov $4, %ecx; P; repe cmpsb; P; nop",
    BP(SRC(1, 1)), WANT({ .used = 1, .vector = 1, .point = AT_ANY, .dr6 = B0 }, DB(1, B0)));
REP(r82_scas, "scas", BOTH, "mov $4, %ecx; P; repe scasb; P; nop", BP(RW(0x2001, 1)),
    WANT(DBM(0, B0)));
REP(r82_scas_end, "scas-ends-by-condition", BOTH, "mov $4, %ecx; P; repne scasb; P; nop",
    BP(RW(0x2000, 1)), WANT(DB(1, B0)));
REP(r82_df, "direction-down", ANY,
    "std; mov $4, %ecx; P; rep movsb; P; cld; nop", BP(DST(-2, 1)), WANT(DBM(0, B0)));
REP(r82_df_last, "direction-down-last", ANY,
    "std; mov $4, %ecx; P; rep stosb; P; cld; nop", BP(DST(-3, 1)), WANT(DB(1, B0)));
static const char *progress(void)
{
	return events[0].rcx == 1 ? 0 : failure("RCX in the handler", 1, events[0].rcx);
}
REP(r82_progress, "registers-show-progress", BOTH, "mov $4, %ecx; P; rep movsb; P; nop",
    BP(DST(2, 1)), WANT(DBM(0, B0)), .after = progress);
REP(r82_exec_too, "hit-and-execute-breakpoint-on-rep", BOTH, "mov $3, %ecx; P; rep movsb; P; nop",
    BP(DST(0, 1), X(0)), WANT(DB(0, B1), DBM(0, B0)));
REP(r82_last_exec, "last-hit-and-next-execute", BOTH, "mov $3, %ecx; rep movsb; P; nop; nop",
    BP(DST(2, 1), X(0)), WANT(DB(0, B0 | B1)));
REP(r82_step, "step-each-iteration", ANY | STEP, "mov $3, %ecx; P; rep movsb; P; nop; P",
    WANT(DB(0, BS), DBM(0, BS), DBM(0, BS), DB(1, BS), DB(2, BS)));
REP(r82_step_zero, "step-count-0", ANY | STEP, "xor %ecx, %ecx; P; rep movsb; P; nop; P",
    WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
REP(r82_step_exec, "step-and-execute-breakpoint-on-rep", BOTH | STEP,
    "mov $2, %ecx; nop; P; rep movsb; P", BP(X(0)),
    WANT({ .used = 1, .vector = 1, .point = AT_ANY, .dr6 = BS }, DB(0, BS | B0), DBM(0, BS),
	 DB(1, BS)));
REP(r82_step_data, "step-and-data", BOTH | STEP, "mov $2, %ecx; P; rep movsb; P",
    BP(DST(0, 1)), WANT(DB(0, BS), DBM(0, B0 | BS), DB(1, BS)));
REP(r82_kernel_long, "long-stos", CPL0,
    "mov $200, %ecx; P; rep stosb; P; nop", BP(DST(100, 1), DST(199, 1)),
    WANT(DBM(0, B0), DB(1, B1)));
CHECK(r83_zero, "R8.3", "count-0-no-hit", ANY, "xor %ecx, %ecx; rep movsb; nop",
      BP(SRC(0, 1), DST(0, 1)));
static void to_absent(struct start *start)
{
	start->rdi = WINDOW_PAGE(PAGE_ABSENT) - 2;
	start->rcx = 4;
}
static const char *two_left(void)
{
	return events[0].rcx == 2 ? 0 : failure("RCX at the fault", 2, events[0].rcx);
}
CHECK(r83_fault, "R8.3", "fault-in-third-iteration", BOTH, "P; rep movsb; P; nop",
      BP(SRC(2, 1)), WANT(EX(14, 0), DBM(0, B0)), .before = to_absent, .fault = map_and_retry,
      .after = two_left);
CHECK(r85_clear, "R8.5", "execute-again-when-rf-cleared", BOTH | CLEAR_MID_RF,
      "mov $3, %ecx; P; rep movsb; P; nop", BP(DST(0, 1), X(0)),
      WANT(DB(0, B1), DBM(0, B0), DB(0, B1)));
CHECK(r84_short, "R8.4", "exact-short-count", BOTH, "mov $16, %ecx; P; rep movsb; P; nop",
      BP(DST(3, 1), DST(9, 1)), WANT(DBM(0, B0), DBM(0, B1)));
CHECK(r84_long, "R8.4", "exact-long-count", BOTH | DOUBT, "mov $1024, %ecx; P; rep movsb; P; nop",
      BP(DST(700, 1), DST(710, 1)), WANT(DBM(0, B0), DBM(0, B1)));
CHECK(r82_ins_rep, "R8.2", "rep-outs-source-hit", CPL0, "mov $0x80, %edx; mov $3, %ecx; P; rep outsb; P; nop",
      BP(SRC(1, 1)), WANT(DBM(0, B0)));

/* T3: RF in the images between iterations. */
#define MID_RF(id, name_, modes, text, ...) CHECK(id, "T3", name_, modes, text, __VA_ARGS__)
MID_RF(t3_rep_data, "rf-between-iterations-data", ANY | CORE,
       "mov $3, %ecx; P; rep movsb; P; nop", BP(DST(1, 1)), WANT(DBR(0, B0)));
MID_RF(t3_rep_last, "rf-after-last-iteration", ANY, "mov $3, %ecx; P; rep movsb; P; nop",
       BP(DST(2, 1)), WANT(DB(1, B0)));
MID_RF(t3_rep_step, "rf-between-iterations-step", ANY | STEP, "mov $2, %ecx; P; rep movsb; P",
       WANT(DB(0, BS), DBR(0, BS), DB(1, BS)));
MID_RF(t3_rep_both, "rf-between-iterations-both", BOTH | STEP, "mov $2, %ecx; P; rep stosb; P",
       BP(DST(0, 1)), WANT(DB(0, BS), DBR(0, B0 | BS), DB(1, BS)));
MID_RF(t3_rep_source, "rf-between-iterations-lods", BOTH, "mov $2, %ecx; P; rep lodsb; P",
       BP(SRC(0, 1)), WANT(DBR(0, B0)));
MID_RF(t3_rep_scas, "rf-between-iterations-scas", BOTH, "mov $2, %ecx; P; repe scasb; P",
       BP(RW(0x2000, 1)), WANT(DBR(0, B0)));
MID_RF(t3_rep_shadow, "rf-between-iterations-shadowed", BOTH,
       "mov %ss, %eax; mov $3, %ecx; mov %eax, %ss; P; rep stosb; P; nop", BP(DST(0, 1)),
       WANT(DBR(0, B0)));
MID_RF(t3_rep_fault, "rf-of-fault-in-rep", BOTH, "P; rep stosb; P; nop", WANT(EXF(14, 0)),
       .before = to_absent, .fault = map_and_retry);
