//! Tidegate: a gateway that knows whose law each message is about to cross.
//!
//! The modules stand in the order in which a transfer meets them. Read [`transfer`] first for the words, then
//! [`gate`] for the story: it is the one path from a message to the decision about it.

// An exchange is one future made of others, more deeply than the compiler expects.
#![recursion_limit = "256"]
// The blank lines keep the order of the journey; a formatter would sort adjacent lines.

pub mod proxy;

pub mod gate;

pub mod place;

pub mod decode;

pub mod detect;

pub mod policy;

pub mod ledger;

pub mod audit;

pub mod metrics;

pub mod admin;

pub mod config;

pub mod cli;

pub mod transfer;

pub mod diagnostic;
