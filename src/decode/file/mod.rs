//! Files with an inner order of their own, held whole as far as that is needed: PDF, images, databases, old office files,
//! biometric records.

use std::io;

use super::account::Opaque;
use super::opaque;
use super::output::Output;
use super::window::Window;

mod bundle;

pub(super) mod image;

pub(super) mod ole;

pub(super) mod pdf;

pub(super) mod sqlite;

pub(super) mod template;

/// Largest file that is held to be read. A larger one is opaque.
const HELD: usize = 32 * 1024 * 1024;

/// Counts what is left of the file as opaque.
fn unread(reason: Opaque, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let left = window.drain()?;
    opaque(reason, left, out);
    Ok(())
}
