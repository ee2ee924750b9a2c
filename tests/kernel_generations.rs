//! `docs/kernel-generations.md` and the list of defects say the same, and each switch is asked
//! where the list says that it shows.

mod source_tree;

use perf_core::{Defect, DefectInfo};
use source_tree::{RepoFile, files};

const PAGE: &str = "docs/kernel-generations.md";
const LIST: &str = "perf-core/src/defects.rs";

fn text_of(path: &str) -> String {
    let all = files();
    let file = all.iter().find(|file| file.path == path);
    file.map(RepoFile::text).unwrap_or_else(|| panic!("there is no {path}"))
}

/// perf core, which names no processor, says `arch/`.
fn path_of(info: &DefectInfo) -> String {
    match info.place.strip_prefix("arch/") {
        Some(rest) => format!("kernel-model/src/arch/x86/{rest}"),
        None => info.place.to_owned(),
    }
}

fn row(info: &DefectInfo) -> String {
    let default = |on: bool| if on { "on" } else { "off" };
    let place = if info.is_modelled() {
        format!("`{}`", path_of(info))
    } else {
        "not modelled yet".to_owned()
    };
    let DefectInfo { name, rule, what, in_6, in_2_6_33, .. } = info;
    format!("| {name} | {rule} | {what} | {} | {} | {place} |", default(*in_6), default(*in_2_6_33))
}

#[test]
fn the_table_is_the_list() {
    let page = text_of(PAGE);
    let found: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| switch"))
        .collect();
    let expected: Vec<String> = Defect::ALL.iter().map(|defect| row(&defect.info())).collect();
    assert_eq!(found, expected, "{PAGE}; the table has to be:\n{}", expected.join("\n"));
}

#[test]
fn each_switch_is_asked_where_the_list_says() {
    for defect in Defect::ALL {
        let asked = format!("Defect::{defect:?}");
        let info = defect.info();
        if info.is_modelled() {
            let path = path_of(&info);
            assert!(text_of(&path).contains(&asked), "{path} has no {asked}");
            continue;
        }
        for file in files().iter().filter(|file| file.is_rust() && file.path != LIST) {
            assert!(
                !file.text().contains(&asked) || file.path.contains("test"),
                "{}: {asked} is asked, and {LIST} says that nothing shows it",
                file.path
            );
        }
    }
}
