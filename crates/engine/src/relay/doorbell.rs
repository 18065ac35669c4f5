//! Tells a poll that has a reason from one that has none.
//!
//! Whoever takes an output asks again at once, and mostly in vain: to ask the body, its timer and the heartbeat
//! then costs as much as to relay a chunk. What is polled with [`Doorbell::waker`] and has said `Pending` need not
//! be polled again before it rings, whoever asks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// A waker of a task that remembers whether it was called.
pub(super) struct Doorbell {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    has_rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Doorbell {
    /// One that wakes this task. It has rung already, because nobody knows it yet.
    pub(super) fn of(task: &Waker) -> Self {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: task.clone() });
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// Whether it wakes this very task.
    pub(super) fn wakes(&self, task: &Waker) -> bool {
        self.bell.task.will_wake(task)
    }

    /// What rings it, and wakes the task.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether it has rung since it was last asked. Ask before polling: what rings meanwhile is kept.
    pub(super) fn has_rung(&self) -> bool {
        self.bell.has_rung.swap(false, Ordering::AcqRel)
    }

    /// Rings without waking the task: the next to ask is to poll.
    pub(super) fn ring(&self) {
        self.bell.has_rung.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn it_has_rung_once_for_whoever_comes_first_and_again_for_every_call() {
        let (task, other) = (Arc::<Task>::default(), Arc::<Task>::default());
        let waker = Waker::from(Arc::clone(&task));
        let doorbell = Doorbell::of(&waker);
        assert!(doorbell.wakes(&waker) && !doorbell.wakes(&Waker::from(other)));
        assert!(doorbell.has_rung() && !doorbell.has_rung());
        doorbell.ring();
        assert!(doorbell.has_rung() && !task.0.load(Ordering::Acquire));
        doorbell.waker().wake_by_ref();
        assert!(task.0.load(Ordering::Acquire) && doorbell.has_rung() && !doorbell.has_rung());
    }
}
