//! CBOR (RFC 8949).

use std::io;

use super::msgpack::unsigned;
use super::{Form, Token, Tokens};
use crate::decode::inside::HOLD;
use crate::decode::window::Window;

/// Reads CBOR.
#[derive(Debug)]
pub(in crate::decode) struct Cbor;

/// The head of an item: its kind, and a number or the lack of one.
struct Item {
    major: u8,
    short: u8,
    argument: Option<u64>,
}

impl Tokens for Cbor {
    fn next(&mut self, window: &mut Window<'_>) -> io::Result<Option<Token>> {
        loop {
            let Some(item) = item(window)? else { return Ok(None) };
            // A tag says what the next item means; here it is looked at all the same.
            if item.major != 6 {
                return token(&item, window);
            }
        }
    }
}

fn token(item: &Item, window: &mut Window<'_>) -> io::Result<Option<Token>> {
    Ok(Some(match (item.major, item.argument) {
        (0, Some(number)) => Token::Number(number.to_string()),
        (1, Some(number)) => Token::Number((-1 - i128::from(number)).to_string()),
        (2, Some(length)) => Token::String(Form::Bytes, length),
        (3, Some(length)) => Token::String(Form::Text, length),
        (2 | 3, None) => return joined(item.major, window),
        (4, length) => Token::List(length),
        (5, length) => Token::Map(length),
        (7, None) => Token::Break,
        (7, Some(bits)) => match item.short {
            26 => Token::Number(f32::from_bits(bits as u32).to_string()),
            27 => Token::Number(f64::from_bits(bits).to_string()),
            _ => Token::Empty,
        },
        _ => return Ok(None),
    }))
}

/// The head of an item (RFC 8949, section 3). Nothing where it is malformed or cut.
fn item(window: &mut Window<'_>) -> io::Result<Option<Item>> {
    let Some([first]) = window.array()? else { return Ok(None) };
    let (major, short) = (first >> 5, first & 0x1f);
    let argument = match short {
        0..=23 => Some(u64::from(short)),
        24..=27 => match unsigned(1 << (short - 24), window)? {
            Some(number) => Some(number),
            None => return Ok(None),
        },
        31 if matches!(major, 2..=5 | 7) => None,
        _ => return Ok(None),
    };
    Ok(Some(Item { major, short, argument }))
}

/// A string in portions: joined, so that nothing hides at a seam. One that is too long to hold cannot be read.
fn joined(major: u8, window: &mut Window<'_>) -> io::Result<Option<Token>> {
    let form = if major == 3 { Form::Text } else { Form::Bytes };
    let mut bytes = Vec::new();
    loop {
        let Some(portion) = item(window)? else { return Ok(None) };
        let length = match (portion.major, portion.argument) {
            (7, None) => return Ok(Some(Token::Joined(form, bytes))),
            (kind, Some(length)) if kind == major && length <= (HOLD - bytes.len()) as u64 => length as usize,
            _ => return Ok(None),
        };
        let view = window.need(length)?;
        let Some(portion) = view.get(..length) else { return Ok(None) };
        bytes.extend_from_slice(portion);
        window.take(length);
    }
}
