//! Work on several threads of the host whose results are told in the order of their numbers, so
//! that what is told does not depend on which thread was faster.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::session::drive::Flow;

/// Processors that this process may use.
pub(super) fn host_processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Does the work of each number; `tell` gets the results in order, and ends it all early by
/// [`Flow::Enough`] or an error. Work that is under way then is finished and not told.
///
/// # Errors
/// Those of `tell`.
pub(super) fn in_order<T: Send, E>(
    numbers: Range<u64>,
    jobs: NonZeroUsize,
    work: impl Fn(u64) -> T + Sync,
    mut tell: impl FnMut(u64, T) -> Result<Flow, E>,
) -> Result<(), E> {
    let next = AtomicU64::new(numbers.start);
    let (done, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (done, work, next, end) = (done.clone(), &work, &next, numbers.end);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens once enough was told.
                    if number >= end || done.send((number, work(number))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut early = BTreeMap::new();
        let mut wanted = numbers.start;
        let told = results.iter().try_for_each(|(number, result)| {
            early.insert(number, result);
            while let Some(result) = early.remove(&wanted) {
                match tell(wanted, result) {
                    Ok(Flow::Continue) => wanted += 1,
                    Ok(Flow::Enough) => return Err(None),
                    Err(error) => return Err(Some(error)),
                }
            }
            Ok(())
        });
        next.store(numbers.end, Ordering::Relaxed);
        match told {
            Ok(()) | Err(None) => Ok(()),
            Err(Some(error)) => Err(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn told(jobs: usize, enough: u64) -> Vec<(u64, u64)> {
        let mut told = Vec::new();
        let jobs = NonZeroUsize::new(jobs).unwrap();
        // Early numbers have the most work.
        let work =
            |number: u64| (0..(40 - number) * 5000).fold(number, |sum, n| sum ^ (n & 1)) & !1;
        let Ok(()) = in_order(3..40, jobs, work, |number, result| {
            told.push((number, result));
            Ok::<_, Infallible>(if number == enough { Flow::Enough } else { Flow::Continue })
        });
        told
    }

    #[test]
    fn results_come_in_order_whoever_is_faster() {
        let one = told(1, 100);
        assert_eq!(one.len(), 37);
        assert!(one.iter().map(|(number, _)| *number).eq(3..40));
        assert_eq!(told(4, 100), one);
        assert_eq!(told(4, 10), one[..8]);
    }

    #[test]
    fn an_error_ends_it() {
        let told = in_order(
            0..1000,
            NonZeroUsize::new(3).unwrap(),
            |number| number,
            |_, number| {
                if number == 5 { Err("five") } else { Ok(Flow::Continue) }
            },
        );
        assert_eq!(told, Err("five"));
    }
}
