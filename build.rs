//! Lists the law packs and their scenarios, so that a new file under `rules/laws` or `rules/tests` is in the build without
//! a line of code. It only names files; `include_str!` carries them in, and the tests read them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("rules");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    for folder in ["laws", "tests"] {
        println!("cargo::rerun-if-changed=rules/{folder}");
        fs::write(out.join(format!("{folder}.rs")), listed(&root, folder)?)?;
    }
    Ok(())
}

/// A Rust expression: the name of each TOML file of a folder and its text, in the order of the names.
fn listed(root: &Path, folder: &str) -> io::Result<String> {
    let files =
        fs::read_dir(root.join(folder))?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    let mut files: Vec<PathBuf> =
        files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    let row = |file: &PathBuf| {
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string())
    };
    Ok(format!("&[\n{}]\n", files.iter().map(row).collect::<String>()))
}
