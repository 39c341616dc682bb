//! The parts of other nodes' events that have come so far.
//!
//! A sender sends its events one after another, so of each at most one is under way. Whatever is not exactly the next part ends the
//! event: it is not delivered, and those it was for read again.

use std::collections::HashMap;
use std::time::Duration;

use antiphon_realtime::Target;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::parts::Part;

/// Senders whose last event is remembered.
const MAX_SENDERS: usize = 256;
/// Bytes of all events that are under way.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Time from the first part of an event to the last. A sender that is slower has given up before.
const ASSEMBLED_WITHIN: Duration = Duration::from_secs(30);
/// So long after its last part a sender is remembered, so that parts that come twice are known.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Time between two looks for what is late.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All events that are under way, bounded.
#[derive(Debug, Default)]
pub(super) struct Assemblies {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    senders: HashMap<String, Sender>,
    /// Sum of the sizes of what is under way.
    bytes: usize,
    /// Somebody looks for what is late.
    swept: bool,
}

/// The last event of one sender.
#[derive(Debug)]
struct Sender {
    /// The number of that event; all before it are over.
    id: u64,
    /// What there is of it; `None` once it is over.
    event: Option<Assembly>,
    heard: Instant,
}

#[derive(Debug)]
struct Assembly {
    next: usize,
    count: usize,
    size: usize,
    text: String,
    missed: Option<Target>,
    began: Instant,
}

/// What became of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The event whose last part this was.
    pub(super) whole: Option<String>,
    /// Those who read again because an event was given up.
    pub(super) missed: Vec<Target>,
    /// [`Assemblies::sweep`] has to be called from time to time, until it says that this is over.
    pub(super) sweep: bool,
}

impl Assemblies {
    /// Takes a part from another node.
    pub(super) fn take(&self, part: &Part<'_>, now: Instant) -> Taken {
        let mut state = self.state.lock();
        let mut taken = Taken::default();
        if !state.senders.contains_key(&*part.host_id) && state.senders.len() >= MAX_SENDERS {
            taken.missed.extend(state.forget_oldest());
        }
        let State { senders, bytes, .. } = &mut *state;
        let is_known = senders.contains_key(&*part.host_id);
        let sender = senders.entry(part.host_id.to_string()).or_insert_with(|| Sender {
            id: part.id,
            event: None,
            heard: now,
        });
        sender.heard = now;
        if !is_known || part.id > sender.id {
            taken.missed.extend(sender.give_up(bytes));
            sender.id = part.id;
            if part.index == 0 && part.is_plausible() && *bytes + part.size <= MAX_BYTES {
                *bytes += part.size;
                sender.event = Some(Assembly::of(part, now));
            } else {
                // Its beginning was missed, or there is no room for it.
                taken.missed.extend(part.missed());
            }
        }
        // Parts of events that are over come when a sender had to repeat itself, or because they were given up.
        if part.id == sender.id
            && let Some(event) = &mut sender.event
        {
            match event.push(part) {
                Pushed::Last => {
                    taken.whole = sender.end(bytes).map(|event| event.text);
                }
                Pushed::More => {}
                Pushed::Wrong => taken.missed.extend(sender.give_up(bytes)),
            }
        }
        taken.sweep = !std::mem::replace(&mut state.swept, true);
        taken
    }

    /// Gives up what is late, and forgets who was not heard for long. Gives who reads again; `None` once there is nothing to look
    /// for any more.
    pub(super) fn sweep(&self, now: Instant) -> Option<Vec<Target>> {
        let mut state = self.state.lock();
        let State { senders, bytes, swept } = &mut *state;
        let mut missed = Vec::new();
        senders.retain(|_, sender| {
            let is_late = sender.event.as_ref().is_some_and(|event| now - event.began >= ASSEMBLED_WITHIN);
            if is_late {
                missed.extend(sender.give_up(bytes));
            }
            is_late || sender.event.is_some() || now - sender.heard < REMEMBERED
        });
        *swept = !senders.is_empty();
        swept.then_some(missed)
    }

    /// Gives up everything: a gap of the subscription has all sockets read again.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        // The senders stay known: what is still to come of these events is of no use.
        for sender in state.senders.values_mut() {
            sender.event = None;
        }
        state.bytes = 0;
    }
}

impl State {
    /// Makes room for another sender. Gives who reads again because the one forgotten had an event under way.
    fn forget_oldest(&mut self) -> Option<Target> {
        // Those without an event come first.
        let oldest = self.senders.iter().min_by_key(|(_, sender)| (sender.event.is_some(), sender.heard));
        let host_id = oldest.map(|(host_id, _)| host_id.clone())?;
        self.senders.remove(&host_id)?.give_up(&mut self.bytes)
    }
}

impl Sender {
    /// Takes the event out, if one is under way.
    fn end(&mut self, bytes: &mut usize) -> Option<Assembly> {
        let event = self.event.take()?;
        *bytes = bytes.saturating_sub(event.size);
        Some(event)
    }

