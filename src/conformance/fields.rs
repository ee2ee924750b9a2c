//! Registers by name, for reports and data files.

use super::case::Registers;

/// Names of the general registers in the manual's order.
pub const GPR_NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Names of the segment registers whose selectors are compared.
pub const SELECTOR_NAMES: [&str; 4] = ["es", "ds", "fs", "gs"];
/// Names of the segment bases.
pub const BASE_NAMES: [&str; 2] = ["fsbase", "gsbase"];

/// All registers but RIP and RFLAGS, with their names: `xmm3`, its YMM register's
/// upper half `ymm3h`, the x87 words `fcw`, `fsw` and `ftw` (abridged), `st0` to `st7`,
/// selectors (`fs`) and bases (`fsbase`).
#[must_use]
pub fn fields(registers: &Registers) -> Vec<(String, u128)> {
    let mut fields: Vec<(String, u128)> = GPR_NAMES
        .iter()
        .zip(registers.gpr)
        .map(|(name, value)| ((*name).to_owned(), u128::from(value)))
        .collect();
    for (nth, [low, high]) in registers.vector.iter().enumerate() {
        fields.push((format!("xmm{nth}"), *low));
        fields.push((format!("ymm{nth}h"), *high));
    }
    let x87 = &registers.x87;
    let words = [
        ("mxcsr", u128::from(registers.mxcsr)),
        ("fcw", u128::from(x87.control)),
        ("fsw", u128::from(x87.status)),
        ("ftw", u128::from(x87.used)),
    ];
    fields.extend(words.map(|(name, value)| (name.to_owned(), value)));
    fields.extend(x87.st.iter().enumerate().map(|(nth, value)| (format!("st{nth}"), *value)));
    let named = |(name, value): (&str, u128)| (name.to_owned(), value);
    let selectors = registers.selectors.map(u128::from);
    fields.extend(SELECTOR_NAMES.into_iter().zip(selectors).map(named));
    fields.extend(BASE_NAMES.into_iter().zip(registers.bases.map(u128::from)).map(named));
    fields
}

/// Sets a register by name; `None` if there is none of that name or the value is
/// too wide.
pub fn set_field(registers: &mut Registers, name: &str, value: u128) -> Option<()> {
    let numbered = |prefix: &str, suffix: &str, count: usize| {
        let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
        digits.parse::<usize>().ok().filter(|&nth| nth < count)
    };
    let among = |names: &[&str]| names.iter().position(|&known| known == name);
    if let Some(nth) = among(&GPR_NAMES) {
        registers.gpr[nth] = value.try_into().ok()?;
    } else if let Some(nth) = among(&SELECTOR_NAMES) {
        registers.selectors[nth] = value.try_into().ok()?;
    } else if let Some(nth) = among(&BASE_NAMES) {
        registers.bases[nth] = value.try_into().ok()?;
    } else if let Some(nth) = numbered("xmm", "", 16) {
        registers.vector[nth][0] = value;
    } else if let Some(nth) = numbered("ymm", "h", 16) {
        registers.vector[nth][1] = value;
    } else if let Some(nth) = numbered("st", "", 8) {
        registers.x87.st[nth] = value;
    } else {
        match name {
            "mxcsr" => registers.mxcsr = value.try_into().ok()?,
            "fcw" => registers.x87.control = value.try_into().ok()?,
            "fsw" => registers.x87.status = value.try_into().ok()?,
            "ftw" => registers.x87.used = value.try_into().ok()?,
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_set_by_its_name() {
        let mut from = Registers::default();
        for (nth, (name, _)) in fields(&Registers::default()).iter().enumerate() {
            set_field(&mut from, name, nth as u128 + 1).unwrap();
        }
        let values: Vec<u128> = fields(&from).into_iter().map(|(_, value)| value).collect();
        let expected: Vec<u128> = (1..=values.len() as u128).collect();
        assert_eq!(values, expected);
        assert_eq!(set_field(&mut from, "xmm16", 0), None);
        assert_eq!(set_field(&mut from, "rax", 1 << 64), None);
    }
}
