//! The master's loop.

use std::time::Duration;

use super::{Adbo, AdboState, Arrival, Observer, Report, Stop, Stopped, Traffic};
use crate::communicator::{Event, Incarnation, MasterCommunicator, Payload, Stamp, WorkerId};
use crate::error::Error;
use crate::flat::is_finite;
use crate::message::{Answer, Directive, Floats, PlaneChange, Welcome, decode, encode};
use crate::worker::MOST_BYTES;
use crate::{
    ActiveSet, Decision, Lower, LowerEstimate, OnLoss, Participation, Relaxation, Verdict,
};

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
    said: Option<Said>,
    /// The last reply, for a worker that did not get it.
    reply: Option<(Stamp, Payload)>,
    /// Iterations done when it was told to step.
    told: usize,
    /// Ids of the planes that it knows.
    known: Vec<u64>,
}

/// What is of use in an answer.
enum Said {
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

/// Why an answer is refused, and whether its worker may say it again.
struct Refusal {
    reason: String,
    for_good: bool,
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
            if let Some(Said::Step { x, y, loss }) = self.links[i].said.take() {
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

    /// Waits for enough steps, for all if planes are to be made; those who come meanwhile are welcome.
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

    /// Whether those who live can make a plane. One made without a worker that is still in the problem would be of
    /// another problem, and cut off its solutions.
    fn is_complete(&self) -> bool {
        let Participation {
            on_loss, min_live, ..
        } = self.adbo.settings.participation;
        let wanted = match on_loss {
            OnLoss::Freeze | OnLoss::Abort => self.adbo.workers,
            OnLoss::Drop => min_live,
        };
        self.active.live() >= wanted
    }

    /// The estimate, and a plane if the point is too far from it. Returns `h`, unless too few are left for one.
    fn refresh(&mut self, stop: Stop) -> Result<Option<f64>, Interruption> {
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
        let said = who.iter().map(|&i| match self.links[i].said.take() {
            Some(Said::Vector(v)) => Ok(v),
            _ => Err(Interruption::Lost),
        });
        let said: Vec<_> = said.collect();
        let said: Result<Vec<_>, _> = said.into_iter().collect();
        let sent = said.iter().flatten().map(Vec::len).sum::<usize>();
        self.traffic.estimate += sent;
        said
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
        self.links[i].said = None;
        match self.adbo.settings.participation.on_loss {
            OnLoss::Freeze => {}
            OnLoss::Drop => self.state.forget(i),
            OnLoss::Abort => self.aborted = Some(i),
        }
    }

    fn answer(&mut self, stamp: Stamp, payload: &Payload) {
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

    fn welcome_newcomers(&mut self) {
        for i in 0..self.adbo.workers {
            let Some(stamp) = self.links[i].held else {
                continue;
            };
            if self.active.is_live(i) {
                continue;
            }
            self.active.admit(stamp);
            self.state.log.push(Arrival::Heard(stamp.worker));
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

    /// Asks a worker for its part of the estimate.
    fn ask(&mut self, i: usize, directive: &Directive) {
        self.traffic.estimate += directive.floats();
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
