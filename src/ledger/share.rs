//! Brings the checkpoint, which only the first process has read, to all workers.

use super::Entries;
use crate::exit::stopped;
use anyhow::Result;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, vec::Broadcast};
use timely::worker::Worker;

/// Interval at which a worker that waits for the entries looks for an interruption.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// Gives every worker the entries that the first one has. Every worker must call it. Where the run is
/// `interrupted` before they have come, they may never do so; the first worker's own copy always comes.
pub fn share(worker: &mut Worker, entries: Option<Entries>, interrupted: &AtomicBool) -> Result<Entries> {
    let received: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    let place = Rc::clone(&received);
    let mut input: InputHandle<u64, CapacityContainerBuilder<Vec<Vec<u8>>>> = InputHandle::new();
    worker.dataflow_named::<u64, _, _>("Checkpoint", |scope| {
        let sent = scope.input_from(&mut input);
        sent.broadcast().inspect(move |bytes| *place.borrow_mut() = Some(bytes.clone()));
    });
    if let Some(entries) = &entries {
        input.send(postcard::to_stdvec(entries)?);
    }
    drop(input);
    loop {
        if let Some(bytes) = received.borrow_mut().take() {
            return Ok(postcard::from_bytes(&bytes)?);
        }
        if entries.is_none() && interrupted.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        worker.step_or_park(Some(LOOK_AROUND));
    }
}
