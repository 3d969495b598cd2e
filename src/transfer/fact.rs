//! An answer of the organisation to what a pack asks.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactValue {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A word.
    Text(Arc<str>),
}

impl FactValue {
    /// The value a word on a command line stands for: `true`, `false`, a number, or the word itself.
    pub fn parse(text: &str) -> FactValue {
        match (text, text.replace('_', "").parse::<i64>()) {
            ("true", _) => FactValue::Bool(true),
            ("false", _) => FactValue::Bool(false),
            (_, Ok(number)) => FactValue::Int(number),
            _ => FactValue::Text(text.into()),
        }
    }
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FactValue::Bool(value) => write!(f, "{value}"),
            FactValue::Int(value) => write!(f, "{value}"),
            FactValue::Text(value) => f.write_str(value),
        }
    }
}
