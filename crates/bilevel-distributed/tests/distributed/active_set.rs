//! Who is heard, without any communicator: random histories.

use std::time::Duration;

use bilevel_distributed::communicator::{Incarnation, Stamp, WorkerId};
use bilevel_distributed::{ActiveSet, AnswerKind, Decision, OnLoss, Participation};
use proptest::prelude::*;

fn stamp(worker: u32, incarnation: u64, seq: u64) -> Stamp {
    Stamp {
        worker: WorkerId(worker),
        incarnation: Incarnation(incarnation),
        seq,
    }
}

fn participation(active: usize, staleness: Option<usize>, min_live: usize) -> Participation {
    Participation {
        active,
        staleness,
        on_loss: OnLoss::Freeze,
        min_live,
        join_timeout: Duration::ZERO,
        quorum_timeout: Duration::from_secs(5),
    }
}

fn join(set: &mut ActiveSet, worker: u32, incarnation: u64) {
    set.joined(WorkerId(worker), Incarnation(incarnation));
    let first = stamp(worker, incarnation, 0);
    assert_eq!(set.judge(first), AnswerKind::Newcomer);
    set.admit(first);
}

#[test]
fn an_answer_counts_once_and_only_in_its_life() {
    let mut set = ActiveSet::new(participation(1, None, 1), 2);
    assert_eq!(
        set.judge(stamp(0, 3, 0)),
        AnswerKind::Outdated,
        "has not joined"
    );
    assert_eq!(set.judge(stamp(7, 0, 0)), AnswerKind::Foreign);
    join(&mut set, 0, 3);
    assert_eq!(set.judge(stamp(0, 3, 0)), AnswerKind::Repeat);
    assert_eq!(set.judge(stamp(0, 3, 2)), AnswerKind::Fresh);
    set.take(stamp(0, 3, 2));
    assert_eq!(set.judge(stamp(0, 3, 2)), AnswerKind::Repeat);
    assert_eq!(set.judge(stamp(0, 3, 1)), AnswerKind::Outdated);
    // A new life; the old one is over, and its end is no news.
    assert!(set.joined(WorkerId(0), Incarnation(4)));
    assert_eq!(set.judge(stamp(0, 3, 3)), AnswerKind::Outdated);
    assert!(!set.left(WorkerId(0), Incarnation(3)));
    assert_eq!(set.judge(stamp(0, 4, 0)), AnswerKind::Newcomer);
    set.admit(stamp(0, 4, 0));
    // Believed lost and back: the same life, admitted again, even with what it had said.
    assert!(set.left(WorkerId(0), Incarnation(4)));
    assert_eq!(set.judge(stamp(0, 4, 1)), AnswerKind::Outdated);
    assert!(!set.joined(WorkerId(0), Incarnation(4)));
    assert_eq!(set.judge(stamp(0, 4, 0)), AnswerKind::Newcomer);
}

#[test]
fn too_few_are_waited_for_and_then_not() {
    let mut set = ActiveSet::new(participation(2, None, 2), 3);
    let at = Duration::from_secs;
    assert_eq!(set.decide(at(1), false), Decision::Wait(Some(at(6))));
    join(&mut set, 0, 0);
    join(&mut set, 1, 0);
    assert_eq!(set.decide(at(2), false), Decision::Wait(None));
    set.left(WorkerId(1), Incarnation(0));
    assert_eq!(set.decide(at(10), false), Decision::Wait(Some(at(15))));
    assert_eq!(set.decide(at(14), false), Decision::Wait(Some(at(15))));
    assert_eq!(set.decide(at(15), false), Decision::QuorumLost);
}

#[test]
fn the_first_iteration_waits_for_all_or_the_time() {
    let settings = Participation {
        join_timeout: Duration::from_secs(10),
        ..participation(1, None, 1)
    };
    let mut set = ActiveSet::new(settings, 2);
    join(&mut set, 0, 0);
    set.take(stamp(0, 0, 1));
    let early = set.decide(Duration::from_secs(3), false);
    assert_eq!(early, Decision::Wait(Some(Duration::from_secs(10))));
    let mut other = set.clone();
    join(&mut other, 1, 0);
    assert_eq!(
        other.decide(Duration::from_secs(3), false),
        Decision::Release
    );
    assert_eq!(
        set.decide(Duration::from_secs(10), false),
        Decision::Release
    );
}

