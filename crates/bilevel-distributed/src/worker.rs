//! A worker: its half of the method.

use std::time::Duration;

use crate::communicator::{Payload, Respond, WorkerCommunicator};
use crate::error::{Error, ErrorKind};
use crate::estimate::worker_round;
use crate::flat::add_scaled;
use crate::message::{Answer, Directive, PlaneChange, Welcome, decode, encode};
use crate::{LocalProblem, LowerProducts, UpperGradients};

/// One worker of [`Adbo`](crate::Adbo), whatever carries its messages.
///
/// ```text
/// x ← x − η_x (∇x G(x, y) + θ)        y ← y − η_y (∇y G(x, y) + Σ_l λ_l b_l)
/// ```
///
/// with the multipliers of the last directive, which are those of now only if it is heard in every
/// iteration. It knows nothing of a run but what the master's welcome says, so that it can be
/// started anywhere, at any time, and again.
#[derive(Debug)]
pub struct Worker<P> {
    problem: P,
    most_bytes: usize,
    place: Option<Place>,
    said: Answer,
}

/// Where a worker stands.
#[derive(Debug)]
struct Place {
    welcome: Welcome,
    x: Vec<f64>,
    y: Vec<f64>,
    theta: Vec<f64>,
    lambda: Vec<f64>,
    planes: Vec<(u64, Vec<f64>)>,
    /// v of the estimate under way, the y' of its rounds, and the sum of its products.
    v: Vec<f64>,
    trajectory: Vec<Vec<f64>>,
    cross: Vec<f64>,
}

/// Bytes that a message may have unless said otherwise: 1 GiB.
pub(crate) const MOST_BYTES: usize = 1 << 30;

impl<P: LocalProblem> Worker<P> {
    /// A worker with its part of the problem.
    pub fn new(problem: P) -> Self {
        let (upper, lower) = (problem.upper_dim(), problem.lower_dim());
        Self {
            problem,
            most_bytes: MOST_BYTES,
            place: None,
            said: Answer::Hello { upper, lower },
        }
    }

    /// Answers until the master says that it is over; returns why it is.
    ///
    /// # Errors
    /// If a directive does not come in time or cannot be read, or the master is gone.
    pub fn serve(
        mut self,
        communicator: &mut impl WorkerCommunicator,
        patience: Duration,
    ) -> Result<String, Error> {
        let mut seq = 0;
        loop {
            let directive = communicator.exchange(seq, encode(&self.said), patience)?;
            match decode(&directive, self.most_bytes)? {
                Directive::Stop(reason) => return Ok(reason),
                directive => self.follow(directive)?,
            }
            seq += 1;
        }
    }

    /// Does what a directive says; what is to be answered is in `said`.
    fn follow(&mut self, directive: Directive) -> Result<(), Error> {
        if let Directive::Welcome(welcome) = directive {
            let place = self.place.insert(Place::new(*welcome));
            self.said = place.step(&self.problem);
            return Ok(());
        }
        // What was said is said again.
        if let Directive::Refuse(_) | Directive::Stop(_) = directive {
            return Ok(());
        }
        let place = self.place.as_mut().ok_or_else(|| ErrorKind::Message {
            reason: "the first directive is no welcome".to_owned(),
        })?;
        self.said = place.follow(directive, &self.problem)?;
        Ok(())
    }
}

impl Place {
    fn new(mut welcome: Welcome) -> Self {
        let take = |v: &mut crate::message::Floats| {
            std::mem::replace(v, crate::message::Floats::Double(Vec::new())).unpack()
        };
        let planes = std::mem::take(&mut welcome.planes);
        Self {
            x: take(&mut welcome.x),
            y: take(&mut welcome.y),
            theta: take(&mut welcome.theta),
            lambda: std::mem::take(&mut welcome.lambda),
            planes: planes.into_iter().map(|(id, b)| (id, b.unpack())).collect(),
            v: Vec::new(),
            trajectory: Vec::new(),
            cross: Vec::new(),
            welcome,
        }
    }

