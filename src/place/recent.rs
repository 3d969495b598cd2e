//! Places that were asked for lately: most traffic goes to few hosts, and a place is a function of its host and its address
//! as long as the tables are the same. A reload makes new tables, and with them forgets all of this.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::transfer::Place;

/// Places kept at once. One that is asked for takes the room of another whose hash ends alike.
const ROOM: usize = 256;
/// Longer names are not kept, so that the room is bounded in bytes too.
const NAME_BYTES: usize = 255;

/// Answers by question.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[Mutex<Option<Known>>]>,
    /// Seeded anew each time, so that nobody outside can choose names that drive each other out.
    hasher: RandomState,
}

#[derive(Debug)]
struct Known {
    host: Option<Box<str>>,
    address: Option<IpAddr>,
    place: Place,
}

impl Recent {
    /// The place of a host and an address, found out by `locate` if it is not known.
    pub(super) fn place(&self, host: Option<&str>, address: Option<IpAddr>, locate: impl FnOnce() -> Place) -> Place {
        let hash = usize::try_from(self.hasher.hash_one((host, address)) % ROOM as u64).unwrap_or(0);
        let Some(slot) = self.slots.get(hash).filter(|_| host.is_none_or(|host| host.len() <= NAME_BYTES)) else {
            return locate();
        };
        // An entry is replaced whole, so a panic elsewhere leaves none half made.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(known) if known.host.as_deref() == host && known.address == address => known.place.clone(),
            _ => {
                let place = locate();
                *slot = Some(Known { host: host.map(Into::into), address, place: place.clone() });
                place
            }
        }
    }
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { slots: (0..ROOM).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}
