//! The master's loop.

mod answers;
mod refresh;

use std::time::Duration;

use super::{Adbo, AdboState, Arrival, Observer, Report, Stop, Stopped, Traffic};
use crate::communicator::{Event, Incarnation, MasterCommunicator, Payload, Stamp, WorkerId};
use crate::error::Error;
use crate::message::{Directive, PlaneChange, Welcome, encode};
use crate::{ActiveSet, Decision, OnLoss};

/// A run under way.
pub(super) struct Master<'a> {
    adbo: &'a Adbo,
    state: AdboState,
    communicator: &'a mut dyn MasterCommunicator,
    active: ActiveSet,
    links: Vec<Link>,
    /// What answers have to be now.
    expected: Expected,
    /// A worker was lost and the settings say that this ends the run.
    aborted: Option<usize>,
    traffic: Traffic,
    dropped: u64,
    refused: u64,
}

/// What stands between the master and a worker.
#[derive(Default)]
struct Link {
    /// The answer that waits for a reply.
    held: Option<Stamp>,
    /// What it said, until it is used.
    contribution: Option<Contribution>,
    /// The last reply, for a worker that did not get it.
    reply: Option<(Stamp, Payload)>,
    /// Iterations done when it was told to step.
    told: usize,
    /// Ids of the planes that it knows.
    known: Vec<u64>,
}

/// What is of use in an answer.
enum Contribution {
    Step { x: Vec<f64>, y: Vec<f64>, loss: f64 },
    Vector(Vec<f64>),
}

#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Step,
    Round,
    Product {
        /// The last one on the way back, which is as long as v.
        last: bool,
    },
}

/// Why a part of an iteration was not completed.
enum Interruption {
    Stopped(Stopped),
    Failed(Error),
    /// Someone who took part was lost.
    Lost,
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Interruption::Failed(error)
    }
}

impl<'a> Master<'a> {
    pub fn new(
        adbo: &'a Adbo,
        state: AdboState,
        communicator: &'a mut dyn MasterCommunicator,
    ) -> Self {
        Self {
            active: ActiveSet::new(adbo.settings.participation, adbo.workers),
            links: (0..adbo.workers).map(|_| Link::default()).collect(),
            adbo,
            state,
            communicator,
            expected: Expected::Step,
            aborted: None,
            traffic: Traffic::default(),
            dropped: 0,
            refused: 0,
        }
    }

    /// Tells workers that it is over.
    pub fn close(self, reason: String) -> AdboState {
        self.communicator.close(encode(&Directive::Stop(reason)));
        self.state
    }

    pub fn run(&mut self, stop: Stop, observer: &mut dyn Observer) -> Result<Stopped, Error> {
        loop {
            if self.state.iteration >= stop.iterations {
                return Ok(Stopped::Iterations);
            }
            match self.iterate(stop, observer) {
                Ok(()) => {}
                Err(Interruption::Stopped(stopped)) => return Ok(stopped),
                Err(Interruption::Failed(error)) => return Err(error),
                Err(Interruption::Lost) => unreachable!("a refresh starts anew"),
            }
        }
    }

    fn iterate(&mut self, stop: Stop, observer: &mut dyn Observer) -> Result<(), Interruption> {
        let adbo = self.adbo;
        let t = self.state.iteration + 1;
        let due = adbo.settings.cuts.due(t);
        self.collect(stop, due)?;
        let refresh = due && self.is_complete();
        let heard = self.active.release();
        let ages = heard.iter().map(|&i| t - self.links[i].told);
        let staleness = ages.max().unwrap_or(0);
        for &i in &heard {
            if let Some(Contribution::Step { x, y, loss }) = self.links[i].contribution.take() {
                self.traffic.up += x.len() + y.len();
                self.state.moved(i, x, y, loss);
            }
        }
        if !self.state.step(&adbo.settings, &heard) {
            return Err(Interruption::Stopped(Stopped::NonFinite));
        }
        let distance = if refresh { self.refresh(stop)? } else { None };
        for &i in &heard {
            // One that was lost in the refresh may wait for its welcome already.
            if self.active.is_live(i) {
                self.update(i);
            }
        }
        if let Some(checkpoint) = &adbo.checkpoint
            && t.is_multiple_of(checkpoint.every)
        {
            self.state.save(&checkpoint.path)?;
        }
        let report = Report {
            iteration: t,
            time: self.communicator.now(),
            active: heard,
            live: self.active.live(),
            lost: (0..adbo.workers)
                .filter(|&i| !self.active.is_live(i))
                .collect(),
            staleness,
            stalest: self.active.stalest(),
            distance,
            planes: self.state.planes.len(),
            largest_lambda: self.state.planes.lambda().into_iter().fold(0.0, f64::max),
            traffic: std::mem::take(&mut self.traffic),
            dropped: self.dropped,
            refused: self.refused,
        };
        observer.report(&self.state, &report);
        Ok(())
    }

