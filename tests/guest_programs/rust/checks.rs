//! A Rust program without dependencies: hashing, sorting, maps, numbers as text,
//! threads, unwinding.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// xorshift64*: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(2_685_821_657_736_338_717)
    }
}

/// FNV-1a.
fn sum(text: &str) -> u64 {
    let step = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    text.bytes().fold(14_695_981_039_346_656_037, step)
}

fn sorting(random: &mut Random) {
    let mut words: Vec<u64> = (0..20_000).map(|_| random.next()).collect();
    let mut stable: Vec<(u8, u64)> = words.iter().map(|word| (*word as u8, *word)).collect();
    words.sort_unstable();
    stable.sort_by_key(|pair| pair.0);
    let total = |all: &mut dyn Iterator<Item = u64>| all.fold(0_u64, |a, b| a.rotate_left(7) ^ b);
    println!("sorted {:016x}", total(&mut words.iter().copied()));
    println!("stable {:016x}", total(&mut stable.iter().map(|pair| pair.1)));
}

fn maps(random: &mut Random) {
    let mut tree = BTreeMap::new();
    let mut table = HashMap::new();
    for _ in 0..10_000 {
        let key = random.next() % 3000;
        *tree.entry(key).or_insert(0_u64) += 1;
        table.entry(key.to_string()).and_modify(|n: &mut u64| *n += 1).or_insert(1);
        if key % 5 == 0 {
            tree.remove(&(key / 2));
        }
    }
    let middle: u64 = tree.range(1000..2000).map(|(key, count)| key * count).sum();
    println!("tree {} {middle} {:?}", tree.len(), tree.iter().next_back());
    // The table's order is the process's own; its contents are not.
    println!("table {} {}", table.len(), table.values().sum::<u64>());
}

fn hashing(random: &mut Random) {
    let mut hasher = DefaultHasher::new();
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        bytes.hash(&mut hasher);
    }
    println!("siphash {:016x}", hasher.finish());
}

fn numbers(random: &mut Random) {
    let mut text = String::new();
    for _ in 0..2000 {
        let value = f64::from_bits(random.next());
        let _ = write!(text, "{value} {value:?} {value:e} {:.3} ", value as f32);
        let read: f64 = format!("{value}").parse().unwrap();
        assert!(value.is_nan() || read == value);
    }
    println!("floats {:016x} {}", sum(&text), text.len());
    for value in [0.1, 1.0 / 3.0, 5e-324, f64::MAX, -0.0, f64::NAN, 1e21, 123_456_789.125] {
        println!("{value} {value:?} {value:e} {:.17}", value * 3.0);
    }
    let wide = u128::MAX / 7 * u128::from(random.next());
    println!("{wide} {:x} {}", wide % 1_000_000_007, i128::MIN);
}

fn texts(random: &mut Random) {
    let letters = ['a', 'ß', '漢', '🦀', ' ', '\n', 'Z'];
    let text: String = (0..5000).map(|_| letters[(random.next() % 7) as usize]).collect();
    println!(
        "text {} {} {} {:?} {}",
        text.len(),
        text.to_uppercase().len(),
        text.split_whitespace().count(),
        text.find("🦀漢ß"),
        text.chars().rev().filter(|c| c.is_alphabetic()).count()
    );
}

fn threads() {
    let handles: Vec<_> = (0..4_u64)
        .map(|n| std::thread::spawn(move || (0..10_000).fold(n, |a, b| a.wrapping_mul(31) ^ b)))
        .collect();
    for handle in handles {
        println!("thread {:016x}", handle.join().unwrap());
    }
}

fn unwinding() {
    std::panic::set_hook(Box::new(|_| {}));
    let empty: Vec<u8> = Vec::new();
    let caught = std::panic::catch_unwind(|| empty[std::hint::black_box(3)]);
    println!("caught {}", caught.is_err());
}

fn main() {
    let mut random = Random(88_172_645_463_325_252);
    sorting(&mut random);
    maps(&mut random);
    hashing(&mut random);
    numbers(&mut random);
    texts(&mut random);
    threads();
    unwinding();
    std::process::exit(7);
}
