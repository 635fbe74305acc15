//! Which blocks a step draws, and which evaluations share one.

use bilevel_core::algorithm::rule::{Dmlcbo, DmlcboSettings};
use bilevel_core::projection::Everywhere;
use bilevel_core::{
    Amigo, Barrier, Bome, Bsa, Bsg1, Bvfsm, BvfsmSettings, Error, F2sa, F3sa, Fsla, MaSoba, Mrbo,
    Pbgd, Penalization, Pzobo, Rule, Run, Saba, Schedule, Soba, Srba, StocBio, Sustain, Ttsa, Vrbo,
};

use super::logged::{Call, Logged};
use super::problem::Setup;
use crate::B;

/// A step, as evaluations in their order: `kind:draw`, where one letter is one draw of a block, of
/// f a capital one, and `*` all samples. Every step after the first that is not one of `except` has
/// to be of this form: evaluations of one letter see the same block in every step, those of two
/// letters different ones in some step.
fn check<R: Rule<B>>(name: &str, rule: Result<R, Error>, except: fn(usize) -> bool, form: &str) {
    let oracle = Setup::read().oracle();
    let logged = Logged::new(&oracle);
    let run = Run::new(rule.expect(name), &logged, 11);
    let mut state = run.start(oracle.first());
    let mut steps: Vec<Vec<Call>> = Vec::new();
    for t in 0..60 {
        let failure;
        (state, failure) = run.step(state);
        assert_eq!(failure, None, "{name}, step {t}");
        let calls = logged.take();
        if t > 0 && !except(t) {
            steps.push(calls);
        }
    }
    let form: Vec<(&str, &str)> = form
        .split_whitespace()
        .map(|word| word.split_once(':').expect("kind:draw"))
        .collect();
    for calls in &steps {
        let kinds: Vec<_> = calls.iter().map(|call| call.kind).collect();
        let expected: Vec<_> = form.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, expected, "{name}: what is evaluated");
        for (call, (_, draw)) in calls.iter().zip(&form) {
            assert_eq!(call.block.is_none(), *draw == "*", "{name}: {call}");
        }
    }
    let of_f = |draw: &str| draw.chars().all(char::is_uppercase);
    for (i, (_, one)) in form.iter().enumerate() {
        for (j, (_, other)) in form.iter().enumerate().skip(i + 1) {
            let mut equal = steps.iter().map(|calls| calls[i].block == calls[j].block);
            if one == other {
                assert!(equal.all(|equal| equal), "{name}: {i} and {j} are one draw");
            } else if ![one, other].contains(&&"*") && of_f(one) == of_f(other) {
                assert!(
                    !equal.all(|equal| equal),
                    "{name}: {i} and {j} are two draws"
                );
            }
        }
    }
}

fn never(_: usize) -> bool {
    false
}

/// The methods draw what their papers draw: once where a block is shared, anew where it is not.
#[test]
fn blocks_are_drawn_as_the_papers_do() {
    let s = Schedule::Constant(0.05);
    let single = "s:a f:J";
    check("SOBA", Soba::new(s, s), never, single);
    check("MA-SOBA", MaSoba::new(s, s, s), never, single);
    check("SABA", Saba::new(s, s), never, single);
    check(
        "SRBA",
        Srba::new(s, s, 5),
        |t| t % 5 == 0,
        "s:a f:J s:a f:J",
    );
    check("SRBA, period", Srba::new(s, s, 1), never, "s:* f:*");
    check("FSLA", Fsla::new(s, s, s), never, "s:a f:J f:J c:a");
    check(
        "AmIGO",
        Amigo::new(3, s, s),
        never,
        "gy:a gy:b gy:c f:J h:d h:e h:f c:g",
    );
    let inner = "gy:a gy:b";
    check(
        "stocBiO",
        StocBio::new(2, s, s, 4, 0.1),
        never,
        &format!("{inner} f:J h:d h:e h:f c:c"),
    );
    // With one term, so that the length of the product is not random.
    check(
        "BSA",
        Bsa::new(2, s, s, 1, 0.1),
        never,
        &format!("{inner} f:J c:c"),
    );
    check("TTSA", Ttsa::new(s, s, 1, 0.1), never, "gy:a f:J c:c");
    check(
        "SUSTAIN",
        Sustain::new(s, s, s, 1, 0.1),
        never,
        "f:J c:c gy:a f:J c:c gy:a",
    );
    let direction = "f:J h:d h:e c:c gy:a";
    check(
        "MRBO",
        Mrbo::new(s, s, s, 3, 0.1),
        never,
        &format!("{direction} {direction}"),
    );
    let second = "f:K h:g h:h c:i gy:b";
    check(
        "VRBO",
        Vrbo::new(2, s, s, 5, 3, 0.1),
        |t| t % 5 == 0,
        &format!("{direction} {direction} {second} {second}"),
    );
    check(
        "F2SA",
        F2sa::new(2, s, s, 2.0, None),
        never,
        "gy:a f:J gy:a gy:b f:K gy:b g:c g:c f:L",
    );
    check(
        "F3SA",
        F3sa::new(s, s, s, 2.0, None),
        never,
        "f:J g:a g:a f:J g:a g:a",
    );
    check(
        "BSG-1",
        Bsg1::new(2, s, Schedule::Constant(1e-3)),
        never,
        &format!("{inner} g:c f:J"),
    );
    check(
        "PZOBO",
        Pzobo::new(2, s, s, 2, 0.1),
        never,
        &format!("{inner} f:J {inner} {inner}"),
    );
    let gap = "gy:* gy:* g:* g:*";
    check(
        "BOME",
        Bome::new(Barrier::GradientNorm(0.5), 2, 0.1, 0.1, 0.05),
        never,
        &format!("{gap} f:*"),
    );
    let value = Penalization::Value {
        steps: 2,
        step: 0.1,
    };
    check(
        "V-PBGD",
        Pbgd::new(value, 2.0, 0.02, 0.02),
        never,
        &format!("{gap} f:*"),
    );
    check(
        "G-PBGD",
        Pbgd::new(Penalization::Gradient, 2.0, 0.005, 0.005),
        never,
        "gy:* s:* f:*",
    );
    let settings = BvfsmSettings {
        lower_steps: [2, 2],
        lower_step_size: 0.01,
        upper_step_size: s,
        mu: Schedule::Constant(0.5),
        sigma: s,
        theta: s,
    };
    check(
        "BVFSM",
        Bvfsm::new(settings),
        never,
        "gy:* gy:* g:* f:* g:* f:* g:* f:* g:*",
    );
    let settings = DmlcboSettings {
        terms: 1,
        ..DmlcboSettings::default()
    };
    check(
        "DMLCBO",
        Dmlcbo::new(Everywhere, settings),
        never,
        "gy:a f:J c:a",
    );
}