    /// Waits for enough steps, for all if planes are to be made; those who come meanwhile are
    /// welcome.
    fn collect(&mut self, stop: Stop, due: bool) -> Result<(), Interruption> {
        self.expected = Expected::Step;
        loop {
            self.welcome_newcomers();
            let barrier = due && self.is_complete();
            match self.active.decide(self.communicator.now(), barrier) {
                Decision::Release => return Ok(()),
                Decision::Wait(until) => self.wait(until, stop)?,
                Decision::QuorumLost => return Err(Interruption::Stopped(Stopped::QuorumLost)),
            }
        }
    }

    /// Takes one event, if it comes in time.
    fn wait(&mut self, until: Option<Duration>, stop: Stop) -> Result<(), Interruption> {
        if self.communicator.now() >= stop.time {
            return Err(Interruption::Stopped(Stopped::Time));
        }
        let deadline = until.map_or(stop.time, |until| until.min(stop.time));
        match self.communicator.next_event(deadline)? {
            Some(Event::Joined(worker, incarnation)) => {
                let lost = self.active.joined(worker, incarnation);
                self.let_go(worker, |held| held < incarnation);
                if lost {
                    self.lost(worker);
                }
            }
            Some(Event::Left(worker, incarnation, _)) => {
                let lost = self.active.left(worker, incarnation);
                self.let_go(worker, |held| held == incarnation);
                if lost {
                    self.lost(worker);
                }
            }
            Some(Event::Answer(stamp, payload)) => self.answer(stamp, &payload),
            None => {}
        }
        match self.aborted {
            Some(i) => Err(Interruption::Stopped(Stopped::WorkerLost(i))),
            None => Ok(()),
        }
    }

    /// Lives that are over wait for no reply, nor for their welcome.
    fn let_go(&mut self, worker: WorkerId, over: impl Fn(Incarnation) -> bool) {
        if let Some(link) = self.links.get_mut(worker.index()) {
            link.held = link.held.filter(|held| !over(held.incarnation));
        }
    }

    fn lost(&mut self, worker: WorkerId) {
        let i = worker.index();
        self.state.log.push(Arrival::Lost(worker));
        self.links[i].held = None;
        self.links[i].contribution = None;
        match self.adbo.settings.participation.on_loss {
            OnLoss::Freeze => {}
            OnLoss::Drop => self.state.forget(i),
            OnLoss::Abort => self.aborted = Some(i),
        }
    }

    fn welcome_newcomers(&mut self) {
        for i in 0..self.adbo.workers {
            let Some(stamp) = self.links[i].held else {
                continue;
            };
            if self.active.is_live(i) {
                continue;
            }
            self.active.admit(stamp);
            self.state.log.push(Arrival::Received(stamp.worker));
            if self.adbo.settings.participation.on_loss == OnLoss::Drop {
                // The problem is another one from now on.
                self.state.planes.clear();
            }
            let settings = &self.adbo.settings;
            let pack = |v: &[f64]| settings.precision.pack(v);
            let worker = &self.state.workers[i];
            let planes = self.state.planes.as_slice().iter();
            let directive = Directive::Welcome(Box::new(Welcome {
                iteration: self.state.iteration,
                upper_step: settings.steps.x,
                lower_step: settings.steps.y,
                estimate: settings.estimate,
                precision: settings.precision,
                x: pack(&worker.x),
                y: pack(&worker.y),
                theta: pack(&worker.theta),
                lambda: self.state.planes.lambda(),
                planes: planes.map(|plane| (plane.id, pack(&plane.b[i]))).collect(),
            }));
            self.traffic.welcome += directive.floats();
            self.tell(i, &directive);
        }
    }

    /// Lets a worker step, with the multipliers of now and the planes that it does not know.
    fn update(&mut self, i: usize) {
        let precision = self.adbo.settings.precision;
        let known = &self.links[i].known;
        let kept = self.state.planes.ids();
        let planes = (*known != kept).then(|| {
            let planes = self.state.planes.as_slice().iter();
            let new = planes.filter(|plane| !known.contains(&plane.id));
            PlaneChange {
                new: new
                    .map(|plane| (plane.id, precision.pack(&plane.b[i])))
                    .collect(),
                kept,
            }
        });
        let directive = Directive::Update {
            iteration: self.state.iteration,
            theta: precision.pack(&self.state.workers[i].theta),
            lambda: self.state.planes.lambda(),
            planes,
        };
        self.traffic.down += directive.floats();
        self.tell(i, &directive);
    }

    /// Lets a worker step; it knows all planes then.
    fn tell(&mut self, i: usize, directive: &Directive) {
        self.links[i].told = self.state.iteration;
        self.links[i].known = self.state.planes.ids();
        self.reply(i, directive);
    }

    /// Replies to the answer that waits, if one does.
    fn reply(&mut self, i: usize, directive: &Directive) {
        if let Some(stamp) = self.links[i].held.take() {
            let payload = encode(directive);
            self.links[i].reply = Some((stamp, payload.clone()));
            self.communicator.reply(stamp, payload);
        }
    }
}
