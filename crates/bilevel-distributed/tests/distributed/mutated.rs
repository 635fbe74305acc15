//! What anybody may send to a master: ten thousand messages that are nearly those of a worker.
//!
//! A checksum tells damage. Who sends it on purpose computes a right one: so all of these have one.

use std::collections::VecDeque;
use std::time::Duration;

use bilevel_distributed::communicator::{
    Event, MasterCommunicator, Payload, Simulated, Stamp, WorkerId,
};
use bilevel_distributed::message::{Answer, Floats, encode};
use bilevel_distributed::{Adbo, AdboState, Error, Report, Stop, Worker};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::problems::{Scalar, at_zero};
use crate::{asynchronous, lognormal, settings};

const WORKERS: u32 = 4;
/// Messages that are made up for each that is real.
const MADE_UP: usize = 5;
/// Bytes before the body.
const HEADER: usize = 18;

/// Passes on what workers say, and before it what they do not.
struct Forger<C> {
    inner: C,
    rng: ChaCha8Rng,
    waiting: VecDeque<Event>,
    sent: usize,
}

impl<C: MasterCommunicator> Forger<C> {
    fn below(&mut self, most: usize) -> usize {
        (self.rng.next_u64() % most as u64) as usize
    }

    /// The message with some bytes changed, cut or added, a right length and a right checksum; now
    /// and then a message of another kind, with other lengths or with numbers that are none.
    fn changed(&mut self, payload: &Payload) -> Payload {
        let length = [0, 1, 2, 1000][self.below(4)];
        let number = [f64::NAN, f64::INFINITY, 1e308, 0.0][self.below(4)];
        let floats = || Floats::Double(vec![number; length]);
        let payload = match self.below(8) {
            0 => encode(&Answer::Hello {
                upper: length,
                lower: usize::MAX,
            }),
            1 => encode(&Answer::Round(floats())),
            2 => encode(&Answer::Product(floats())),
            3 => encode(&Answer::Step {
                x: floats(),
                y: floats(),
                loss: number,
            }),
            _ => payload.clone(),
        };
        let mut body = payload[HEADER..].to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(body.len().max(1));
            let byte = self.rng.next_u32() as u8;
            match self.below(3) {
                0 => body.truncate(at),
                1 => body.insert(at.min(body.len()), byte),
                _ if !body.is_empty() => {
                    let at = at.min(body.len() - 1);
                    body[at] = byte;
                }
                _ => {}
            }
        }
        let mut bytes = payload[..HEADER].to_vec();
        bytes[6..14].copy_from_slice(&(body.len() as u64).to_le_bytes());
        bytes[14..18].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend(body);
        Payload::from(bytes)
    }

    /// The stamp, or one of another worker, another life or another time.
    fn stamp(&mut self, real: Stamp) -> Stamp {
        let mut stamp = real;
        match self.below(4) {
            0 => stamp.worker = WorkerId(self.below(2 * WORKERS as usize) as u32),
            1 => {
                stamp.seq = stamp
                    .seq
                    .wrapping_add(self.rng.next_u64() % 3)
                    .wrapping_sub(1)
            }
            2 => stamp.worker = WorkerId(u32::MAX),
            _ => {}
        }
        stamp
    }
}

impl<C: MasterCommunicator> MasterCommunicator for Forger<C> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        let event = self.inner.next_event(deadline)?;
        if let Some(Event::Answer(real, payload)) = &event {
            // Not all of a worker's own: three that are refused end it.
            for _ in 0..MADE_UP {
                let forged = self.stamp(*real);
                let payload = self.changed(payload);
                self.waiting.push_back(Event::Answer(forged, payload));
                self.sent += 1;
            }
            self.waiting.extend(event);
            return self.next_event(deadline);
        }
        Ok(event)
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        // A worker of the simulation is not told what it did not say.
        if to.worker.0 < WORKERS {
            self.inner.reply(to, directive);
        }
    }

    fn close(&mut self, shutdown: Payload) {
        self.inner.close(shutdown);
    }
}

/// The master neither panics nor takes a number that is none, whatever it hears; that it may lose
/// its workers is what TLS is for. `DAMAGED` asks for more messages than ten thousand.
#[test]
fn a_master_survives_ten_thousand_made_up_messages() {
    let damaged = std::env::var("DAMAGED").ok();
    let damaged = damaged.map_or(0, |text| text.parse().expect("a number"));
    let messages = damaged.max(10_000);
    let problems: Vec<Scalar> = (0..WORKERS)
        .map(|i| Scalar {
            a: 0.5 + 0.25 * f64::from(i),
            t: f64::from(i) - 1.0,
        })
        .collect();
    let mut settings = settings(WORKERS as usize);
    settings.participation = asynchronous(WORKERS as usize, 2, Some(6));
    settings.participation.join_timeout = Duration::from_secs(5);
    settings.participation.quorum_timeout = Duration::from_secs(5);
    let adbo = Adbo::new(settings, WORKERS as usize).expect("settings");
    let (mut sent, mut refused, mut dropped) = (0, 0, 0);
    for seed in 0.. {
        let make = |worker: WorkerId| Worker::new(&problems[worker.index()]);
        let inner = Simulated::new(lognormal(seed), problems.len(), make).expect("a simulation");
        let mut forger = Forger {
            inner,
            rng: ChaCha8Rng::seed_from_u64(seed),
            waiting: VecDeque::new(),
            sent: 0,
        };
        let mut keep = |state: &AdboState, report: &Report| {
            let finite = |v: &[f64]| v.iter().all(|v| v.is_finite());
            assert!(finite(&state.v) && finite(&state.z), "seed {seed}");
            (refused, dropped) = (refused + report.refused, dropped + report.dropped);
        };
        // It may end early, without workers; it may not panic.
        let _ = adbo.run(at_zero(&problems), &mut forger, Stop::after(100), &mut keep);
        sent += forger.sent;
        if sent >= messages {
            break;
        }
        assert!(seed < messages as u64, "{sent} messages only");
    }
    assert!(
        refused > 0 && dropped > 0,
        "{refused} refused, {dropped} dropped"
    );
}
