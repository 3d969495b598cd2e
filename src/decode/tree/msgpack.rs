//! MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>).

use std::io;

use super::{Form, Token, Tokens};
use crate::decode::window::Window;

/// The extension type of points in time.
const TIME: u8 = 0xff;

/// Reads MessagePack.
#[derive(Debug)]
pub(in crate::decode) struct MessagePack;

impl Tokens for MessagePack {
    fn next(&mut self, window: &mut Window<'_>) -> io::Result<Option<Token>> {
        let Some([first]) = window.array()? else { return Ok(None) };
        Ok(Some(match first {
            0x00..=0x7f => Token::Number(first.to_string()),
            0x80..=0x8f => Token::Map(Some(u64::from(first & 0x0f))),
            0x90..=0x9f => Token::List(Some(u64::from(first & 0x0f))),
            0xa0..=0xbf => Token::String(Form::Text, u64::from(first & 0x1f)),
            0xc0 | 0xc2 | 0xc3 => Token::Empty,
            0xca | 0xcb => return float(first == 0xcb, window),
            0xcc..=0xcf => return Ok(unsigned(1 << (first & 3), window)?.map(|n| Token::Number(n.to_string()))),
            0xd0..=0xd3 => return Ok(signed(1 << (first & 3), window)?.map(|n| Token::Number(n.to_string()))),
            0xd4..=0xd8 => return extension(1 << (first - 0xd4), window),
            0xe0..=0xff => Token::Number((i16::from(first) - 256).to_string()),
            _ => return sized(first, window),
        }))
    }
}

/// What says its length in a number of its own.
fn sized(first: u8, window: &mut Window<'_>) -> io::Result<Option<Token>> {
    let width = match first {
        0xc4 | 0xc7 | 0xd9 => 1,
        0xc5 | 0xc8 | 0xda | 0xdc | 0xde => 2,
        0xc6 | 0xc9 | 0xdb | 0xdd | 0xdf => 4,
        _ => return Ok(None),
    };
    let Some(length) = unsigned(width, window)? else { return Ok(None) };
    Ok(match first {
        0xc4..=0xc6 => Some(Token::String(Form::Bytes, length)),
        0xc7..=0xc9 => return extension(length, window),
        0xd9..=0xdb => Some(Token::String(Form::Text, length)),
        0xdc | 0xdd => Some(Token::List(Some(length))),
        _ => Some(Token::Map(Some(length))),
    })
}

/// A value of a type the format does not know, but for points in time.
fn extension(length: u64, window: &mut Window<'_>) -> io::Result<Option<Token>> {
    let Some([kind]) = window.array()? else { return Ok(None) };
    if kind != TIME {
        return Ok(Some(Token::String(Form::Bytes, length)));
    }
    Ok(match length {
        4 | 8 => unsigned(length as usize, window)?.map(|_| Token::Empty),
        12 => window.array::<12>()?.map(|_| Token::Empty),
        _ => None,
    })
}

fn float(double: bool, window: &mut Window<'_>) -> io::Result<Option<Token>> {
    let number = if double {
        window.array()?.map(|bytes| f64::from_be_bytes(bytes).to_string())
    } else {
        window.array()?.map(|bytes| f32::from_be_bytes(bytes).to_string())
    };
    Ok(number.map(Token::Number))
}

/// A number of 1, 2, 4 or 8 bytes, the highest first.
pub(super) fn unsigned(width: usize, window: &mut Window<'_>) -> io::Result<Option<u64>> {
    Ok(match width {
        1 => window.array()?.map(|bytes| u64::from(u8::from_be_bytes(bytes))),
        2 => window.array()?.map(|bytes| u64::from(u16::from_be_bytes(bytes))),
        4 => window.array()?.map(|bytes| u64::from(u32::from_be_bytes(bytes))),
        _ => window.array()?.map(u64::from_be_bytes),
    })
}

fn signed(width: usize, window: &mut Window<'_>) -> io::Result<Option<i64>> {
    Ok(match width {
        1 => window.array()?.map(|bytes| i64::from(i8::from_be_bytes(bytes))),
        2 => window.array()?.map(|bytes| i64::from(i16::from_be_bytes(bytes))),
        4 => window.array()?.map(|bytes| i64::from(i32::from_be_bytes(bytes))),
        _ => window.array()?.map(i64::from_be_bytes),
    })
}
