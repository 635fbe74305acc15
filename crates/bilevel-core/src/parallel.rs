//! Independent pieces of work on all cores.

use std::num::NonZero;
use std::sync::{Mutex, OnceLock};
use std::thread;

use bilevel_backend::computes_on_threads;
use burn::tensor::backend::Backend;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// `items.map(work)`, with tensors of `B`, on as many threads as there are cores; the results keep
/// the order of the items.
///
/// On a backend that does not compute on the threads of this process, one item after the other: a
/// graphics processor is not faster for being asked by several threads, and CubeCL 0.10 gives every
/// thread a queue of its own, whose work is not kept in order with that of others on the same
/// tensors.
///
/// With an item for every core each item stays on its core, and what a backend shares out inside it
/// is computed there in turn: nobody waits for anybody. With fewer items they share the pool that
/// backends compute on. A map inside a map runs on its caller's core.
///
/// Not items in one work-stealing pool: a worker that waits inside a backend's own parallel loop
/// would steal another item while it holds the lock of an autodiff graph.
pub fn map<B: Backend, T: Send, U: Send>(items: Vec<T>, work: impl Fn(T) -> U + Sync) -> Vec<U> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(items.len());
    if threads <= 1 || rayon::current_num_threads() == 1 || !computes_on_threads::<B>() {
        return items.into_iter().map(work).collect();
    }
    let own = (threads == cores).then(|| of_one_thread(cores));
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || {
        queue
            .lock()
            .expect("no work is done under this lock")
            .next()
    };
    let worker = || {
        let mut done = Vec::new();
        while let Some((index, item)) = next() {
            done.push((index, work(item)));
        }
        done
    };
    let mut done: Vec<(usize, U)> = thread::scope(|scope| {
        let spawned = (0..threads).map(|i| match own {
            Some(pools) => scope.spawn(move || pools[i].install(worker)),
            None => scope.spawn(worker),
        });
        let workers: Vec<_> = spawned.collect();
        let results = workers.into_iter().map(|worker| worker.join());
        results
            .flat_map(|result| result.unwrap_or_else(|p| std::panic::resume_unwind(p)))
            .collect()
    });
    done.sort_by_key(|&(index, _)| index);
    done.into_iter().map(|(_, value)| value).collect()
}

/// Pools of one thread each, made once.
fn of_one_thread(count: usize) -> &'static [ThreadPool] {
    static POOLS: OnceLock<Vec<ThreadPool>> = OnceLock::new();
    POOLS.get_or_init(|| {
        let pool = |_| ThreadPoolBuilder::new().num_threads(1).build();
        let pools: Result<_, _> = (0..count).map(pool).collect();
        pools.expect("a thread for each core")
    })
}

#[cfg(test)]
mod tests {
    use bilevel_backend::Cpu;

    use super::map;

    #[test]
    fn order_is_kept_and_all_is_done() {
        let squares = map::<Cpu, _, _>((0..100).collect(), |i: i32| i * i);
        assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());
        assert!(map::<Cpu, _, _>(Vec::<i32>::new(), |i| i).is_empty());
    }

    #[test]
    fn a_map_inside_a_map() {
        let sums = map::<Cpu, _, _>((0..20).collect(), |i: i32| {
            map::<Cpu, _, _>((0..i).collect(), |j: i32| j)
                .into_iter()
                .sum::<i32>()
        });
        assert_eq!(sums, (0..20).map(|i| i * (i - 1) / 2).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "item 3")]
    fn a_panic_reaches_the_caller() {
        map::<Cpu, _, _>((0..8).collect(), |i: i32| assert!(i != 3, "item 3"));
    }
}