    /// Ends the event under way undelivered. Gives who reads again.
    fn give_up(&mut self, bytes: &mut usize) -> Option<Target> {
        self.end(bytes)?.missed
    }
}

enum Pushed {
    Last,
    More,
    Wrong,
}

impl Assembly {
    fn of(first: &Part<'_>, now: Instant) -> Self {
        Self {
            next: 0,
            count: first.count,
            size: first.size,
            text: String::new(),
            missed: first.missed(),
            began: now,
        }
    }

    fn push(&mut self, part: &Part<'_>) -> Pushed {
        if !part.is_plausible() || part.count != self.count || part.size != self.size {
            return Pushed::Wrong;
        }
        if part.index < self.next {
            return Pushed::More;
        }
        if part.index > self.next || self.text.len() + part.data.len() > self.size {
            return Pushed::Wrong;
        }
        // All at once, so that it never takes more room than was counted.
        self.text.reserve_exact(self.size - self.text.len());
        self.text.push_str(&part.data);
        self.next += 1;
        match self.next == self.count {
            false => Pushed::More,
            true if self.text.len() == self.size => Pushed::Last,
            true => Pushed::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_EVENT;
    use super::super::owed::Remedy;
    use super::super::parts::PIECE;
    use super::*;

    /// A message of three parts.
    fn message(fill: &str) -> String {
        fill.repeat(2 * PIECE + 1)
    }

    fn cut<'a>(message: &'a str, id: u64, host_id: &'a str) -> Vec<Part<'a>> {
        let remedy = Remedy::Resync(Target::Room(format!("{host_id} {id}")));
        Part::cut(message, id, &remedy, host_id).collect()
    }

    fn told(rooms: &[&str]) -> Vec<Target> {
        rooms.iter().map(|room| Target::Room((*room).to_owned())).collect()
    }

    /// What becomes of parts that come one after another: the whole events, and who reads again.
    fn outcome(assemblies: &Assemblies, parts: &[&Part<'_>]) -> (Vec<String>, Vec<Target>) {
        let now = Instant::now();
        let (mut whole, mut missed) = (Vec::new(), Vec::new());
        for part in parts {
            let taken = assemblies.take(part, now);
            whole.extend(taken.whole);
            missed.extend(taken.missed);
        }
        (whole, missed)
    }

    fn is_empty(assemblies: &Assemblies) -> bool {
        let state = assemblies.state.lock();
        state.bytes == 0 && state.senders.values().all(|sender| sender.event.is_none())
    }

    #[test]
    fn parts_in_order_are_one_event_whoever_sends_between() {
        let (x, y) = (message("x"), message("y"));
        let (a, b) = (cut(&x, 1, "a"), cut(&y, 1, "b"));
        let assemblies = Assemblies::default();
        let parts = [&a[0], &b[0], &b[1], &a[1], &a[2], &b[2]];
        assert_eq!(outcome(&assemblies, &parts), (vec![x.clone(), y], vec![]));
        assert!(is_empty(&assemblies));
        let next = cut(&x, 2, "a");
        assert_eq!(outcome(&assemblies, &[&next[0], &next[1], &next[2]]), (vec![x.clone()], vec![]));
    }

    #[test]
    fn parts_that_come_twice_are_taken_once() {
        let x = message("x");
        let a = cut(&x, 1, "a");
        let assemblies = Assemblies::default();
        let twice = [&a[0], &a[0], &a[1], &a[0], &a[1], &a[2], &a[1], &a[2], &a[0], &a[1], &a[2]];
        assert_eq!(outcome(&assemblies, &twice), (vec![x.clone()], vec![]));
        assert!(is_empty(&assemblies));
    }

    #[test]
    fn a_missing_part_has_the_rooms_read_again_once() {
        let (x, y) = (message("x"), message("y"));
        let (a, next) = (cut(&x, 1, "a"), cut(&y, 2, "a"));
        for parts in [
            // In the middle, at the beginning, at the end, in wrong order.
            vec![&a[0], &a[2]],
            vec![&a[0], &a[2], &a[1], &a[2]],
            vec![&a[1], &a[2]],
            vec![&a[0], &a[1]],
            vec![&a[2], &a[1], &a[0]],
        ] {
            let assemblies = Assemblies::default();
            let parts: Vec<_> = parts.into_iter().chain(&next).collect();
            assert_eq!(outcome(&assemblies, &parts), (vec![y.clone()], told(&["a 1"])));
            assert!(is_empty(&assemblies));
        }
    }

    #[test]
    fn parts_that_do_not_fit_end_the_event() {
        let (x, other) = (message("x"), "x".repeat(3 * PIECE + 1));
        let a = cut(&x, 1, "a");
        let wrong: [fn(&mut Part<'_>); 6] = [
            |part| part.count += 1,
            |part| part.size += 1,
            |part| part.data = "x".repeat(PIECE + 1).into(),
            |part| part.data = "".into(),
            |part| part.index = part.count,
            |part| part.size = MAX_EVENT + 1,
        ];
        for change in wrong {
            for at in 0..a.len() {
                let assemblies = Assemblies::default();
                let mut changed = cut(&x, 1, "a");
                change(&mut changed[at]);
                let parts: Vec<_> = changed.iter().collect();
                assert_eq!(outcome(&assemblies, &parts), (vec![], told(&["a 1"])), "{at}");
                assert!(is_empty(&assemblies));
            }
        }
        // Of the right form, but of another event: too many bytes, or too few.
        let more = cut(&other, 1, "a");
        let mut last = cut(&x, 1, "a").pop().unwrap();
        last.data.clone_from(&more[2].data);
        assert_eq!(outcome(&Assemblies::default(), &[&a[0], &a[1], &last]), (vec![], told(&["a 1"])));
        let mut short = cut(&x, 1, "a").remove(1);
        short.data = "x".into();
        assert_eq!(outcome(&Assemblies::default(), &[&a[0], &short, &a[2]]), (vec![], told(&["a 1"])));
    }

    #[test]
    fn a_gap_of_the_subscription_ends_all_and_the_rest_of_them_says_nothing_more() {
        let x = message("x");
        let (a, next) = (cut(&x, 1, "a"), cut(&x, 2, "a"));
        let assemblies = Assemblies::default();
        assert_eq!(outcome(&assemblies, &[&a[0], &a[1]]), (vec![], vec![]));
        assemblies.clear();
        assert!(is_empty(&assemblies));
        let parts = [&a[2], &next[0], &next[1], &next[2]];
        assert_eq!(outcome(&assemblies, &parts), (vec![x.clone()], vec![]));
    }

    #[test]
    fn what_is_late_is_given_up_and_senders_are_forgotten() {
        let x = message("x");
        let a = cut(&x, 1, "a");
        let assemblies = Assemblies::default();
        let begin = Instant::now();
        assert!(assemblies.take(&a[0], begin).sweep, "the first has to be looked after");
        assert!(!assemblies.take(&a[1], begin).sweep);
        let early = begin + ASSEMBLED_WITHIN - Duration::from_millis(1);
        assert_eq!(assemblies.sweep(early), Some(vec![]));
        assert_eq!(assemblies.sweep(begin + ASSEMBLED_WITHIN), Some(told(&["a 1"])));
        assert!(is_empty(&assemblies));
        let late = begin + ASSEMBLED_WITHIN;
        assert_eq!(assemblies.take(&a[2], late), Taken::default(), "the late part changes nothing");
        assert_eq!(assemblies.sweep(late + REMEMBERED - Duration::from_millis(1)), Some(vec![]));
        assert_eq!(assemblies.sweep(late + REMEMBERED), None);
        assert!(assemblies.state.lock().senders.is_empty());
        assert!(assemblies.take(&a[0], late).sweep, "and is looked after again");
    }

    #[test]
    fn the_bytes_of_all_events_are_bounded() {
        const FIT: usize = MAX_BYTES / MAX_EVENT;
        let large = "x".repeat(MAX_EVENT);
        let hosts: Vec<String> = (0..=FIT).map(|number| number.to_string()).collect();
        let events: Vec<_> = hosts.iter().map(|host| cut(&large, 1, host)).collect();
        let assemblies = Assemblies::default();
        let first: Vec<_> = events.iter().map(|parts| &parts[0]).collect();
        assert_eq!(outcome(&assemblies, &first), (vec![], told(&[&format!("{FIT} 1")])));
        assert_eq!(assemblies.state.lock().bytes, MAX_BYTES);
        let held: usize = {
            let state = assemblies.state.lock();
            state.senders.values().filter_map(|sender| Some(sender.event.as_ref()?.text.capacity())).sum()
        };
        assert!(held <= MAX_BYTES, "{held}");
        // The others go on, and afterwards there is room.
        let rest: Vec<_> = events[0][1..].iter().collect();
        assert!(outcome(&assemblies, &rest).0 == [large.clone()]);
        let again = cut(&large, 2, &hosts[FIT]);
        assert!(outcome(&assemblies, &again.iter().collect::<Vec<_>>()) == (vec![large.clone()], vec![]));
    }

    #[test]
    fn the_number_of_senders_is_bounded_and_idle_ones_go_first() {
        // Of two parts, so that there is room for all of them.
        let x = "x".repeat(PIECE + 1);
        let hosts: Vec<String> = (0..=MAX_SENDERS).map(|number| number.to_string()).collect();
        let events: Vec<_> = hosts.iter().map(|host| cut(&x, 1, host)).collect();
        let assemblies = Assemblies::default();
        let mut parts: Vec<_> = events[..MAX_SENDERS].iter().map(|parts| &parts[0]).collect();
        parts.extend(&events[1][1..]);
        parts.push(&events[MAX_SENDERS][0]);
        assert_eq!(outcome(&assemblies, &parts), (vec![x.clone()], vec![]), "who is done is forgotten");
        let further = cut(&x, 1, "further");
        let (_, missed) = outcome(&assemblies, &[&further[0]]);
        assert_eq!(missed.len(), 1, "nobody is done");
        assert_eq!(assemblies.state.lock().senders.len(), MAX_SENDERS);
    }
}