#[test]
fn three_strikes_in_a_row() {
    let mut set = ActiveSet::new(participation(1, None, 1), 1);
    join(&mut set, 0, 0);
    assert!(!set.refuse(stamp(0, 0, 1)));
    assert!(!set.refuse(stamp(0, 0, 2)));
    set.take(stamp(0, 0, 3));
    assert!(!set.refuse(stamp(0, 0, 4)));
    assert!(!set.refuse(stamp(0, 0, 5)));
    assert!(set.refuse(stamp(0, 0, 6)));
}

/// A whole copy of a damaged answer comes late: its worker has been told to say it again, and will.
#[test]
fn a_copy_of_a_refused_answer_is_a_repeat() {
    let mut set = ActiveSet::new(participation(1, None, 1), 1);
    set.joined(WorkerId(0), Incarnation(0));
    set.refuse(stamp(0, 0, 0));
    assert_eq!(set.judge(stamp(0, 0, 0)), AnswerKind::Repeat);
    assert_eq!(set.judge(stamp(0, 0, 1)), AnswerKind::Newcomer);
    set.admit(stamp(0, 0, 1));
    set.refuse(stamp(0, 0, 2));
    assert_eq!(set.judge(stamp(0, 0, 2)), AnswerKind::Repeat);
    assert_eq!(set.judge(stamp(0, 0, 3)), AnswerKind::Fresh);
}

proptest! {
    /// Whatever happens in whatever order: no release with too few or too late, and one whenever
    /// there may be one.
    #[test]
    fn releases_obey_the_rule(
        workers in 1usize..7,
        share in 0.0f64..1.0,
        tau in prop::option::of(1usize..6),
        barrier_every in 1usize..9,
        events in prop::collection::vec((0u32..7, 0u8..10), 1..400),
    ) {
        let active = 1 + (share * (workers - 1) as f64) as usize;
        let mut set = ActiveSet::new(participation(active, tau, 1), workers);
        // The rule by other means: when each was heard last, by number of release.
        let mut lives = vec![0u64; workers];
        let mut seq = vec![0u64; workers];
        let mut live = vec![false; workers];
        let mut heard = vec![false; workers];
        let mut last = vec![0usize; workers];
        let mut releases = 0;
        for (worker, what) in events {
            let i = worker as usize % workers;
            let id = WorkerId(i as u32);
            match what {
                0 => {
                    set.left(id, Incarnation(lives[i]));
                    (live[i], heard[i]) = (false, false);
                }
                1 | 2 if !live[i] => {
                    lives[i] += 1;
                    seq[i] = 0;
                    join(&mut set, i as u32, lives[i]);
                    (live[i], heard[i], last[i]) = (true, false, releases);
                }
                _ if live[i] && !heard[i] => {
                    seq[i] += 1;
                    let stamp = stamp(i as u32, lives[i], seq[i]);
                    prop_assert_eq!(set.judge(stamp), AnswerKind::Fresh);
                    set.take(stamp);
                    prop_assert_eq!(set.judge(stamp), AnswerKind::Repeat);
                    heard[i] = true;
                }
                _ => {}
            }
            let alive = live.iter().filter(|&&live| live).count();
            prop_assert_eq!(set.live(), alive);
            let q: Vec<usize> = (0..workers).filter(|&i| heard[i]).collect();
            let barrier = (releases + 1) % barrier_every == 0;
            let wanted = if barrier { alive } else { active.min(alive) };
            let late = |i: usize| live[i] && !heard[i] && tau.is_some_and(|tau| releases + 1 - last[i] >= tau);
            let may = alive >= 1 && q.len() >= wanted && !(0..workers).any(late);
            let decision = set.decide(Duration::ZERO, barrier);
            prop_assert_eq!(decision == Decision::Release, may, "{:?}", decision);
            if may {
                releases += 1;
                for &i in &q {
                    prop_assert!(tau.is_none_or(|tau| releases - last[i] <= tau));
                    last[i] = releases;
                }
                prop_assert_eq!(set.release(), q);
                heard.fill(false);
                prop_assert!(tau.is_none_or(|tau| set.stalest() < tau));
            }
        }
    }
}
