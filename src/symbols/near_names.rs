//! Names like one that was mistyped.

/// At most so many are suggested.
const MOST: usize = 5;

/// The names nearest to `name`, best first.
pub(crate) fn near_names<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let limit = (name.chars().count() / 3).max(1);
    let mut scored: Vec<(usize, &str)> =
        all.filter_map(|known| Some((score(name, known, limit)?, known))).collect();
    scored.sort_unstable();
    scored.into_iter().take(MOST).map(|(_, known)| known.to_owned()).collect()
}

/// Edits between the two, with names that only differ by case, leading
/// underscores or an end ahead of others; none if they are not alike.
fn score(name: &str, known: &str, limit: usize) -> Option<usize> {
    let plain = |text: &str| text.trim_start_matches('_').to_ascii_lowercase();
    let (name, known) = (plain(name), plain(known));
    if name == known {
        return Some(0);
    }
    let distance = strsim::damerau_levenshtein(&name, &known);
    if distance <= limit {
        return Some(distance);
    }
    let extends = name.len() >= 3 && (known.starts_with(&name) || name.starts_with(&known));
    (extends && known.len() >= 3).then_some(limit + name.len().abs_diff(known.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(name: &str) -> Vec<String> {
        let all = ["counter", "Counter", "count_all", "main", "mainline", "printf", "x", "_end"];
        near_names(name, all.into_iter())
    }

    #[test]
    fn the_nearest_comes_first() {
        assert_eq!(near("conuter"), ["Counter", "counter"]);
        assert_eq!(near("count"), ["Counter", "counter", "count_all"]);
        assert_eq!(near("mian"), ["main"]);
        assert_eq!(near("main_"), ["main"]);
        assert_eq!(near("end"), ["_end"]);
        assert!(near("zzzzzz").is_empty());
    }
}
