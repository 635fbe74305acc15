//! Every update rule equals the reference: eight steps, on all samples at once and on blocks.

use bilevel_core::algorithm::rule::{Dmlcbo, DmlcboSettings};
use bilevel_core::projection::{Bounds, Everywhere, L2Ball};
use bilevel_core::{
    Amigo, Barrier, Bome, Bsa, Bsg1, Bvfsm, BvfsmSettings, Error, F2sa, F3sa, Fsla, MaSoba, Mrbo,
    Pbgd, Penalization, Pzobo, Rule, Run, Saba, Schedule, Soba, Srba, StocBio, Sustain, Ttsa, Vrbo,
};

use super::logged::Logged;
use super::problem::Setup;
use super::{distance, numbers, table};
use crate::{B, rows};

const SEED: u64 = 3;

/// Holds rules against the table and keeps the names of those that were.
struct Reference {
    table: Vec<Vec<String>>,
    checked: Vec<&'static str>,
}

impl Reference {
    fn check<R: Rule<B>>(&mut self, name: &'static str, rule: impl Fn() -> Result<R, Error>) {
        for samples in ["whole", "blocks"] {
            let setup = Setup::read();
            let setup = if samples == "whole" {
                setup.whole()
            } else {
                setup
            };
            let oracle = setup.oracle();
            let logged = Logged::new(&oracle);
            let run = Run::new(rule().expect(name), &logged, SEED);
            let mut state = run.start(oracle.first());
            let wanted = |row: &&Vec<String>| row[0] == name && row[1] == samples;
            let expected: Vec<_> = self.table.iter().filter(wanted).collect();
            assert_eq!(expected.len(), 8, "{name}, {samples}");
            for row in expected {
                let at = format!("{name}, {samples}, step {}", row[2]);
                let failure;
                (state, failure) = run.step(state);
                assert_eq!(failure, None, "{at}");
                let mut calls: Vec<_> = logged.take().iter().map(ToString::to_string).collect();
                let mut wanted: Vec<_> = row[3].split_whitespace().collect();
                calls.sort();
                wanted.sort();
                assert_eq!(calls, wanted, "{at}: what was asked, in any order");
                let (x, y) = (rows(&state.at.x).concat(), rows(&state.at.y).concat());
                let off = distance(&x, &numbers(&row[4])).max(distance(&y, &numbers(&row[5])));
                assert!(off < 1e-12, "{at}: off by {off:.1e}");
            }
        }
        self.checked.push(name);
    }
}

#[test]
fn rules_equal_an_independent_program() {
    let k = Schedule::Constant;
    let p = |initial, power| Schedule::Polynomial { initial, power };
    let third = |initial| p(initial, 1.0 / 3.0);
    let mut reference = Reference {
        table: table("rules.tsv"),
        checked: Vec::new(),
    };
    let r = &mut reference;
    r.check("SOBA", || Soba::new(p(0.2, 0.5), p(0.1, 0.5)));
    r.check("MA-SOBA", || MaSoba::new(k(0.2), p(0.1, 0.5), p(0.3, 0.5)));
    r.check("SABA", || Saba::new(k(0.2), k(0.1)));
    r.check("SRBA", || Srba::new(k(0.2), k(0.1), 3));
    r.check("FSLA", || Fsla::new(k(0.2), k(0.1), p(0.5, 0.5)));
    r.check("AmIGO", || Amigo::new(3, k(0.2), k(0.1)));
    r.check("stocBiO", || StocBio::new(3, k(0.2), k(0.1), 4, 0.25));
    r.check("BSA", || Bsa::new(3, p(0.2, 0.5), p(0.1, 0.5), 4, 0.25));
    r.check("TTSA", || Ttsa::new(p(0.2, 0.4), p(0.1, 0.6), 4, 0.25));
    let eta = p(0.5, 2.0 / 3.0);
    r.check("SUSTAIN", || {
        Sustain::new(third(0.2), third(0.1), eta, 4, 0.25)
    });
    r.check("MRBO", || Mrbo::new(third(0.2), third(0.1), eta, 4, 0.25));
    r.check("VRBO", || Vrbo::new(3, k(0.2), k(0.1), 4, 4, 0.25));
    r.check("VRBO, one inner step", || {
        Vrbo::new(1, k(0.2), k(0.1), 1000, 4, 0.25)
    });
    r.check("F2SA", || {
        F2sa::new(3, k(0.2), k(0.1), 2.0, Some(p(0.5, 6.0 / 7.0)))
    });
    r.check("F3SA", || {
        F3sa::new(k(0.2), k(0.05), p(0.5, 0.5), 2.0, Some(k(0.1)))
    });
    r.check("BSG-1", || Bsg1::new(2, k(0.2), k(0.01)));
    r.check("PZOBO", || Pzobo::new(3, k(0.2), k(0.05), 2, 0.1));
    r.check("BOME", || {
        let barrier = Barrier::GradientNorm(0.5);
        Bome::new(barrier, 4, 0.2, 0.1, 0.05)?.with_momentum(0.9)
    });
    r.check("BOME, gap", || {
        Bome::new(Barrier::Gap(0.3), 4, 0.2, 0.1, 0.05)
    });
    r.check("V-PBGD", || {
        let value = Penalization::Value {
            steps: 4,
            step: 0.2,
        };
        Pbgd::new(value, 5.0, 0.02, 0.03)
    });
    r.check("G-PBGD", || {
        Pbgd::new(Penalization::Gradient, 5.0, 0.005, 0.006)
    });
    r.check("BVFSM", || {
        Bvfsm::new(BvfsmSettings {
            lower_steps: [5, 4],
            lower_step_size: 0.05,
            upper_step_size: k(0.05),
            mu: p(0.5, 0.5),
            sigma: p(0.2, 0.5),
            theta: p(0.1, 0.5),
        })
    });
    let momenta = DmlcboSettings {
        terms: 4,
        step_size: 0.25,
        share: 1.0,
        offset: 2.0,
        ..DmlcboSettings::default()
    };
    r.check("DMLCBO", || Dmlcbo::new(Everywhere, momenta));
    r.check("DMLCBO, ball", || Dmlcbo::new(L2Ball::new(0.4)?, momenta));
    r.check("DMLCBO, box", || {
        Dmlcbo::new(Bounds::all(-0.2, 0.2)?, momenta)
    });
    let missed = reference
        .table
        .iter()
        .find(|row| !reference.checked.contains(&row[0].as_str()));
    assert_eq!(missed, None, "a rule of the table that was not held to it");
}
