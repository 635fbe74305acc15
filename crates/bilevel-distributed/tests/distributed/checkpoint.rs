//! States in files: a run goes on with the same bits, and a worker gets back what was its own.

use bilevel_distributed::communicator::SimulationSettings;
use bilevel_distributed::{Adbo, AdboSettings, AdboState, Checkpoint, ErrorKind, Stop, Stopped};

use crate::problems::{Bent, at_zero};
use crate::{asynchronous, lognormal, run_in_threads, settings, simulate};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The state of now, but for the log: it is longer where a run was taken up.
fn without_log(state: AdboState) -> AdboState {
    AdboState {
        log: Vec::new(),
        ..state
    }
}

#[test]
fn a_run_taken_up_loses_no_iteration_and_no_bit() {
    let problems = Bent::several(3, 2, 4, 41);
    let settings = settings(3);
    let ideal = SimulationSettings::ideal;
    let whole = simulate(
        settings,
        &problems,
        ideal(),
        at_zero(&problems),
        Stop::after(137),
    );
    let folder = folder();
    let path = folder.path().join("state");
    let adbo = Adbo::new(settings, 3)
        .and_then(|adbo| {
            adbo.with_checkpoint(Checkpoint {
                path: path.clone(),
                every: 1,
            })
        })
        .expect("settings");
    // Breaks inside and at refreshes, each with new workers.
    let mut state = at_zero(&problems);
    for end in [1, 40, 73, 137] {
        let run = run_in_threads(&adbo, &problems, |c| c, state, Stop::after(end));
        assert_eq!(run.stopped, Stopped::Iterations);
        state = AdboState::load(&path).expect("a state");
        assert_eq!(state, run.state);
        assert_eq!(state.iteration, end);
    }
    assert_eq!(without_log(state), without_log(whole.state));
}

/// The file is a whole state after every iteration, not only at the end.
#[test]
fn the_file_is_never_behind() {
    let problems = Bent::several(3, 2, 4, 42);
    let folder = folder();
    let path = folder.path().join("state");
    let checkpoint = Checkpoint {
        path: path.clone(),
        every: 1,
    };
    let settings = AdboSettings {
        participation: asynchronous(3, 2, Some(5)),
        ..settings(3)
    };
    let adbo = Adbo::new(settings, 3).and_then(|adbo| adbo.with_checkpoint(checkpoint));
    let adbo = adbo.expect("settings");
    let make = |w: bilevel_distributed::communicator::WorkerId| {
        bilevel_distributed::Worker::new(&problems[w.index()])
    };
    let mut workers =
        bilevel_distributed::communicator::Simulated::new(lognormal(2), 3, make).expect("workers");
    let mut seen = 0;
    let mut look = |state: &AdboState, _: &bilevel_distributed::Report| {
        assert_eq!(&AdboState::load(&path).expect("a whole state"), state);
        seen += 1;
    };
    adbo.run(at_zero(&problems), &mut workers, Stop::after(30), &mut look)
        .expect("a run");
    assert_eq!(seen, 30);
    // Nothing else is left in the folder.
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        1
    );
}

#[test]
fn a_damaged_file_is_an_error() {
    let folder = folder();
    let path = folder.path().join("state");
    let problems = Bent::several(2, 2, 4, 43);
    at_zero(&problems).save(&path).expect("saved");
    let mut bytes = std::fs::read(&path).expect("bytes");
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&path, &bytes).expect("written");
    let error = AdboState::load(&path).expect_err("a damaged file");
    assert!(matches!(error.kind(), ErrorKind::Checkpoint { .. }));
    assert!(error.to_string().contains("not whole"), "{error}");
    let missing = folder.path().join("none");
    assert!(AdboState::load(&missing).is_err());
    let nowhere = folder.path().join("none").join("state");
    assert!(at_zero(&problems).save(&nowhere).is_err());
}

#[test]
fn a_state_of_other_workers_is_an_error() {
    let problems = Bent::several(2, 2, 4, 44);
    let adbo = Adbo::new(settings(3), 3).expect("settings");
    let (mut master, _hub) = bilevel_distributed::communicator::InProcess::new();
    let none = &mut |_: &AdboState, _: &bilevel_distributed::Report| ();
    let error = adbo.run(at_zero(&problems), &mut master, Stop::after(1), none);
    assert!(matches!(
        error.expect_err("2 is not 3").kind(),
        ErrorKind::Mismatch { .. }
    ));
}

#[test]
fn settings_out_of_range_are_errors() {
    let base = settings(3);
    let with = |change: &dyn Fn(&mut AdboSettings)| {
        let mut settings = base;
        change(&mut settings);
        Adbo::new(settings, 3)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(with(&|_| ()), Ok(()));
    type Change<'a> = &'a dyn Fn(&mut AdboSettings);
    let wrong: [(&str, Change); 7] = [
        ("steps.x", &|s| s.steps.x = -0.1),
        ("steps.lambda", &|s| s.steps.lambda = f64::NAN),
        ("rounds", &|s| s.estimate.rounds = 0),
        ("every", &|s| s.cuts.every = 0),
        ("active", &|s| s.participation.active = 4),
        ("min_live", &|s| s.participation.min_live = 0),
        ("staleness", &|s| s.participation.staleness = Some(0)),
    ];
    for (name, change) in wrong {
        let error = with(change).expect_err(name);
        assert!(error.contains(name), "{error}");
    }
}
