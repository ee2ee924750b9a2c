//! `struct perf_event_attr`: all that says what the event is, and of the rest what is not 0.
//! Source of the layout: Linux 6.18 `include/uapi/linux/perf_event.h`.

use super::super::call::{Call, Raw};
use super::super::names::{perf as names, process::CLOCKS};
use super::super::value::{Value, hex};

/// The smallest and the largest known attribute, bytes.
const SIZES: std::ops::RangeInclusive<u64> = 64..=136;
const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const TYPE_HW_CACHE: u32 = 3;
const TYPE_BREAKPOINT: u32 = 5;

/// The bits of the attribute's flags that are a name each, in order; the empty names are
/// `precise_ip`.
const FLAGS: [&str; 38] = [
    "disabled",
    "inherit",
    "pinned",
    "exclusive",
    "exclude_user",
    "exclude_kernel",
    "exclude_hv",
    "exclude_idle",
    "mmap",
    "comm",
    "freq",
    "inherit_stat",
    "enable_on_exec",
    "task",
    "watermark",
    "",
    "",
    "mmap_data",
    "sample_id_all",
    "exclude_host",
    "exclude_guest",
    "exclude_callchain_kernel",
    "exclude_callchain_user",
    "mmap2",
    "comm_exec",
    "use_clockid",
    "context_switch",
    "write_backward",
    "namespaces",
    "ksymbol",
    "bpf_event",
    "aux_output",
    "cgroup",
    "text_poke",
    "build_id",
    "inherit_thread",
    "remove_on_exec",
    "sigtrap",
];
const FREQ: u64 = 1 << 10;
const WATERMARK: u64 = 1 << 14;
const PRECISE_IP: [&str; 4] =
    ["arbitrary skid", "constant skid", "requested to have 0 skid", "must have 0 skid"];

/// The attribute of perf_event_open.
pub(in super::super) fn attr(call: &Call<'_>, value: u64) -> Value {
    let Some(head) = call.raw(value, 8) else { return Value::address(value) };
    let size = match u64::from(head.u32(4)) {
        0 => *SIZES.start(),
        size => size.min(*SIZES.end()),
    };
    if !SIZES.contains(&size) {
        return Value::address(value);
    }
    // A structure that ends early has zeroes behind its end.
    call.at(value, size as usize, decode)
}

fn decode(raw: &Raw) -> Value {
    let kind = raw.u32(0);
    let mut fields = vec![
        ("type", names::TYPES.one_of(u64::from(kind))),
        ("size", names::SIZES.one_of(u64::from(raw.u32(4)))),
        ("config", config(kind, raw.u64(8))),
    ];
    let flags = raw.u64(40);
    let (period, value) = if flags & FREQ != 0 {
        ("sample_freq", raw.u64(16))
    } else {
        ("sample_period", raw.u64(16))
    };
    fields.push((period, Value::decimal(value)));
    fields.push(("sample_type", names::SAMPLE.bits_of(raw.u64(24))));
    fields.push(("read_format", names::FORMAT.bits_of(raw.u64(32))));
    flag_fields(flags, &mut fields);
    if kind == TYPE_BREAKPOINT {
        fields.push(("bp_type", names::BREAKPOINTS.one_of(u64::from(raw.u32(52)))));
        fields.push(("bp_addr", Value::address(raw.u64(56))));
        fields.push(("bp_len", Value::decimal(raw.u64(64))));
    }
    rest(kind, flags, raw, &mut fields);
    Value::whole(fields)
}

fn flag_fields(flags: u64, fields: &mut Vec<(&'static str, Value)>) {
    for (bit, name) in FLAGS.into_iter().enumerate() {
        if name.is_empty() {
            if bit == 15 {
                let precise = flags >> bit & 3;
                let words = format!("{precise} /* {} */", PRECISE_IP[precise as usize]);
                fields.push(("precise_ip", Value::Word(words)));
            }
        } else if flags >> bit & 1 != 0 {
            fields.push((name, Value::word("1")));
        }
    }
    if flags >> FLAGS.len() != 0 {
        fields.push(("__reserved_1", Value::hex(flags >> FLAGS.len())));
    }
}

/// What is not 0 of what follows the flags.
fn rest(kind: u32, flags: u64, raw: &Raw, fields: &mut Vec<(&'static str, Value)>) {
    let wakeup = if flags & WATERMARK != 0 { "wakeup_watermark" } else { "wakeup_events" };
    let mut push = |name, value: u64, shown: Value| {
        if value != 0 {
            fields.push((name, shown));
        }
    };
    push(wakeup, raw.u32(48).into(), Value::decimal(raw.u32(48)));
    if kind != TYPE_BREAKPOINT {
        push("config1", raw.u64(56), Value::hex(raw.u64(56)));
        push("config2", raw.u64(64), Value::hex(raw.u64(64)));
    }
    for (name, at) in [
        ("branch_sample_type", 72),
        ("sample_regs_user", 80),
        ("sample_regs_intr", 96),
        ("sig_data", 120),
        ("config3", 128),
    ] {
        push(name, raw.u64(at), Value::hex(raw.u64(at)));
    }
    for (name, at) in [("sample_stack_user", 88), ("aux_watermark", 104), ("aux_sample_size", 112)]
    {
        push(name, raw.u32(at).into(), Value::decimal(raw.u32(at)));
    }
    push("clockid", raw.u32(92).into(), CLOCKS.one_of(raw.u32(92).into()));
    push("sample_max_stack", raw.u16(108).into(), Value::decimal(raw.u16(108)));
}

fn config(kind: u32, config: u64) -> Value {
    match kind {
        TYPE_HARDWARE => {
            let name = names::HARDWARE.one(config & 0xffff_ffff);
            match config >> 32 {
                0 => Value::Word(name),
                pmu => Value::Word(format!("{}<<32|{name}", hex(pmu))),
            }
        }
        TYPE_SOFTWARE => names::SOFTWARE.one_of(config),
        TYPE_TRACEPOINT => Value::decimal(config),
        TYPE_HW_CACHE => {
            let part =
                |names: &super::super::names::Names, shift: u32| names.one(config >> shift & 0xff);
            Value::Word(format!(
                "{}<<16|{}<<8|{}",
                part(&names::CACHE_RESULTS, 16),
                part(&names::CACHE_OPS, 8),
                part(&names::CACHES, 0)
            ))
        }
        _ => Value::hex(config),
    }
}
