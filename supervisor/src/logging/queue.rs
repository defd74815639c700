//! Lines on their way to one sink: bounded, in order, the least important lost first. No threads, no clock.

use std::collections::VecDeque;

/// Which lines are lost first when there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Importance {
    /// Lines of the access log.
    Access,
    /// All other lines.
    Common,
    /// Errors and audit lines, lost last.
    Vital,
}

/// How many lines were lost, by importance.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct LostLines {
    pub(super) access: u64,
    pub(super) common: u64,
    pub(super) vital: u64,
}

impl LostLines {
    pub(super) fn sum(self) -> u64 {
        self.access + self.common + self.vital
    }
}

/// What the writer should write next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a, T> {
    /// Lines were lost here; [`Queue::take_lost`] says how many.
    Gap,
    /// The item that [`Queue::pop`] returns.
    Item(&'a T),
}

/// The items that wait for one sink.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// One list for each importance.
    waiting: [Waiting<T>; 3],
    /// The number of the next item.
    next: u64,
    capacity: usize,
    /// Lines that were lost since the last report of them.
    lost: LostLines,
    /// The number of the first line among them.
    gap: Option<u64>,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<Numbered<T>>,
    size: usize,
}

#[derive(Debug)]
struct Numbered<T> {
    number: u64,
    size: usize,
    item: T,
}

impl<T> Queue<T> {
    /// For items of `capacity` bytes in all.
    pub(super) fn new(capacity: usize) -> Self {
        let empty = || Waiting {
            items: VecDeque::new(),
            size: 0,
        };
        Self {
            waiting: [empty(), empty(), empty()],
            next: 0,
            capacity,
            lost: LostLines::default(),
            gap: None,
        }
    }

    /// Adds an item of `size` bytes; where there is no room, the newest of the least important ones are lost for it, or
    /// it is lost itself.
    pub(super) fn push(&mut self, importance: Importance, size: usize, item: T) {
        let number = self.number();
        let class = importance as usize;
        let kept: usize = self.waiting[class..].iter().map(|waiting| waiting.size).sum();
        if kept + size > self.capacity {
            return self.lose(importance, number);
        }
        while self.size() + size > self.capacity {
            self.drop_least();
        }
        self.add(class, Numbered { number, size, item });
    }

    /// Adds what takes no room and is never lost.
    pub(super) fn push_always(&mut self, item: T) {
        let number = self.number();
        let size = 0;
        self.add(Importance::Vital as usize, Numbered { number, size, item });
    }

    /// What comes next; a gap at the very end only when `tell_at_end`.
    pub(super) fn peek(&self, tell_at_end: bool) -> Option<Next<'_, T>> {
        let class = self.first_class();
        let first = class.and_then(|class| self.waiting[class].items.front());
        match (first, self.gap) {
            (Some(first), Some(gap)) if gap < first.number => Some(Next::Gap),
            (Some(first), _) => Some(Next::Item(&first.item)),
            (None, Some(_)) if tell_at_end => Some(Next::Gap),
            (None, _) => None,
        }
    }

    /// Removes the oldest item.
    pub(super) fn pop(&mut self) -> Option<(Importance, T)> {
        let class = self.first_class()?;
        let waiting = &mut self.waiting[class];
        let first = waiting.items.pop_front()?;
        waiting.size -= first.size;
        let importance = [Importance::Access, Importance::Common, Importance::Vital][class];
        Some((importance, first.item))
    }

    /// What was lost since this was asked last; the gap is closed.
    pub(super) fn take_lost(&mut self) -> LostLines {
        self.gap = None;
        std::mem::take(&mut self.lost)
    }

    /// A line that had been popped was lost.
    pub(super) fn lose_popped(&mut self, importance: Importance) {
        self.lose(importance, 0);
    }

    /// Puts back what [`Queue::take_lost`] returned, since the report of it could not be written.
    pub(super) fn put_back(&mut self, lost: LostLines) {
        self.lost.access += lost.access;
        self.lost.common += lost.common;
        self.lost.vital += lost.vital;
        self.gap = Some(0);
    }

    /// All items below this number are out of the queue.
    pub(super) fn first(&self) -> u64 {
        let first = self.first_class().and_then(|class| self.waiting[class].items.front());
        first.map_or(self.next, |first| first.number)
    }

    /// The number of the next item that is pushed.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// How many lines were lost since this was told last.
    pub(super) fn missing(&self) -> u64 {
        self.lost.sum()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn size(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.size).sum()
    }

    fn add(&mut self, class: usize, item: Numbered<T>) {
        self.waiting[class].size += item.size;
        self.waiting[class].items.push_back(item);
    }

    fn lose(&mut self, importance: Importance, number: u64) {
        match importance {
            Importance::Access => self.lost.access += 1,
            Importance::Common => self.lost.common += 1,
            Importance::Vital => self.lost.vital += 1,
        }
        self.gap = Some(self.gap.map_or(number, |gap| gap.min(number)));
    }

    fn drop_least(&mut self) {
        for importance in [Importance::Access, Importance::Common] {
            let waiting = &mut self.waiting[importance as usize];
            if let Some(last) = waiting.items.pop_back() {
                waiting.size -= last.size;
                return self.lose(importance, last.number);
            }
        }
    }

    /// The list that has the oldest item.
    fn first_class(&self) -> Option<usize> {
        let fronts = self.waiting.iter().enumerate();
        fronts
            .filter_map(|(class, waiting)| Some((waiting.items.front()?.number, class)))
            .min()
            .map(|(_, class)| class)
    }
}

