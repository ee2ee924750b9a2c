//! The rows of the data file.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names of the general registers in the manual's order.
pub(crate) const GPR_NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Values of general registers by the manual's number.
pub(crate) type GprValues = BTreeMap<u8, u64>;
/// Bytes at an address.
pub(crate) type Bytes = (u64, Vec<u8>);

/// A line of the file.
#[derive(Debug)]
pub(crate) enum Row {
    /// `kind: case`.
    Case(Box<Case>),
    /// `kind: sweep`.
    Sweep(Sweep),
    /// `kind: matrix`.
    Matrix(Vec<Cell>),
    /// The header, frames that are not replayed, and 32-bit code, which needs
    /// compatibility mode.
    Other,
}

/// A program and the exceptions that it led to.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// Bytes at the start of the code area.
    pub(crate) code: Vec<u8>,
    /// Initial general registers that are not zero.
    pub(crate) regs: GprValues,
    /// Initial RFLAGS, TF included.
    pub(crate) rflags: u64,
    /// DR0 to DR3.
    pub(crate) dr: [u64; 4],
    /// DR7 as Linux loaded it.
    pub(crate) dr7: u64,
    /// Memory contents before the start.
    pub(crate) mem: Vec<Bytes>,
    /// Pages with other rights than the layout says, and the rights' name.
    pub(crate) prot: Vec<(u64, String)>,
    /// What happened.
    pub(crate) stops: Vec<StopRow>,
    /// Bytes that differ at the end from those at the start.
    pub(crate) final_mem: Vec<Bytes>,
    /// Why another processor may differ.
    pub(crate) microarch: Option<String>,
    /// Whether the tracer used PTRACE_SINGLESTEP.
    pub(crate) stepped: bool,
}

/// One exception.
#[derive(Debug)]
pub(crate) struct StopRow {
    /// Vector.
    pub(crate) vector: u8,
    /// RIP in the frame.
    pub(crate) rip: u64,
    /// RFLAGS in the frame.
    pub(crate) rflags: u64,
    /// CS in the frame.
    pub(crate) cs: u64,
    /// B0 to B3, for #DB.
    pub(crate) b: u64,
    /// BS, for #DB.
    pub(crate) bs: bool,
    /// CR2, for #PF.
    pub(crate) cr2: Option<u64>,
    /// Linux has set RF in the frame.
    pub(crate) rf_by_linux: bool,
    /// Linux may have hidden the bit of an execute breakpoint.
    pub(crate) hidden_exec: bool,
    /// General registers that changed since the stop before.
    pub(crate) regs: GprValues,
    /// YMM0 to YMM3, where they were looked at.
    pub(crate) ymm: Vec<Vec<u8>>,
    /// What the tracer did before it went on.
    pub(crate) action: Option<Action>,
}

/// What the tracer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// RIP, with RF cleared.
    Goto(u64),
    /// RIP, with RF kept.
    GotoRf(u64),
    /// The page may be read and written now.
    OpenPage(u64),
    /// RF cleared.
    ClearRf,
    /// End of the case.
    Stop,
}

/// An instruction and the bytes on which breakpoints match it.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Its name.
    pub(crate) name: String,
    /// Bytes at the start of the code area.
    pub(crate) code: Vec<u8>,
    /// Initial general registers that are not zero.
    pub(crate) regs: GprValues,
    /// Memory contents before the start.
    pub(crate) mem: Vec<Bytes>,
    /// The areas that were searched.
    pub(crate) areas: Vec<Area>,
}

/// An area of a sweep.
#[derive(Debug)]
pub(crate) struct Area {
    /// Its name.
    pub(crate) name: String,
    /// Address to which ranges are relative.
    pub(crate) base: u64,
    /// First byte searched.
    pub(crate) first: i64,
    /// Byte after the last one searched.
    pub(crate) end: i64,
    /// Ranges on which a write breakpoint fires.
    pub(crate) writes: Vec<(i64, i64)>,
    /// Ranges on which a read-write breakpoint fires.
    pub(crate) reads_writes: Vec<(i64, i64)>,
}

/// A combination of access and breakpoints: DR0 to DR3 cover 1, 2, 4 and 8 bytes.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Whether the access is a store.
    pub(crate) stores: bool,
    /// Whether the breakpoints are of the write type.
    pub(crate) watches_writes: bool,
    /// Bytes accessed.
    pub(crate) size: u64,
    /// Address of the access relative to the breakpoints.
    pub(crate) offset: i64,
    /// The entries hit.
    pub(crate) hits: u64,
}

impl Row {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Self {
        let row: Value = serde_json::from_str(line).expect("JSON");
        if row["bits"] == 32 {
            return Self::Other;
        }
        match text(&row["kind"]) {
            "case" => Self::Case(Box::new(parse_case(&row))),
            "sweep" => Self::Sweep(parse_sweep(&row)),
            "matrix" => Self::Matrix(list(&row["rows"]).map(parse_cell).collect()),
            _ => Self::Other,
        }
    }

    /// The case, if it is one.
    pub(crate) fn case(&self) -> Option<&Case> {
        if let Self::Case(case) = self { Some(case) } else { None }
    }

