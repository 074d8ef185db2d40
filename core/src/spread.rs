//! Work spread over the processors.

use std::num::NonZero;
use std::thread::{self, Builder};

/// The fewest items that are worth a thread: starting one costs as much as reading two scripts.
const WORTH: usize = 64;

/// Maps the items in their order, on several threads when there are many.
///
/// The macro is compiled without optimization also in release builds, and the user waits for it at every build.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], step: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(items.len() / WORTH).max(1);
    let all = &|items: &[T]| items.iter().map(&step).collect::<Vec<R>>();
    let mut chunks = items.chunks(items.len().div_ceil(threads).max(1));
    let Some(first) = chunks.next() else { return Vec::new() };
    thread::scope(|scope| {
        // Where no thread can be had, the work is done here, when its turn comes.
        let started: Vec<_> =
            chunks.map(|chunk| Builder::new().spawn_scoped(scope, move || all(chunk)).map_err(|_| chunk)).collect();
        let mut mapped = all(first);
        for thread in started {
            mapped.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(chunk) => all(chunk),
            });
        }
        mapped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_however_many_there_are() {
        for count in [0, 1, 63, 64, 127, 128, 1_000] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(map(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
