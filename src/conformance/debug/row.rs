//! The rows of a case file.

use std::collections::BTreeMap;

/// Names of the general registers in the manual's order.
pub const GPR_NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Names of the segment registers in the manual's order.
pub const SEGMENT_NAMES: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];

/// Values of general registers by the manual's number.
pub type GprValues = BTreeMap<u8, u64>;
/// Bytes at a linear address.
pub type Bytes = (u64, Vec<u8>);

/// A line of the file.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number in the file, from 1.
    pub line: usize,
    /// Its name; the kind where it has none.
    pub name: String,
    /// What it says.
    pub content: Content,
}

/// What a line says.
#[derive(Clone, Debug)]
pub enum Content {
    /// `kind: header`.
    Header,
    /// `kind: case`.
    Case(Box<Case>),
    /// `kind: sweep`.
    Sweep(Box<Sweep>),
    /// `kind: matrix`.
    Matrix(Vec<Cell>),
    /// `kind: raw_frame`.
    RawFrame(RawFrame),
    /// A row that says, in good form, something that is not known here: a kind, a
    /// register, an action.
    Unknown(Unknown),
}

/// Something in a row that is not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {word:?} is not known")]
pub struct Unknown {
    /// What kind of thing it is.
    pub what: &'static str,
    /// The file's word.
    pub word: String,
}

/// How the processor reads the code at the start, which decides the selectors too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeSize {
    /// Compatibility mode; 16-bit or 32-bit code, as CS says.
    Compatibility,
    /// 64-bit mode.
    Bits64,
}

/// Registers at the start, as far as the row gives them.
#[derive(Clone, Debug, Default)]
pub struct StartRegs {
    /// General registers that are not zero.
    pub gprs: GprValues,
    /// Offset of the first instruction in CS.
    pub rip: Option<u64>,
    /// Selectors by the manual's number of the segment register.
    pub segments: BTreeMap<u8, u16>,
}

/// A program with its memory.
#[derive(Clone, Debug)]
pub struct Program {
    /// Mode at the start.
    pub size: CodeSize,
    /// Bytes at the start of the code area.
    pub code: Vec<u8>,
    /// Registers.
    pub regs: StartRegs,
    /// Memory contents before the start.
    pub mem: Vec<Bytes>,
    /// Pages with other rights than the layout says.
    pub prot: Vec<(u64, Protection)>,
    /// Descriptors of the local descriptor table.
    pub ldt: Vec<LdtEntry>,
}

/// What user code may do with a page: the letters of `prot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `none`.
    None,
    /// `r`.
    Read,
    /// `rw`.
    Write,
    /// Anything with `x`.
    Execute,
}

/// A descriptor of the local descriptor table, as `modify_ldt` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LdtEntry {
    /// Selector: index, table and RPL.
    pub selector: u16,
    /// The descriptor.
    pub descriptor: u64,
}

/// Who steps the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stepping {
    /// Nobody but its own TF.
    #[default]
    No,
    /// The tracer: PTRACE_SINGLESTEP, or PTRACE_SINGLEBLOCK on a processor whose BTF is
    /// not forwarded (rule K7).
    ByTracer,
}

/// A program and the exceptions that it led to.
#[derive(Clone, Debug)]
pub struct Case {
    /// The program.
    pub program: Program,
    /// Initial RFLAGS, TF included.
    pub rflags: u64,
    /// DR0 to DR3.
    pub dr: [u64; 4],
    /// DR7 as Linux loaded it.
    pub dr7: u64,
    /// Who steps it.
    pub stepping: Stepping,
    /// What happened.
    pub stops: Vec<StopRow>,
    /// Bytes that differ at the end from those at the start.
    pub final_mem: Vec<Bytes>,
    /// Why another processor may differ.
    pub microarch: Option<String>,
}

/// One exception.
#[derive(Clone, Debug)]
pub struct StopRow {
    /// Vector.
    pub vector: u8,
    /// Signal and `si_code` that Linux made of it.
    pub signal: Option<(u64, i64)>,
    /// RIP in the frame.
    pub rip: u64,
    /// RFLAGS in the frame.
    pub rflags: u64,
    /// CS in the frame.
    pub cs: u64,
    /// B0 to B3, for #DB.
    pub b: u64,
    /// BS, for #DB.
    pub bs: bool,
    /// CR2, for #PF.
    pub cr2: Option<u64>,
    /// Linux has set RF in the frame.
    pub rf_by_linux: bool,
    /// Linux may have hidden the bit of an execute breakpoint.
    pub hidden_exec: bool,
    /// General registers that changed since the stop before.
    pub regs: GprValues,
    /// K0 to K7, where they were looked at.
    pub masks: Vec<u64>,
    /// YMM0 to YMM3, where they were looked at.
    pub ymm: Vec<Vec<u8>>,
    /// What the tracer did before it went on.
    pub action: Option<Action>,
}

/// What the tracer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// RIP, with RF cleared.
    Goto(u64),
    /// RIP, with RF kept.
    GotoRf(u64),
    /// Rights of a page.
    Protect(u64, Protection),
    /// RF cleared.
    ClearRf,
    /// RF set.
    SetRf,
    /// TF cleared.
    ClearTf,
    /// TF set.
    SetTf,
    /// End of the case.
    Stop,
}

/// An instruction and the bytes on which breakpoints match it.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The program.
    pub program: Program,
    /// The areas that were searched.
    pub areas: Vec<Area>,
}

/// An area of a sweep. Offsets are relative to its base.
#[derive(Clone, Debug)]
pub struct Area {
    /// Its name.
    pub name: String,
    /// Address to which offsets are relative.
    pub base: u64,
    /// First byte searched.
    pub first: i64,
    /// Byte after the last one searched.
    pub end: i64,
    /// Ranges on which a write breakpoint fires.
    pub writes: Vec<(i64, i64)>,
    /// Ranges on which a read-write breakpoint fires.
    pub reads_writes: Vec<(i64, i64)>,
}

/// A direction of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Load.
    Load,
    /// Store.
    Store,
}

/// The two types of data breakpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// R/W = 01.
    Write,
    /// R/W = 11.
    ReadWrite,
}

/// A combination of access and breakpoints: DR0 to DR3 cover 1, 2, 4 and 8 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Whether it loads or stores.
    pub direction: Direction,
    /// Type of the breakpoints.
    pub kind: DataKind,
    /// Bytes accessed, 1 to 64.
    pub size: usize,
    /// Address of the access relative to the breakpoints, within a page.
    pub offset: i64,
    /// The entries hit.
    pub hits: u64,
}

/// #DBs with the frames as the processor pushed them.
#[derive(Clone, Debug)]
pub struct RawFrame {
    /// The frames, each in the file's words.
    pub hits: Vec<String>,
}
