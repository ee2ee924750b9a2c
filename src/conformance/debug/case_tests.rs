//! Rows in good and bad form, and rows that say what the emulator does not do.

use serde_json::{Value, json};

use super::{FileError, Options, Outcome, Verdict, read, run};

/// NOP under an execute breakpoint, and the HLT at the end.
fn case() -> Value {
    json!({
        "kind": "case", "name": "plain", "bits": 64, "code": "90f4",
        "regs": {"rbx": "0x5"}, "rflags": "0x202", "tf": false,
        "dr": ["0x10000000", "0x0", "0x0", "0x0"], "dr7": "0x401", "dr7_hw": "0x602",
        "mem": [["0x20000100", "2b00"]], "prot": [],
        "stops": [
            {"vector": "#DB", "rip": "0x10000000", "rflags": "0x10202", "cs": "0x33",
             "dr6": "0xffff0ff1", "b": [0], "bs": false, "rf_by_linux": true, "regs": {}},
            {"vector": "#GP", "rip": "0x10000001", "rflags": "0x10202", "cs": "0x33",
             "sig": 11, "si_code": 128, "regs": {}},
        ],
        "final_mem": [],
    })
}

/// Plays one row.
fn outcome(row: &Value) -> Outcome {
    let rows = read(row.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}: {row}"));
    let mut outcomes = Vec::new();
    run(&rows, &Options::default(), |outcome| outcomes.push(outcome));
    outcomes.pop().expect("a case")
}

fn why(row: &Value) -> String {
    match outcome(row).verdict {
        Verdict::Passed => String::from("passed"),
        Verdict::Failed(difference) => format!("failed: {difference}"),
        Verdict::Skipped(skip) => format!("skipped: {skip}"),
    }
}

/// The case with one value replaced; `pointer` is that of RFC 6901.
fn with(pointer: &str, value: Value) -> Value {
    let mut row = case();
    *row.pointer_mut(pointer).expect("the case has it") = value;
    row
}

/// The case with a field added.
fn and(object: &str, field: &str, value: Value) -> Value {
    let mut row = case();
    row.pointer_mut(object).expect("the case has it")[field] = value;
    row
}

