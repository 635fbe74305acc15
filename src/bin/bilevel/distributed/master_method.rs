//! The method of a run over a network.

use std::time::Duration;

use anyhow::{Result, ensure};
use bilevel_distributed::{Adbo, AdboSettings, OnLoss, Participation, Sdbo};

use super::{Plan, Settings, preset};
use crate::args::{Loss, MasterSettings, OneMethod, check_seconds};

impl Settings for MasterSettings {
    const FORMAT: &'static str = "master 1";
}

/// A method for N workers.
pub(crate) struct MasterMethod {
    pub name: &'static str,
    adbo: Adbo,
}

impl MasterMethod {
    pub fn plan(&self) -> Plan<'_> {
        Plan {
            name: self.name,
            adbo: &self.adbo,
        }
    }
}

/// # Errors
/// If a setting is out of its range.
pub(crate) fn master_method(settings: &MasterSettings) -> Result<MasterMethod> {
    let MasterSettings {
        problem, course, ..
    } = settings;
    let workers = problem.workers();
    let active = match settings.method {
        OneMethod::Adbo => course.active(workers),
        OneMethod::Sdbo => workers,
    };
    course.check(workers, active)?;
    check_seconds("--patience", settings.patience)?;
    let min_live = settings.min_live.unwrap_or(active);
    ensure!(
        (1..=workers).contains(&min_live),
        "--min-live must be from 1 to the {workers} workers, got {min_live}"
    );
    let patience = Duration::from_secs_f64(settings.patience);
    let base = preset(problem.task, course, workers, active);
    let preset = AdboSettings {
        participation: Participation {
            on_loss: match settings.on_loss {
                Loss::Freeze => OnLoss::Freeze,
                Loss::Drop => OnLoss::Drop,
                Loss::Abort => OnLoss::Abort,
            },
            min_live,
            join_timeout: patience,
            quorum_timeout: patience,
            ..base.participation
        },
        ..base
    };
    let (name, adbo) = match settings.method {
        OneMethod::Adbo => ("ADBO", Adbo::new(preset, workers)?),
        OneMethod::Sdbo => ("SDBO", Sdbo::new(preset, workers)?.as_adbo().clone()),
    };
    Ok(MasterMethod { name, adbo })
}