    /// The sweep, if it is one.
    pub(crate) fn sweep(&self) -> Option<&Sweep> {
        if let Self::Sweep(sweep) = self { Some(sweep) } else { None }
    }

    /// The matrix, if it is one.
    pub(crate) fn matrix(&self) -> Option<&Vec<Cell>> {
        if let Self::Matrix(cells) = self { Some(cells) } else { None }
    }
}

fn parse_case(row: &Value) -> Case {
    Case {
        name: text(&row["name"]).to_owned(),
        code: hex_bytes(&row["code"]),
        regs: gprs(&row["regs"]),
        rflags: number(&row["rflags"]),
        dr: std::array::from_fn(|index| number(&row["dr"][index])),
        dr7: number(&row["dr7_hw"]),
        mem: list(&row["mem"]).map(bytes_at).collect(),
        prot: list(&row["prot"]).map(|p| (number(&p[0]), text(&p[1]).to_owned())).collect(),
        stops: list(&row["stops"]).map(parse_stop).collect(),
        final_mem: list(&row["final_mem"]).map(bytes_at).collect(),
        microarch: row.get("microarch").map(|why| text(why).to_owned()),
        stepped: row.get("ptrace_mode").is_some_and(|mode| text(mode) == "SINGLESTEP"),
    }
}

fn parse_stop(row: &Value) -> StopRow {
    let set = |key: &str| row.get(key).is_some_and(|value| value == true);
    StopRow {
        vector: vector(text(&row["vector"])),
        rip: number(&row["rip"]),
        rflags: number(&row["rflags"]),
        cs: number(&row["cs"]),
        b: row.get("b").map_or(0, |bits| {
            list(bits).fold(0, |mask, bit| mask | 1 << bit.as_u64().expect("bit number"))
        }),
        bs: set("bs"),
        cr2: row.get("cr2").map(number),
        rf_by_linux: set("rf_by_linux"),
        hidden_exec: set("hidden_exec"),
        regs: gprs(&row["regs"]),
        ymm: row.get("ymm0_3").map_or(Vec::new(), |regs| list(regs).map(hex_bytes).collect()),
        action: row.get("action").map(parse_action),
    }
}

fn parse_action(row: &Value) -> Action {
    match text(&row["do"]) {
        "goto" => Action::Goto(number(&row["to"])),
        "gotorf" => Action::GotoRf(number(&row["to"])),
        "mprotect" => {
            assert_eq!(row["prot"], "rw", "pages are only opened");
            Action::OpenPage(number(&row["page"]))
        }
        "clearrf" => Action::ClearRf,
        "stop" => Action::Stop,
        other => panic!("unknown action {other}"),
    }
}

fn parse_sweep(row: &Value) -> Sweep {
    let ranges = |name: &str, kind: &str| {
        list(&row["matched"][format!("{name}:{kind}")])
            .map(|range| (signed(&range[0]), signed(&range[1])))
            .collect()
    };
    let areas = row["areas"].as_object().expect("areas");
    Sweep {
        name: text(&row["name"]).to_owned(),
        code: hex_bytes(&row["code"]),
        regs: gprs(&row["regs"]),
        mem: list(&row["mem"]).map(bytes_at).collect(),
        areas: areas
            .iter()
            .map(|(name, area)| Area {
                name: name.clone(),
                base: number(&area[0]),
                first: signed(&area[1]),
                end: signed(&area[2]),
                writes: ranges(name, "w"),
                reads_writes: ranges(name, "rw"),
            })
            .collect(),
    }
}

fn parse_cell(row: &Value) -> Cell {
    Cell {
        stores: text(&row[0]) == "store",
        watches_writes: text(&row[1]) == "w",
        size: row[2].as_u64().expect("size"),
        offset: signed(&row[3]),
        hits: row[4].as_u64().expect("mask"),
    }
}

fn vector(name: &str) -> u8 {
    match name {
        "#DE" => 0,
        "#DB" => 1,
        "#BP" => 3,
        "#OF" => 4,
        "#BR" => 5,
        "#UD" => 6,
        "#NP" => 11,
        "#SS" => 12,
        "#GP" => 13,
        "#PF" => 14,
        "#MF" => 16,
        "#AC" => 17,
        "#XM" => 19,
        other => panic!("unknown vector {other}"),
    }
}

fn gprs(row: &Value) -> GprValues {
    let object = row.as_object().expect("registers");
    let entry = |(name, value): (&String, &Value)| {
        let reg = GPR_NAMES.iter().position(|known| known == name).expect("a register");
        (reg as u8, number(value))
    };
    object.iter().map(entry).collect()
}

fn bytes_at(row: &Value) -> Bytes {
    (number(&row[0]), hex_bytes(&row[1]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn signed(value: &Value) -> i64 {
    value.as_i64().expect("an integer")
}

/// A hexadecimal number, written as text.
fn number(value: &Value) -> u64 {
    let digits = text(value).strip_prefix("0x").expect("0x");
    u64::from_str_radix(digits, 16).expect("hexadecimal")
}

fn hex_bytes(value: &Value) -> Vec<u8> {
    let digits = text(value);
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(byte).collect()
}