fn error(row: &Value) -> String {
    match read(row.to_string().as_bytes()) {
        Ok(_) => String::from("none"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_case_passes() {
    assert_eq!(why(&case()), "passed");
}

/// Everything that a stop says is compared.
#[test]
fn differences_are_found() {
    for (pointer, value, expected) in [
        ("/stops/0/vector", json!("#UD"), "failed: stop 0: vector: expected 0x6, got 0x1"),
        ("/stops/0/rip", json!("0x10000001"), "stop 0: rip: expected 0x10000001, got 0x10000000"),
        ("/stops/1/cs", json!("0x23"), "failed: stop 1: cs: expected 0x23, got 0x33"),
        ("/stops/1/rflags", json!("0x202"), "stop 1: rflags: expected 0x202, got 0x10202"),
        ("/stops/0/rf_by_linux", json!(false), "rflags: expected 0x10202, got 0x202"),
        ("/stops/0/b", json!([0, 1]), "failed: stop 0: dr6.b0-3: expected 0x3, got 0x1"),
        ("/stops/0/bs", json!(true), "failed: stop 0: dr6.bs: expected 0x1, got 0x0"),
        (
            "/stops/1/regs",
            json!({"rax": "0x1"}),
            "stop 1: registers that changed: expected [rax=0x1], got []",
        ),
        (
            "/final_mem",
            json!([["0x20000200", "00"]]),
            "failed: byte at 0x20000200: expected 0x0, got 0x3",
        ),
        ("/dr7_hw", json!("0x400"), "stop 0: vector: expected 0x1, got 0xd"),
    ] {
        let found = why(&with(pointer, value));
        assert!(found.ends_with(expected), "{pointer}: {found}");
    }
    let ymm = and("/stops/0", "ymm0_3", json!(["00"]));
    assert!(why(&ymm).starts_with("failed: stop 0: ymm0: expected 00, got 0003"), "{}", why(&ymm));
    let masks = and("/stops/0", "k", json!(["0x0", "0xa"]));
    assert_eq!(why(&masks), "failed: stop 0: k1: expected 0xa, got 0x0");
    let cr2 = and("/stops/1", "cr2", json!("0x1"));
    assert_eq!(why(&cr2), "failed: stop 1: cr2: expected 0x1, got 0x0");
}

/// A row that another processor may answer differently does not fail.
#[test]
fn microarchitectural_rows_pass_or_are_skipped() {
    let mut row = and("", "microarch", json!("grouping"));
    assert_eq!(why(&row), "passed");
    row["stops"][0]["b"] = json!([1]);
    assert_eq!(why(&row), "skipped: microarchitectural: grouping");
    row["microarch"] = json!(false);
    assert!(why(&row).starts_with("failed"));
}

#[test]
fn the_tracers_actions_are_done() {
    // Back to the breakpoint with RF clear: it fires again.
    let mut again = and("/stops/0", "action", json!({"do": "clearrf"}));
    again["stops"][1] = again["stops"][0].clone();
    assert_eq!(why(&again), "passed");
    // Over the NOP with RF kept.
    let over = and("/stops/0", "action", json!({"do": "gotorf", "to": "0x10000001"}));
    assert_eq!(why(&over), "passed");
    // TF set by the tracer: a step trap after the NOP.
    let mut stepped = and("/stops/0", "action", json!({"do": "settf"}));
    stepped["stops"][1] = json!({"vector": "#DB", "rip": "0x10000001", "rflags": "0x302",
        "cs": "0x33", "b": [], "bs": true, "regs": {}});
    assert_eq!(why(&stepped), "passed");
    // And cleared again.
    stepped["stops"][1]["action"] = json!({"do": "cleartf"});
    let end = json!({"vector": "#GP", "rip": "0x10000001", "rflags": "0x10202", "cs": "0x33",
        "regs": {}});
    stepped["stops"].as_array_mut().expect("a list").push(end);
    assert_eq!(why(&stepped), "passed");
    let stop = and("/stops/0", "action", json!({"do": "stop"}));
    assert_eq!(why(&stop), "passed");
}

/// A page is opened at the stop, and the access repeated.
#[test]
fn pages_are_opened_and_closed() {
    let mut row = case();
    row["code"] = json!("8a0390f4"); // MOV AL,[RBX]
    row["regs"]["rbx"] = json!("0x20005000");
    row["dr7_hw"] = json!("0x400");
    let fault = json!({"vector": "#PF", "rip": "0x10000000", "rflags": "0x10202", "cs": "0x33",
        "cr2": "0x20005000", "regs": {},
        "action": {"do": "mprotect", "page": "0x20005000", "prot": "r"}});
    let end = json!({"vector": "#GP", "rip": "0x10000003", "rflags": "0x10202", "cs": "0x33",
        "regs": {"rax": "0x3"}});
    row["stops"] = json!([fault, end]);
    assert_eq!(why(&row), "passed");
    row["prot"] = json!([["0x20005000", "rw"]]);
    assert_eq!(why(&row), "failed: stop 0: vector: expected 0xe, got 0xd");
}

/// CPUID's registers are those of another processor; others are compared.
#[test]
fn results_that_name_the_processor_are_not_compared() {
    let mut row = case();
    row["code"] = json!("0fa290f4");
    row["dr7_hw"] = json!("0x400");
    row["stops"] = json!([{"vector": "#GP", "rip": "0x10000003", "rflags": "0x10202",
        "cs": "0x33", "regs": {"rax": "0x99", "rcx": "0x98", "rdx": "0x97", "rbx": "0x96"}}]);
    assert_eq!(why(&row), "passed");
    row["stops"][0]["regs"]["rsi"] = json!("0x1");
    assert!(why(&row).starts_with("failed"), "{}", why(&row));
    // Bytes of CPUID that are not executed.
    row["code"] = json!("b80000a20ff4"); // MOV EAX,imm32
    row["stops"][0] = json!({"vector": "#GP", "rip": "0x10000005", "rflags": "0x10202",
        "cs": "0x33", "regs": {"rax": "0x98"}});
    assert!(why(&row).contains("expected [rax=0x98], got [rax=0xfa20000]"), "{}", why(&row));
}

/// Linux's answers to SIDT and SMSW under UMIP.
#[test]
fn refused_instructions_are_carried_out() {
    let mut row = case();
    row["dr7_hw"] = json!("0x400");
    row["regs"]["rbx"] = json!("0x20000100");
    row["code"] = json!("0f010bf4"); // SIDT [RBX]
    row["stops"] = json!([{"vector": "#GP", "rip": "0x10000003", "rflags": "0x10202",
        "cs": "0x33", "regs": {}}]);
    row["final_mem"] = json!([["0x20000100", "00000000ffffffffffff"]]);
    assert_eq!(why(&row), "passed");
    row["code"] = json!("0f01e1f4"); // SMSW ECX
    row["final_mem"] = json!([]);
    row["stops"][0]["regs"] = json!({"rcx": "0x80050033"});
    assert_eq!(why(&row), "passed");
}

/// What is said in good form and not known here skips the row, whatever it is.
#[test]
fn unknown_words_skip_the_row() {
    for (pointer, value, expected) in [
        ("/kind", json!("novelty"), "skipped: kind \"novelty\" is not known"),
        ("/stops/0/vector", json!("#ZZ"), "skipped: vector \"#ZZ\" is not known"),
        ("/regs", json!({"k9": "0x1"}), "skipped: register \"k9\" is not known"),
        ("/prot", json!([["0x20000000", "sealed"]]), "protection \"sealed\" is not known"),
        ("/stops", json!([]), "skipped: has no stops"),
        ("/mem", json!([["0x0", "00"]]), "skipped: uses memory outside the header's layout"),
        ("/mem", json!([["0xffffffffffffffff", "0000"]]), "outside the header's layout"),
        ("/final_mem", json!([["0x20006fff", "0000"]]), "outside the header's layout"),
    ] {
        let found = why(&with(pointer, value));
        assert!(found.ends_with(expected), "{found}");
    }
    let action = and("/stops/0", "action", json!({"do": "dance"}));
    assert_eq!(why(&action), "skipped: action \"dance\" is not known");
    let mode = and("", "ptrace_mode", json!("SYSEMU"));
    assert_eq!(why(&mode), "skipped: ptrace mode \"SYSEMU\" is not known");
    let frame = json!({"kind": "raw_frame", "name": "novelty", "hits": []});
    assert_eq!(why(&frame), "skipped: gives no program");
    let missing = with("/code", json!("62f17c4858c9f4")); // VADDPS ZMM1,ZMM0,ZMM1
    let mut missing = missing;
    missing["dr7_hw"] = json!("0x400");
    assert_eq!(why(&missing), "skipped: needs AVX512F, which the processor has not");
}

/// Fields that only people read may be anything.
#[test]
fn other_fields_are_passed_over() {
    let mut row = case();
    for (field, value) in
        [("asm", json!(3)), ("note", json!([])), ("novelty", json!({})), ("ldt", Value::Null)]
    {
        row[field] = value;
    }
    assert_eq!(why(&row), "passed");
    // DR7 as poked, where it is not said what Linux loaded.
    row["dr7_hw"] = Value::Null;
    assert_eq!(why(&row), "passed");
    // DR6 alone.
    let stop = &mut row["stops"][0];
    (stop["b"], stop["bs"]) = (Value::Null, Value::Null);
    assert_eq!(why(&row), "passed");
}

#[test]
fn bad_rows_are_named() {
    for (pointer, value, expected) in [
        ("/name", json!(5), "line 1: name: not text"),
        ("/bits", json!(31), "line 1: bits: 31 is out of range"),
        ("/bits", json!("64"), "line 1: bits: not hexadecimal: \"64\""),
        ("/code", json!("909"), "line 1: code: not hexadecimal: \"909\""),
        ("/code", json!("9é0"), "line 1: code: not hexadecimal: \"9é0\""),
        ("/regs", json!([]), "line 1: regs: not an object"),
        ("/regs", json!({"rax": "0x+1"}), "line 1: regs.rax: not hexadecimal: \"0x+1\""),
        ("/regs", json!({"cs": "0x10000"}), "line 1: regs.cs: 65536 is out of range"),
        ("/rflags", json!(-1), "line 1: rflags: not a hexadecimal number"),
        ("/rflags", Value::Null, "line 1: rflags: absent"),
        ("/dr", json!(["0x0"]), "line 1: dr: not a list of that length"),
        ("/dr/3", json!("0x11112222333344445"), "line 1: dr[3]: not hexadecimal"),
        ("/mem/0/1", json!("zz"), "line 1: mem[0][1]: not hexadecimal: \"zz\""),
        ("/stops", json!({}), "line 1: stops: not a list"),
        ("/stops/1/rip", Value::Null, "line 1: stops[1].rip: absent"),
        ("/stops/0/b", json!([4]), "line 1: stops[0].b[0]: 4 is out of range"),
        ("/stops/0/bs", json!(1), "line 1: stops[0].bs: not true or false"),
    ] {
        let found = error(&with(pointer, value));
        assert!(found.starts_with(expected), "{pointer}: {found}");
    }
    let ldt = json!([{"sel": "0x7", "base": "0x100000000", "limit": "0x1", "type": "data"}]);
    let found = error(&and("", "ldt", ldt));
    assert_eq!(found, "line 1: ldt[0].base: 4294967296 is out of range");
}

#[test]
fn bad_lines_are_numbered() {
    let good = case().to_string();
    for (bad, expected) in [
        ("{", "line 3: not JSON: EOF while parsing an object at line 1 column 1"),
        ("5", "line 3: line: not an object"),
        ("{}", "line 3: kind: absent"),
        ("{\"kind\": \"case\"}", "line 3: name: absent"),
        ("{\"kind\": \"matrix\", \"rows\": [[\"load\", \"w\", 65, 0, 0]]}", "line 3: rows[0][2]"),
        ("{\"kind\": \"sweep\", \"name\": \"s\", \"areas\": {}}", "line 3: matched: absent"),
    ] {
        let found = read(format!("{good}\n\n{bad}\n").as_bytes()).map(|rows| rows.len());
        let found = found.expect_err("bad").to_string();
        assert!(found.starts_with(expected), "{bad}: {found}");
    }
    assert!(matches!(read(b"\xff\xfe"), Err(FileError::Line { line: 1, .. })));
    assert!(matches!(read(b" \n\n"), Err(FileError::Empty)));
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes()), Err(FileError::Line { line: 1, .. })));
    assert_eq!(read(format!("{good}\r\n{good}").as_bytes()).expect("two rows").len(), 2);
}

/// No damage to a line makes anything but an error or an outcome.
#[test]
fn damaged_lines_do_not_panic() {
    let good = case().to_string();
    for at in 0..good.len() {
        for byte in [b'0', b'"', b'-', b'}', 0xff] {
            let mut bad = good.clone().into_bytes();
            bad[at] = byte;
            if let Ok(rows) = read(&bad) {
                run(&rows, &Options::default(), |_| {});
            }
        }
        let _ = read(&good.as_bytes()[..at]);
    }
}
