//! A detector file as it is written. Nothing looks at this mirror after `compile` has read it once.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) detector: Vec<Spanned<RawDetector>>,
    #[serde(default)]
    pub(super) negative: RawNegative,
    #[serde(default)]
    pub(super) parts: RawKeys,
    #[serde(default)]
    pub(super) credentials: RawKeys,
}

/// What speaks against a weak number.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNegative {
    #[serde(default)]
    pub(super) keys: Vec<String>,
    #[serde(default)]
    pub(super) words: Vec<String>,
}

/// A list of field names with a common meaning.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeys {
    #[serde(default)]
    pub(super) keys: Vec<String>,
}

/// One detector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDetector {
    pub(super) id: Spanned<String>,
    pub(super) title: String,
    pub(super) category: Spanned<String>,
    pub(super) country: Option<Spanned<String>>,
    pub(super) pattern: Option<Spanned<String>>,
    pub(super) shape: Option<Spanned<RawShape>>,
    #[serde(default)]
    pub(super) check: Vec<Spanned<RawCheck>>,
    #[serde(default)]
    pub(super) context: Vec<String>,
    #[serde(default)]
    pub(super) fields: Vec<String>,
    #[serde(default)]
    pub(super) not_fields: Vec<String>,
    #[serde(default)]
    pub(super) near: Vec<String>,
    #[serde(default)]
    pub(super) confidence: RawConfidence,
    pub(super) needs: Option<Spanned<String>>,
    pub(super) stands: Option<Spanned<String>>,
    pub(super) calling_code: Option<String>,
    pub(super) scheme: Option<String>,
    pub(super) ended: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) examples: Vec<Spanned<toml::Value>>,
    #[serde(default)]
    pub(super) counter_examples: Vec<Spanned<toml::Value>>,
}

/// How sure a detector is, by what else speaks for the value.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfidence {
    pub(super) alone: Option<f32>,
    pub(super) context: Option<f32>,
    pub(super) key: Option<f32>,
}

/// A shape that is code and not a pattern.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShape {
    pub(super) name: String,
    #[serde(default)]
    pub(super) endings: Vec<String>,
    #[serde(default)]
    pub(super) except: Vec<String>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) decimals: Option<usize>,
}

/// A check with the parameters of all of them; `compile` refuses what does not belong to the name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCheck {
    pub(super) name: String,
    pub(super) when: Option<String>,
    pub(super) when_at: Option<usize>,
    pub(super) length: Option<usize>,
    pub(super) of: Option<Vec<Vec<RawCheck>>>,
    pub(super) from: Option<usize>,
    pub(super) to: Option<usize>,
    pub(super) at: Option<usize>,
    pub(super) skip: Option<usize>,
    pub(super) weights: Option<Vec<i64>>,
    pub(super) right: Option<bool>,
    pub(super) modulus: Option<i64>,
    pub(super) add: Option<i64>,
    pub(super) alphabet: Option<String>,
    pub(super) values: Option<BTreeMap<char, i64>>,
    pub(super) values_even: Option<BTreeMap<char, i64>>,
    pub(super) cross_sums: Option<bool>,
    pub(super) carries: Option<Vec<usize>>,
    pub(super) table: Option<String>,
    pub(super) remainder: Option<i64>,
    pub(super) prefixed: Option<String>,
    pub(super) rest: Option<String>,
    pub(super) replace: Option<BTreeMap<String, String>>,
    pub(super) format: Option<String>,
    pub(super) day_add: Option<Vec<i32>>,
    pub(super) month_add: Option<Vec<i32>>,
    pub(super) ranges: Option<Vec<String>>,
    pub(super) any: Option<Vec<String>>,
    pub(super) lengths: Option<BTreeMap<String, usize>>,
    pub(super) bits: Option<f64>,
}