#[cfg(test)]
mod tests {
    use super::Importance::{Access, Common, Vital};
    use super::*;

    /// Everything that comes out: items, and numbers of lost lines.
    fn drain(queue: &mut Queue<&'static str>) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(next) = queue.peek(true) {
            out.push(match next {
                Next::Item(item) => item.to_string(),
                Next::Gap => {
                    let lost = queue.take_lost();
                    out.push(format!("lost {} {} {}", lost.access, lost.common, lost.vital));
                    continue;
                }
            });
            queue.pop();
        }
        out
    }

    #[test]
    fn what_fits_comes_out_in_order_whatever_it_is_worth() {
        let mut queue = Queue::new(5);
        for (importance, item) in [(Access, "a"), (Vital, "b"), (Access, "c"), (Common, "d"), (Vital, "e")] {
            queue.push(importance, 1, item);
        }
        assert_eq!(queue.missing(), 0);
        assert_eq!(drain(&mut queue), ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn lines_beyond_the_bound_are_counted_and_told_of_where_they_are_missing() {
        let mut queue = Queue::new(2);
        for item in ["a", "b", "c", "d"] {
            queue.push(Access, 1, item);
        }
        assert_eq!(queue.missing(), 2);
        assert_eq!(queue.pop(), Some((Access, "a")));
        // There is room again: what comes now stands behind the gap.
        queue.push(Access, 1, "e");
        assert_eq!(drain(&mut queue), ["b", "lost 2 0 0", "e"]);
        assert_eq!(queue.missing(), 0);
    }

    #[test]
    fn errors_and_audit_lines_are_the_last_to_be_lost() {
        let mut queue = Queue::new(4);
        for (importance, item) in [(Access, "a"), (Common, "b"), (Access, "c"), (Access, "d")] {
            queue.push(importance, 1, item);
        }
        queue.push(Vital, 2, "error");
        queue.push(Common, 1, "x");
        queue.push(Vital, 1, "audit");
        queue.push(Access, 1, "y");
        queue.push(Vital, 2, "too much");
        // d and c went for the error, a for x, x for the audit line.
        assert_eq!(drain(&mut queue), ["lost 4 1 1", "b", "error", "audit"]);
    }

    #[test]
    fn a_line_that_is_too_large_drives_no_other_out() {
        let mut queue = Queue::new(4);
        queue.push(Access, 1, "a");
        queue.push(Vital, 5, "huge");
        assert_eq!(drain(&mut queue), ["a", "lost 0 0 1"]);
    }

    #[test]
    fn what_takes_no_room_is_never_lost_and_keeps_its_place() {
        let mut queue = Queue::new(1);
        queue.push(Vital, 1, "a");
        queue.push_always("change");
        queue.push(Vital, 1, "b");
        assert_eq!(drain(&mut queue), ["a", "change", "lost 0 0 1"]);
    }

    #[test]
    fn what_could_not_be_written_is_told_of_before_what_comes_next() {
        let mut queue = Queue::new(9);
        queue.push(Common, 1, "a");
        queue.pop();
        queue.lose_popped(Common);
        assert_eq!(queue.peek(false), None, "nothing follows yet");
        queue.push(Access, 1, "b");
        assert_eq!(queue.peek(false), Some(Next::Gap));
        let lost = queue.take_lost();
        queue.put_back(lost);
        assert_eq!(queue.missing(), 1);
        assert_eq!(drain(&mut queue), ["lost 0 1 0", "b"]);
    }

    #[test]
    fn numbers_say_what_is_out_of_the_queue() {
        let mut queue = Queue::new(2);
        assert_eq!((queue.first(), queue.next()), (0, 0));
        queue.push(Access, 1, "a");
        queue.push(Access, 1, "b");
        queue.push(Access, 1, "lost");
        assert_eq!((queue.first(), queue.next()), (0, 3));
        queue.pop();
        assert_eq!(queue.first(), 1);
        queue.pop();
        assert_eq!(queue.first(), 3);
    }
}
