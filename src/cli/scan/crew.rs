//! Several threads that take files one after the other, and one that hears of them in their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

use super::super::Failure;

/// How far a thread may be ahead of the first file that is not done: what is found waits in memory for its turn.
const AHEAD: usize = 1024;

/// As many as there are processors this process may use.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on every item, on so many threads, and calls `done` with the outcomes in the order of the items.
///
/// # Errors
/// The first of `done`; work that has not begun is then left.
pub(super) fn each<I: Sync, T: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&I) -> T + Sync,
    mut done: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let reported = Mutex::new(0usize);
    let moved = Condvar::new();
    let (sender, outcomes) = mpsc::channel();
    let take_turns = |sender: mpsc::Sender<(usize, T)>| {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            let reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
            drop(moved.wait_while(reported, |reported| at > reported.saturating_add(AHEAD)));
            if sender.send((at, work(item))).is_err() {
                return;
            }
        }
    };
    let advance = |to: usize| {
        *reported.lock().unwrap_or_else(PoisonError::into_inner) = to;
        moved.notify_all();
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let sender = sender.clone();
            scope.spawn(|| take_turns(sender));
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut turn = 0;
        for (at, outcome) in &outcomes {
            waiting.insert(at, outcome);
            while let Some(outcome) = waiting.remove(&turn) {
                turn += 1;
                if let Err(failure) = done(outcome) {
                    // Nobody hears any more: threads that wait go on, and stop at the closed channel.
                    next.store(items.len(), Ordering::Relaxed);
                    drop(outcomes);
                    advance(usize::MAX);
                    return Err(failure);
                }
                advance(turn);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_in_order_and_an_error_ends_the_work() {
        let items: Vec<usize> = (0..5000).collect();
        let slow = |item: &usize| {
            if item.is_multiple_of(1000) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            *item
        };
        let mut seen = Vec::new();
        each(&items, 4, slow, |item| {
            seen.push(item);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, items);
        let mut heard = 0;
        let stopped = each(&items, 4, slow, |item| {
            heard += 1;
            if item == 10 { Err(Failure::Unread) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Failure::Unread)) && heard == 11);
    }
}
