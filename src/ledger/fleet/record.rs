//! One record of the spool: the people of a transfer, sealed.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the sealed part, little endian |
//! | 4 | most people any counter has in it, little endian |
//! | 12 | nonce |
//! | 8 | the first bytes of SHA-256 over a label and the 20 before |
//! | … | AES-256-GCM over the rows, with its tag |
//!
//! The head has a check of its own, so that a record cut short by a crash can be told from one whose length is damaged: the
//! first was never promised to anybody, the second counts somebody. It also says how many people are lost where the rest
//! cannot be opened. That number is no secret: the length says nearly as much.

use std::io;
use std::sync::Arc;

use jiff::civil::Date;
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::ledger::key::Keys;
use crate::transfer::{CounterKey, Digest, Touch};

/// What a file of records begins with: its kind and its version.
pub(super) const MAGIC: &[u8; 8] = b"TGspool2";

/// What every record is bound to.
const LABEL: &[u8] = b"tidegate ledger spool 2";

const CHECK: usize = 8;

/// Bytes before the sealed part.
pub(super) const HEAD: usize = 4 + 4 + NONCE_LEN + CHECK;

/// Longest sealed part that is written.
const LONGEST: usize = 256 << 20;

/// Opens and closes records.
pub(super) struct Seal(LessSafeKey);

/// A touch as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) pack: Arc<str>,
    pub(super) counter: Arc<str>,
    pub(super) party: Option<Arc<str>>,
    pub(super) since: Date,
    pub(super) day: Date,
    pub(super) bounds: Arc<[u64]>,
    pub(super) people: Vec<u128>,
}

/// What some bytes begin with.
pub(super) enum Found {
    /// A record of so many bytes.
    Whole(Vec<Row>, usize),
    /// Less than a record: the end of the file, or what a crash left of one.
    Cut,
    /// The head of a record that cannot be opened, with its bytes and the most people any counter has in it.
    Sealed(usize, u32),
    /// No record.
    Nothing,
}

impl Seal {
    /// The seal of a key; none if the key has no secret.
    pub(super) fn of(keys: &Keys) -> Option<Seal> {
        keys.sealing().map(Seal)
    }

    /// A record of some rows.
    pub(super) fn close(&self, rows: &[Row]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        let mut sealed = serde_json::to_vec(rows)?;
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(LABEL), &mut sealed)
            .map_err(|_| io::Error::other("a record cannot be sealed"))?;
        let length = u32::try_from(sealed.len()).ok().filter(|length| *length as usize <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("a record is too long"))?;
        let people = rows.iter().map(|row| row.people.len()).max().unwrap_or(0);
        let people = u32::try_from(people).unwrap_or(u32::MAX);
        let head = [&length.to_le_bytes()[..], &people.to_le_bytes(), &nonce].concat();
        Ok([&head[..], &check(&head), &sealed].concat())
    }

    /// What stands at the beginning of some bytes.
    pub(super) fn open(&self, bytes: &[u8]) -> Found {
        let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Found::Cut };
        let Some((length, people, nonce)) = read_head(head) else { return Found::Nothing };
        let Some(sealed) = rest.get(..length) else { return Found::Cut };
        let damaged = Found::Sealed(HEAD + length, people);
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return damaged };
        let mut sealed = sealed.to_vec();
        let Ok(opened) = self.0.open_in_place(nonce, Aad::from(LABEL), &mut sealed) else { return damaged };
        serde_json::from_slice(opened).map_or(damaged, |rows| Found::Whole(rows, HEAD + length))
    }
}

/// Length, people and nonce of a head whose check holds.
fn read_head(head: &[u8]) -> Option<(usize, u32, &[u8])> {
    let (said, checked) = head.split_at_checked(HEAD - CHECK)?;
    if check(said) != *checked {
        return None;
    }
    let (length, rest) = said.split_first_chunk()?;
    let (people, nonce) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*length) as usize, u32::from_le_bytes(*people), nonce))
}

fn check(head: &[u8]) -> [u8; CHECK] {
    let hash = digest(&SHA256, &[LABEL, head].concat());
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

impl Row {
    /// A touch as it is written.
    pub(super) fn of(touch: &Touch) -> Row {
        Row {
            pack: touch.key.pack.clone(),
            counter: touch.key.counter.clone(),
            party: touch.key.party.clone(),
            since: touch.since,
            day: touch.day,
            bounds: touch.bounds.clone(),
            people: touch.people.iter().map(|digest| u128::from_le_bytes(digest.0)).collect(),
        }
    }

    /// The counter it is about.
    pub(super) fn key(&self) -> CounterKey {
        CounterKey { pack: self.pack.clone(), counter: self.counter.clone(), party: self.party.clone() }
    }

    /// The people it counts.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.people.iter().map(|person| Digest(person.to_le_bytes()))
    }
}
