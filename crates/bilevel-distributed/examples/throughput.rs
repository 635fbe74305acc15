//! How many exchanges a second a network of this machine carries: vectors of 1 MB up, and 1 MB
//! down.
//!
//! ```sh
//! cargo run --release --features zenoh --example throughput -- 1000000 5
//! ```

use std::thread;
use std::time::{Duration, Instant};

use bilevel_distributed::communicator::{
    Event, MasterCommunicator, Payload, WorkerCommunicator, WorkerId, ZenohMaster, ZenohSettings,
    ZenohWorker,
};

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Anything<()> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let bytes = numbers.next().transpose()?.unwrap_or(1_000_000);
    let seconds = numbers.next().transpose()?.unwrap_or(5);
    for workers in [1, 4] {
        let rate = rate(workers, bytes, Duration::from_secs(seconds as u64))?;
        let megabytes = 2.0 * rate * bytes as f64 / 1e6;
        println!(
            "{workers} workers, {bytes} bytes: {rate:.0} exchanges a second, {megabytes:.0} MB/s both ways"
        );
    }
    Ok(())
}

/// Exchanges a second of all workers together; every answer is replied to at once.
fn rate(workers: usize, bytes: usize, time: Duration) -> Anything<f64> {
    const WAIT: Duration = Duration::from_secs(60);
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let settings = ZenohSettings::local("throughput", port);
    let mut master = ZenohMaster::listen(&settings, workers)?;
    let payload = Payload::from(vec![7; bytes]);
    thread::scope(|scope| {
        for i in 0..workers as u32 {
            let (settings, payload) = (&settings, payload.clone());
            scope.spawn(move || -> Result<(), bilevel_distributed::Error> {
                let mut end = ZenohWorker::connect(settings, WorkerId(i))?;
                let mut seq = 0;
                while !end.exchange(seq, payload.clone(), WAIT)?.is_empty() {
                    seq += 1;
                }
                Ok(())
            });
        }
        // Time runs from when all have been heard.
        let (mut heard, mut exchanges) = (0, 0);
        let mut start = Instant::now();
        while heard < workers || start.elapsed() < time {
            let deadline = master.now() + WAIT;
            match master.next_event(deadline)? {
                Some(Event::Answer(stamp, _)) => {
                    if stamp.seq == 0 {
                        heard += 1;
                        (start, exchanges) = (Instant::now(), 0);
                    }
                    exchanges += 1;
                    master.reply(stamp, payload.clone());
                }
                Some(Event::Joined(..)) => {}
                other => return Err(format!("the workers are gone: {other:?}").into()),
            }
        }
        let rate = f64::from(exchanges) / start.elapsed().as_secs_f64();
        master.close(Vec::new().into());
        drop(master);
        Ok(rate)
    })
}
