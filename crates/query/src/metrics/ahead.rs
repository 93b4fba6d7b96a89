//! Reading ahead: while something is worked on, what comes next is read.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Hands on what is read of each item, in their order; ends where `take` wants no more. At most two are there at a time: one that is
/// worked on and one that is read.
pub fn read_ahead<I: Send, T: Send, E: Send>(
    items: Vec<I>,
    read: impl Fn(I) -> Result<T, E> + Send,
    mut take: impl FnMut(T) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    if items.len() < 2 {
        return match items.into_iter().next() {
            Some(only) => take(read(only)?),
            None => Ok(ControlFlow::Continue(())),
        };
    }
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(0);
        scope.spawn(move || {
            for item in items {
                let read = read(item);
                let has_failed = read.is_err();
                // Nobody waits for it where enough has been taken.
                if sender.send(read).is_err() || has_failed {
                    return;
                }
            }
        });
        for read in receiver {
            if take(read?)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;

    #[test]
    fn all_are_taken_in_their_order() {
        for count in 0..5 {
            let mut taken = Vec::new();
            let flow = read_ahead((0..count).collect(), Ok::<i32, ()>, |item| {
                taken.push(item);
                Ok(ControlFlow::Continue(()))
            });
            assert_eq!((taken, flow), ((0..count).collect(), Ok(ControlFlow::Continue(()))));
        }
    }

    #[test]
    fn no_more_is_read_than_one_ahead() {
        let read = AtomicUsize::new(0);
        let count = |item: usize| {
            read.fetch_add(1, SeqCst);
            Ok::<_, ()>(item)
        };
        let mut taken = 0;
        let flow = read_ahead((0..100).collect(), count, |item| {
            assert!(read.load(SeqCst) <= item + 2);
            taken += 1;
            Ok(if item == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert!(flow == Ok(ControlFlow::Break(())) && taken == 11 && read.load(SeqCst) <= 12);
    }

    #[test]
    fn it_ends_with_the_first_error() {
        let read = AtomicUsize::new(0);
        let failing = |item: usize| {
            read.fetch_add(1, SeqCst);
            if item == 2 { Err("broken") } else { Ok(item) }
        };
        let mut taken = Vec::new();
        let flow = read_ahead((0..100).collect(), failing, |item| {
            taken.push(item);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!((flow, taken, read.load(SeqCst)), (Err("broken"), vec![0, 1], 3));
        let flow = read_ahead((0..100).collect(), Ok, |_| Err::<ControlFlow<()>, _>("refused"));
        assert_eq!(flow, Err("refused"));
    }
}
