//! What is needed to take in a message and costs more to make than to keep: buffers, and the field names already read.
//!
//! A collector takes a set of tools and puts it back, so messages share what was learned about field names. What could
//! be a value does not stay behind.

use std::sync::{Mutex, PoisonError};

use super::key::KeyCache;
use super::lists::{OnList, Words};
use super::scan::Scratch;

/// Sets kept at once: more messages than this are seldom taken in at the same time.
const KEPT: usize = 64;

/// Buffers and field names.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) names: KeyCache,
    pub(super) scratch: Scratch,
    pub(super) words: Words,
    pub(super) on_lists: Vec<OnList>,
}

/// Sets of tools nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Toolbox(Mutex<Vec<Tools>>);

impl Toolbox {
    /// A set of tools, used before or new.
    pub(super) fn take(&self) -> Tools {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Tools {
            names: KeyCache::new(),
            scratch: Scratch::default(),
            words: Words::default(),
            on_lists: Vec::new(),
        })
    }

    /// Keeps a set for the next message.
    pub(super) fn put_back(&self, mut tools: Tools) {
        tools.names.forget();
        tools.scratch.forget();
        tools.words.forget();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(tools);
        }
    }
}