    fn follow(
        &mut self,
        directive: Directive,
        problem: &impl LocalProblem,
    ) -> Result<Answer, Error> {
        match directive {
            Directive::Update {
                theta,
                lambda,
                planes,
                ..
            } => {
                self.theta = theta.unpack();
                self.lambda = lambda;
                if let Some(change) = planes {
                    self.change(change);
                }
                Ok(self.step(problem))
            }
            Directive::Round { v, z, phi } => {
                if let Some(v) = v {
                    self.v = v.unpack();
                    self.trajectory = vec![self.y.clone()];
                    self.cross = vec![0.0; self.v.len()];
                }
                self.round(problem, &z.unpack(), &phi.unpack())
            }
            Directive::PullBack(w) => self.pull_back(problem, &w.unpack()),
            Directive::Welcome(_) | Directive::Refuse(_) | Directive::Stop(_) => {
                unreachable!("the worker follows these itself")
            }
        }
    }

    fn step(&mut self, problem: &impl LocalProblem) -> Answer {
        let Welcome {
            upper_step,
            lower_step,
            precision,
            ..
        } = self.welcome;
        let UpperGradients {
            loss,
            x: mut dx,
            y: mut dy,
        } = problem.upper_gradients(&self.x, &self.y);
        add_scaled(&mut dx, 1.0, &self.theta);
        for (lambda, (_, b)) in self.lambda.iter().zip(&self.planes) {
            add_scaled(&mut dy, *lambda, b);
        }
        add_scaled(&mut self.x, -upper_step, &dx);
        add_scaled(&mut self.y, -lower_step, &dy);
        let answer = Answer::Step {
            x: precision.pack(&self.x),
            y: precision.pack(&self.y),
            loss,
        };
        self.x = precision.round(std::mem::take(&mut self.x));
        self.y = precision.round(std::mem::take(&mut self.y));
        answer
    }

    fn change(&mut self, change: PlaneChange) {
        let new = change.new.into_iter().map(|(id, b)| (id, b.unpack()));
        self.planes.extend(new);
        self.planes.retain(|(id, _)| change.kept.contains(id));
    }

    fn round(
        &mut self,
        problem: &impl LocalProblem,
        z: &[f64],
        phi: &[f64],
    ) -> Result<Answer, Error> {
        let Welcome {
            estimate,
            precision,
            ..
        } = &self.welcome;
        let y = self.trajectory.last().cloned();
        let y = y.ok_or_else(|| ErrorKind::Message {
            reason: "a round before the first one".to_owned(),
        })?;
        let y = worker_round(estimate, problem, &self.v, y, z, phi);
        let answer = Answer::Round(precision.pack(&y));
        self.trajectory.push(precision.round(y));
        Ok(answer)
    }

    fn pull_back(&mut self, problem: &impl LocalProblem, w: &[f64]) -> Result<Answer, Error> {
        // The last y' is what the last round led to, not what it started from.
        self.trajectory.pop();
        let Some(y) = self.trajectory.last() else {
            let reason = "a way back that is longer than the way".to_owned();
            return Err(ErrorKind::Message { reason }.into());
        };
        let LowerProducts { hessian, cross } = problem.lower_products(&self.v, y, w);
        add_scaled(&mut self.cross, 1.0, &cross);
        let product = match self.trajectory.len() {
            1 => &self.cross,
            _ => &hessian,
        };
        Ok(Answer::Product(self.welcome.precision.pack(product)))
    }
}

impl<P: LocalProblem> Respond for Worker<P> {
    fn begin(&mut self) -> Payload {
        encode(&self.said)
    }

    fn respond(&mut self, directive: &Payload) -> Option<Payload> {
        match decode(directive, self.most_bytes) {
            Ok(Directive::Stop(_)) | Err(_) => None,
            Ok(directive) => self.follow(directive).ok().map(|()| encode(&self.said)),
        }
    }
}
