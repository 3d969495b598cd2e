//! Many clients at once: threads with connections that stay open, each taking the next message from one list.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::{Person, Raw, Reply, post, pupils};

/// Clients, the doors they go through (in turn), and whom they send to.
#[derive(Debug, Clone)]
pub struct Load {
    /// How many send at the same time.
    pub clients: usize,
    /// Ports of gateways.
    pub ports: Vec<u16>,
    /// Importer, with port.
    pub host: String,
    /// What is sent about each person.
    pub shape: fn(&Person) -> serde_json::Value,
}

/// What became of a message: its people, and the answer. None where the connection ended without one.
pub type Fate = (Range<u32>, Option<Reply>);

impl Load {
    /// Sends every message once. A client whose gateway is gone stops; what nobody took is not in the answer.
    pub fn send(&self, messages: &[Range<u32>]) -> Vec<Fate> {
        let next = AtomicUsize::new(0);
        let fates = Mutex::new(Vec::with_capacity(messages.len()));
        thread::scope(|scope| {
            for client in 0..self.clients {
                let (next, fates) = (&next, &fates);
                scope.spawn(move || self.client(client, messages, next, fates));
            }
        });
        fates.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self, client: usize, messages: &[Range<u32>], next: &AtomicUsize, fates: &Mutex<Vec<Fate>>) {
        let port = self.ports[client % self.ports.len()];
        let mut connection = Raw::connect_if_up(port);
        while let Some(open) = &mut connection {
            let Some(people) = messages.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let reply = self.exchange(open, people).ok().flatten();
            if reply.as_ref().is_none_or(|reply| reply.header("connection") == Some("close")) {
                connection = Raw::connect_if_up(port);
            }
            fates.lock().unwrap().push((people.clone(), reply));
        }
    }

    fn exchange(&self, connection: &mut Raw, people: &Range<u32>) -> io::Result<Option<Reply>> {
        let body = pupils(people.start, people.end, self.shape);
        connection.send(post(&self.host, "/v1/people", &body)).try_reply()
    }
}

/// People `from..to` in messages of mixed sizes, from one person to fifty-five.
pub fn mixed(from: u32, to: u32) -> Vec<Range<u32>> {
    const SIZES: [u32; 10] = [3, 1, 21, 8, 2, 55, 1, 13, 5, 34];
    let mut messages = Vec::new();
    let mut first = from;
    for size in SIZES.iter().cycle() {
        if first >= to {
            break;
        }
        messages.push(first..to.min(first + size));
        first += size;
    }
    messages
}

/// Each person in a message of their own.
pub fn singly(people: impl IntoIterator<Item = u32>) -> Vec<Range<u32>> {
    people.into_iter().map(|person| person..person + 1).collect()
}
