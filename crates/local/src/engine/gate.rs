//! Who computes now: a fair gate that a fixed number of threads may pass at a time.

use std::num::NonZeroUsize;

use parking_lot::{Condvar, Mutex};

/// A gate with `places` places; those who wait enter in the order in which they came.
///
/// Waiting is bounded by the steps of the others (one token, one part of a prompt or one batch), so there is no time limit.
#[derive(Debug)]
pub struct Gate {
    places: u64,
    state: Mutex<Tickets>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Tickets {
    next: u64,
    finished: u64,
}

impl Gate {
    /// A gate with `places` places.
    pub fn new(places: NonZeroUsize) -> Self {
        Self { places: places.get() as u64, state: Mutex::default(), left: Condvar::new() }
    }

    /// Does one step of work inside the gate.
    pub fn step<T>(&self, work: impl FnOnce() -> T) -> T {
        let _place = self.enter();
        work()
    }

    fn enter(&self) -> Place<'_> {
        let mut state = self.state.lock();
        let ticket = state.next;
        state.next += 1;
        while ticket >= state.finished + self.places {
            self.left.wait(&mut state);
        }
        Place { gate: self }
    }
}

/// Gives the place back, also when the work panics.
struct Place<'a> {
    gate: &'a Gate,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.state.lock().finished += 1;
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_inside_than_places_and_everybody_gets_through() {
        let gate = Arc::new(Gate::new(NonZeroUsize::new(2).unwrap()));
        let (inside, most, done) = (Arc::default(), Arc::default(), Arc::default());
        let threads: Vec<_> = (0..6)
            .map(|_| {
                let gate = gate.clone();
                let (inside, most, done): (Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>) =
                    (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&done));
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        gate.step(|| {
                            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            done.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(done.load(Ordering::SeqCst), 1_200);
    }

    #[test]
    fn a_panic_inside_gives_the_place_back() {
        let gate = Gate::new(NonZeroUsize::MIN);
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gate.step(|| panic!("on purpose"))));
        assert!(outcome.is_err());
        assert_eq!(gate.step(|| 7), 7);
    }
}
