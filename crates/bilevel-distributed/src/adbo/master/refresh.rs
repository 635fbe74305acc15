//! The synchronous part of a run: the estimate, and a new plane.

use super::{Contribution, Expected, Interruption, Master, Stop};
use crate::message::Directive;
use crate::{Lower, LowerEstimate, OnLoss, Participation, Relaxation};

impl Master<'_> {
    /// Whether those who live can make a plane. One made without a worker that is still in the
    /// problem would be of another problem, and cut off its solutions.
    pub(super) fn is_complete(&self) -> bool {
        let Participation {
            on_loss, min_live, ..
        } = self.adbo.settings.participation;
        let wanted = match on_loss {
            OnLoss::Freeze | OnLoss::Abort => self.adbo.workers,
            OnLoss::Drop => min_live,
        };
        self.active.live() >= wanted
    }

    /// The estimate, and a plane if the point is too far from it. Returns `h`, unless too few are
    /// left for one.
    pub(super) fn refresh(&mut self, stop: Stop) -> Result<Option<f64>, Interruption> {
        while self.is_complete() {
            match self.estimate(stop) {
                Ok(distance) => return Ok(Some(distance)),
                Err(Interruption::Lost) => {}
                Err(interruption) => return Err(interruption),
            }
        }
        Ok(None)
    }

    fn estimate(&mut self, stop: Stop) -> Result<f64, Interruption> {
        let settings = &self.adbo.settings;
        let precision = settings.precision;
        let all = 0..self.adbo.workers;
        let who: Vec<usize> = all.filter(|&i| self.active.is_live(i)).collect();
        let y = who.iter().map(|&i| self.state.workers[i].y.clone());
        let at = Lower {
            y: y.collect(),
            z: self.state.z.clone(),
        };
        let mut estimate = LowerEstimate::new(settings.estimate, at.clone());
        for round in 0..settings.estimate.rounds {
            for (k, &i) in who.iter().enumerate() {
                let directive = Directive::Round {
                    v: (round == 0).then(|| precision.pack(&self.state.v)),
                    z: precision.pack(estimate.z()),
                    phi: precision.pack(estimate.phi(k)),
                };
                self.ask(i, &directive);
            }
            estimate.round(self.gather(&who, Expected::Round, stop)?);
        }
        let value = estimate.distance(&at);
        self.state.planes.prune(settings.cuts.prune);
        if value <= settings.cuts.epsilon {
            return Ok(value);
        }
        let mut back = estimate.pull_back(&at);
        let mut products = Vec::new();
        for round in (0..settings.estimate.rounds).rev() {
            let directions = back.directions();
            for (&i, w) in who.iter().zip(directions) {
                self.ask(i, &Directive::PullBack(precision.pack(w)));
            }
            let last = round == 0;
            products = self.gather(&who, Expected::Product { last }, stop)?;
            if !last {
                back.absorb(&products);
            }
        }
        let Lower { y, z } = estimate.gradient(&at);
        // Who is not in the problem is not in the plane.
        let mut slices = vec![vec![0.0; z.len()]; self.adbo.workers];
        for (&i, b) in who.iter().zip(y) {
            slices[i] = precision.round(b);
        }
        let relaxation = Relaxation {
            value,
            v: back.finish(&products),
            lower: Lower { y: slices, z },
        };
        let (v, at) = (&self.state.v, self.state.lower());
        let cuts = &settings.cuts;
        self.state
            .planes
            .add(relaxation, cuts.epsilon, v, &at, cuts.most);
        Ok(value)
    }

    /// What all of `who` say to what they were asked.
    fn gather(
        &mut self,
        who: &[usize],
        expected: Expected,
        stop: Stop,
    ) -> Result<Vec<Vec<f64>>, Interruption> {
        self.expected = expected;
        while !self.active.all_heard() {
            self.wait(None, stop)?;
        }
        self.active.release();
        let contribution = who
            .iter()
            .map(|&i| match self.links[i].contribution.take() {
                Some(Contribution::Vector(v)) => Ok(v),
                _ => Err(Interruption::Lost),
            });
        let contribution: Vec<_> = contribution.collect();
        let contribution: Result<Vec<_>, _> = contribution.into_iter().collect();
        let sent = contribution.iter().flatten().map(Vec::len).sum::<usize>();
        self.traffic.estimate += sent;
        contribution
    }

    /// Asks a worker for its part of the estimate.
    fn ask(&mut self, i: usize, directive: &Directive) {
        self.traffic.estimate += directive.floats();
        self.reply(i, directive);
    }
}
