//! SDBO: the synchronous method.

use crate::communicator::MasterCommunicator;
use crate::{Adbo, AdboSettings, AdboState, Error, Observer, Participation, Stop, Stopped};

/// SDBO: [`Adbo`] with S = N. Every iteration waits for every worker that lives.
///
/// The baseline of the paper: an iteration is as slow as the slowest of its workers. With the same
/// problems, start and settings its iterates are those of one process that goes through the workers
/// in turn, bit by bit.
///
/// # References
/// Jiao, Yang, Wu, Song, Jian (2023), "Asynchronous Distributed Bilevel Optimization", ICLR,
/// arXiv:2212.10048.
#[derive(Debug, Clone, PartialEq)]
pub struct Sdbo(Adbo);

impl Sdbo {
    /// For `workers` N; of [`participation`](AdboSettings::participation) S and τ are set, and the
    /// rest is kept.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(settings: AdboSettings, workers: usize) -> Result<Self, Error> {
        let participation = Participation {
            active: workers,
            staleness: Some(1),
            ..settings.participation
        };
        let settings = AdboSettings {
            participation,
            ..settings
        };
        Adbo::new(settings, workers).map(Self)
    }

    /// As [`Adbo::run`].
    ///
    /// # Errors
    /// As there.
    pub fn run(
        &self,
        state: AdboState,
        communicator: &mut dyn MasterCommunicator,
        stop: Stop,
        observer: &mut dyn Observer,
    ) -> Result<(AdboState, Stopped), Error> {
        self.0.run(state, communicator, stop, observer)
    }

    /// The method that it is a case of.
    pub fn as_adbo(&self) -> &Adbo {
        &self.0
    }
}
