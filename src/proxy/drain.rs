//! Counting flows in flight, so that a stop can wait for them and for no longer than they take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The flows in flight. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    flows: AtomicUsize,
    landed: Notify,
}

/// One flow, until it is dropped.
#[derive(Debug)]
pub(super) struct Flying(Arc<Count>);

impl InFlight {
    /// A flow begins.
    pub(super) fn take_off(&self) -> Flying {
        self.0.flows.fetch_add(1, Ordering::AcqRel);
        Flying(Arc::clone(&self.0))
    }

    /// Waits until nothing is in flight, at most `patience`. Returns how many flows are left.
    pub(super) async fn drained(&self, patience: Duration) -> usize {
        let landed = async {
            loop {
                let notified = self.0.landed.notified();
                if self.0.flows.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        let _ = tokio::time::timeout(patience, landed).await;
        self.0.flows.load(Ordering::Acquire)
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        if self.0.flows.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.landed.notify_waiters();
        }
    }
}
