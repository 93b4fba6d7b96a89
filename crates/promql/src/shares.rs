//! Work on many series that are independent of each other, shared out among threads.

use std::panic::resume_unwind;
use std::thread;

/// So many series are taken at once: between that it is asked again how much is held.
pub const SERIES_AT_ONCE: usize = 2048;

/// Fewer values to compute are not worth a thread.
const VALUES_PER_THREAD: usize = 1 << 16;

/// Hands neighbouring items to each thread, and what they come to back in the items' order. `values` is about how many are
/// computed for one item.
pub fn shared_out<T: Send, R: Send, E: Send>(
    items: &mut [T],
    values: usize,
    work: impl Fn(&mut [T]) -> Result<Vec<R>, E> + Sync,
) -> Result<Vec<R>, E> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (items.len().saturating_mul(values) / VALUES_PER_THREAD).clamp(1, cores);
    if threads == 1 {
        return work(items);
    }
    let share = items.len().div_ceil(threads).max(1);
    let work = &work;
    let shares: Vec<Result<Vec<R>, E>> = thread::scope(|scope| {
        let mut shares = items.chunks_mut(share);
        let own = shares.next();
        let others: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        let own = own.map(work);
        let joined = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        own.into_iter().chain(joined).collect()
    });
    let mut results = Vec::with_capacity(items.len());
    for share in shares {
        results.extend(share?);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let mut items: Vec<usize> = (0..1000).collect();
        let doubled = |share: &mut [usize]| Ok::<Vec<usize>, ()>(share.iter().map(|item| item * 2).collect());
        let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
        assert_eq!(shared_out(&mut items, 1, doubled).unwrap(), expected);
        assert_eq!(shared_out(&mut items, 1 << 20, doubled).unwrap(), expected);
        assert_eq!(shared_out(&mut [], 1 << 20, doubled).unwrap(), []);
        let failing = |share: &mut [usize]| match share.contains(&999) {
            true => Err(()),
            false => Ok(share.to_vec()),
        };
        assert_eq!(shared_out(&mut items, 1 << 20, failing).unwrap_err(), ());
    }
}
