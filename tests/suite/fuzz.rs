//! A short run of the fuzz targets: their stored inputs as they are, and changed a little, the same way each time.
//!
//! `docs/formats.md` says how the long runs are made. What a long run or this one finds goes into `tests/fuzz/corpus`.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/targets.rs"]
mod targets;

/// Changed inputs of each target.
const CHANGED: usize = 600;

/// Longest input that is made: the debug build is slow, and bounds are reached below it.
const LONGEST: usize = 16 * 1024;

/// Bytes that formats give a meaning to.
const TELLING: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"{",
    b"[",
    b"\"",
    b"\\u",
    b"<",
    b"<!--",
    b"&#",
    b"\r\n--b\r\n",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"%",
    b"=",
    b",",
    b"\n",
    b" obj\n",
    b"stream\n",
    b"\xc2",
    b"\xe2\x80\x8b",
    b"11010119900307",
];

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// An input with a few things changed, some of them taken from another.
    fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + 1 + self.below(32)).min(input.len()).max(at);
            match self.below(7) {
                0 => input
                    .get_mut(at..)
                    .and_then(<[u8]>::first_mut)
                    .into_iter()
                    .for_each(|byte| *byte ^= 1 << (at % 8)),
                1 => drop(input.drain(at..end)),
                2 => {
                    let again = input[at..end].to_vec();
                    input.splice(at..at, again);
                }
                3 => {
                    let telling = TELLING[self.below(TELLING.len())];
                    input.splice(at..at, telling.iter().copied());
                }
                4 => {
                    let telling = TELLING[self.below(TELLING.len())];
                    input.splice(at..(at + telling.len()).min(input.len()).max(at), telling.iter().copied());
                }
                5 => {
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(256)).min(other.len());
                    input.splice(at..at, other[from..to].iter().copied());
                }
                _ => input.truncate(at),
            }
        }
        input.truncate(LONGEST);
        input
    }
}

fn fails(run: fn(&[u8]), input: &[u8]) -> bool {
    panic::catch_unwind(|| run(input)).is_err()
}

#[test]
fn stored_inputs_and_changed_ones_break_nothing() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    fs::create_dir_all(&folder).unwrap();
    let mut broken = Vec::new();
    for (name, run) in targets::TARGETS {
        let stored = corpus(name);
        assert!(stored.len() > 5, "{name} has {} inputs", stored.len());
        broken.extend(stored.iter().filter(|(_, input)| fails(*run, input)).map(|(path, _)| path.clone()));
        let mut dice = Dice(7);
        for number in 0..CHANGED {
            let (_, input) = &stored[dice.below(stored.len())];
            let (_, other) = &stored[dice.below(stored.len())];
            let changed = dice.change(input, other);
            if fails(*run, &changed) {
                let path = folder.join(format!("{name}-{number}"));
                fs::write(&path, &changed).unwrap();
                broken.push(path);
            }
        }
    }
    assert!(broken.is_empty(), "inputs that break something: {broken:#?}");
}

#[test]
fn every_target_has_its_binary_and_every_binary_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let mut binaries: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    binaries.sort();
    let targets: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(binaries, targets);
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/Cargo.toml")).unwrap();
    for name in targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest");
    }
}
