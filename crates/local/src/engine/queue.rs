//! A bounded queue between the HTTP handlers and the worker threads.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

/// Work whose client may go away while it waits.
pub trait Job {
    /// True when nobody waits for the result any more.
    fn is_abandoned(&self) -> bool;
}

/// A first-in-first-out queue with a limit; abandoned jobs take no room.
#[derive(Debug)]
pub struct Queue<J> {
    limit: usize,
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    closed: bool,
}

impl<J: Job> Queue<J> {
    /// A queue for at most `limit` waiting jobs.
    pub fn new(limit: usize) -> Self {
        let state = State { jobs: VecDeque::with_capacity(limit), closed: false };
        Self { limit, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a job.
    ///
    /// # Errors
    /// The number of waiting jobs when there is no room.
    pub fn add(&self, job: J) -> Result<(), usize> {
        let mut state = self.state.lock();
        if state.jobs.len() >= self.limit {
            state.jobs.retain(|job| !job.is_abandoned());
        }
        if state.closed || state.jobs.len() >= self.limit {
            return Err(state.jobs.len());
        }
        state.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next job that somebody still wants; `None` when the queue is closed.
    ///
    /// An idle worker waits without a time limit: there is nothing else for it to do.
    pub fn next(&self) -> Option<J> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            match state.jobs.pop_front() {
                Some(job) if job.is_abandoned() => {}
                Some(job) => return Some(job),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.state.lock().jobs.iter().filter(|job| !job.is_abandoned()).count()
    }

    /// True when no job waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the queue: waiting jobs are dropped and workers leave.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.jobs.clear();
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Debug, PartialEq)]
    struct Numbered {
        number: u32,
        abandoned: bool,
    }

    impl Job for Numbered {
        fn is_abandoned(&self) -> bool {
            self.abandoned
        }
    }

    fn job(number: u32, abandoned: bool) -> Numbered {
        Numbered { number, abandoned }
    }

    #[test]
    fn the_limit_holds_and_abandoned_jobs_make_room() {
        let queue = Queue::new(2);
        queue.add(job(1, false)).unwrap();
        queue.add(job(2, true)).unwrap();
        assert_eq!(queue.len(), 1);
        queue.add(job(3, false)).unwrap();
        assert_eq!(queue.add(job(4, false)), Err(2));
        assert_eq!(queue.next(), Some(job(1, false)));
        assert_eq!(queue.next(), Some(job(3, false)));
        assert!(queue.is_empty());
    }

    #[test]
    fn abandoned_jobs_are_skipped() {
        let queue = Queue::new(3);
        queue.add(job(1, true)).unwrap();
        queue.add(job(2, false)).unwrap();
        assert_eq!(queue.next(), Some(job(2, false)));
    }

    #[test]
    fn closing_wakes_the_workers_and_refuses_more() {
        let queue = Arc::new(Queue::<Numbered>::new(1));
        let worker = std::thread::spawn({
            let queue = queue.clone();
            move || queue.next()
        });
        queue.close();
        assert_eq!(worker.join().unwrap(), None);
        assert_eq!(queue.add(job(1, false)), Err(0));
    }
}
