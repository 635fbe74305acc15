//! What becomes of an answer.

use super::{Expected, Master, Said};
use crate::Verdict;
use crate::adbo::Arrival;
use crate::communicator::{Payload, Stamp};
use crate::error::Error;
use crate::flat::is_finite;
use crate::message::{Answer, Directive, Floats, decode};
use crate::worker::MOST_BYTES;

/// Why an answer is refused, and whether its worker may say it again.
struct Refusal {
    reason: String,
    for_good: bool,
}

impl Master<'_> {
    pub(super) fn answer(&mut self, stamp: Stamp, payload: &Payload) {
        let i = stamp.worker.index();
        let verdict = self.active.judge(stamp);
        match verdict {
            Verdict::Foreign | Verdict::Outdated => self.dropped += 1,
            Verdict::Repeat => {
                self.dropped += 1;
                if let Some((to, directive)) = &self.links[i].reply
                    && *to == stamp
                {
                    self.communicator.reply(stamp, directive.clone());
                }
            }
            Verdict::Newcomer => match self.introduction(payload) {
                Ok(()) => self.links[i].held = Some(stamp),
                Err(refusal) => self.refuse(stamp, refusal),
            },
            Verdict::Fresh => match self.understand(payload) {
                Ok(said) => {
                    self.active.take(stamp);
                    self.state.log.push(Arrival::Heard(stamp.worker));
                    self.links[i].held = Some(stamp);
                    self.links[i].said = Some(said);
                }
                Err(refusal) => self.refuse(stamp, refusal),
            },
        }
    }

    /// Whether a newcomer may join. What else it says is of no use: it has to start from here.
    fn introduction(&self, payload: &Payload) -> Result<(), Refusal> {
        let (n, m) = (self.state.v.len(), self.state.z.len());
        match decode(payload, MOST_BYTES)? {
            Answer::Hello { upper, lower } if (upper, lower) != (n, m) => Err(Refusal {
                reason: format!(
                    "x has {upper} entries and y {lower}, this run is of {n} and {m}: use the same model everywhere"
                ),
                for_good: true,
            }),
            _ => Ok(()),
        }
    }

    fn understand(&self, payload: &Payload) -> Result<Said, Refusal> {
        let (n, m) = (self.state.v.len(), self.state.z.len());
        let (said, fits) = match (decode(payload, MOST_BYTES)?, self.expected) {
            (Answer::Step { x, y, loss }, Expected::Step) => {
                let (x, y) = (x.unpack(), y.unpack());
                let fits = x.len() == n && y.len() == m && loss.is_finite();
                let fits = fits && is_finite(&x) && is_finite(&y);
                (Said::Step { x, y, loss }, fits)
            }
            (Answer::Round(v), Expected::Round) => vector(v, m),
            (Answer::Product(v), Expected::Product { last: false }) => vector(v, m),
            (Answer::Product(v), Expected::Product { last: true }) => vector(v, n),
            _ => {
                return Err(Refusal {
                    reason: "an answer to something else was expected".to_owned(),
                    for_good: false,
                });
            }
        };
        if fits {
            Ok(said)
        } else {
            Err(Refusal {
                reason: "numbers that are not finite, or vectors of a wrong length: lower the step sizes, look at the data"
                    .to_owned(),
                for_good: false,
            })
        }
    }

    fn refuse(&mut self, stamp: Stamp, refusal: Refusal) {
        self.refused += 1;
        let struck = self.active.refuse(stamp);
        let directive = if struck || refusal.for_good {
            if self.active.left(stamp.worker, stamp.incarnation) {
                self.lost(stamp.worker);
            }
            Directive::Stop(refusal.reason)
        } else {
            Directive::Refuse(refusal.reason)
        };
        self.links[stamp.worker.index()].held = Some(stamp);
        self.reply(stamp.worker.index(), &directive);
    }
}

fn vector(v: Floats, length: usize) -> (Said, bool) {
    let v = v.unpack();
    let fits = v.len() == length && is_finite(&v);
    (Said::Vector(v), fits)
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal {
            reason: error.to_string(),
            for_good: false,
        }
    }
}
