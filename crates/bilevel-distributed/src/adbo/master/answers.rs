//! What becomes of an answer.

use super::{Contribution, Expected, Master};
use crate::AnswerKind;
use crate::adbo::Arrival;
use crate::communicator::{Payload, Stamp};
use crate::error::Error;
use crate::flat::is_finite;
use crate::message::{Answer, Directive, Floats, decode};
use crate::worker::MOST_BYTES;

/// Why an answer is refused, and whether its worker may say it again.
struct Refusal {
    reason: String,
    permanent: bool,
}

impl Master<'_> {
    pub(super) fn answer(&mut self, stamp: Stamp, payload: &Payload) {
        let i = stamp.worker.index();
        let verdict = self.active.judge(stamp);
        match verdict {
            AnswerKind::Foreign | AnswerKind::Outdated => self.dropped += 1,
            AnswerKind::Repeat => {
                self.dropped += 1;
                if let Some((to, directive)) = &self.links[i].reply
                    && *to == stamp
                {
                    self.communicator.reply(stamp, directive.clone());
                }
            }
            AnswerKind::Newcomer => match self.introduction(payload) {
                Ok(()) => self.links[i].held = Some(stamp),
                Err(refusal) => self.refuse(stamp, refusal),
            },
            AnswerKind::Fresh => match self.understand(payload) {
                Ok(contribution) => {
                    self.active.take(stamp);
                    self.state.log.push(Arrival::Received(stamp.worker));
                    self.links[i].held = Some(stamp);
                    self.links[i].contribution = Some(contribution);
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
                permanent: true,
            }),
            _ => Ok(()),
        }
    }

    fn understand(&self, payload: &Payload) -> Result<Contribution, Refusal> {
        let (n, m) = (self.state.v.len(), self.state.z.len());
        let (contribution, fits) = match (decode(payload, MOST_BYTES)?, self.expected) {
            (Answer::Step { x, y, loss }, Expected::Step) => {
                let (x, y) = (x.unpack(), y.unpack());
                let fits = x.len() == n && y.len() == m && loss.is_finite();
                let fits = fits && is_finite(&x) && is_finite(&y);
                (Contribution::Step { x, y, loss }, fits)
            }
            (Answer::Round(v), Expected::Round) => vector(v, m),
            (Answer::Product(v), Expected::Product { last: false }) => vector(v, m),
            (Answer::Product(v), Expected::Product { last: true }) => vector(v, n),
            _ => {
                return Err(Refusal {
                    reason: "an answer to something else was expected".to_owned(),
                    permanent: false,
                });
            }
        };
        if fits {
            Ok(contribution)
        } else {
            Err(Refusal {
                reason: "numbers that are not finite, or vectors of a wrong length: lower the step sizes, look at the data"
                    .to_owned(),
                permanent: false,
            })
        }
    }

    fn refuse(&mut self, stamp: Stamp, refusal: Refusal) {
        self.refused += 1;
        let struck = self.active.refuse(stamp);
        let directive = if struck || refusal.permanent {
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

fn vector(v: Floats, length: usize) -> (Contribution, bool) {
    let v = v.unpack();
    let fits = v.len() == length && is_finite(&v);
    (Contribution::Vector(v), fits)
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal {
            reason: error.to_string(),
            permanent: false,
        }
    }
}
