//! The README's own program compiles as it stands there.

use support::repo;

use crate::consumer::{cargo, package};

#[test]
fn the_program_of_the_readme_compiles_without_a_warning() {
    let readme = std::fs::read_to_string(repo().join("README.md")).expect("it is there");
    let mut blocks = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    let program = blocks.find(|block| block.contains("fn main()")).expect("the README shows a whole program");
    let folder = package("readme", &[], &[("readme", program)]);
    let checked = cargo(&folder, &["check", "--bin", "readme"]).expect(0);
    assert!(!checked.stderr.contains("warning"), "{}", checked.stderr);
}
