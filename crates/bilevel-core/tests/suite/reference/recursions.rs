//! Estimates that are followed by differences telescope: on all samples they are the direction
//! itself.

use bilevel_core::algorithm::rule::{Block, IterateWithAdjoint, NeumannSeries};
use bilevel_core::hypergradient::NeumannForm;
use bilevel_core::{
    F3sa, Fsla, Iterate, Mrbo, Oracle, Rule, Run, Schedule, Srba, Sustain, Vector, Vrbo,
};

use super::problem::Setup;
use crate::{B, size};

const STEPS: usize = 60;
const LONGER: usize = 1_000_000;
const ETA: Schedule = Schedule::Constant(0.3);
const RHO: Schedule = Schedule::Constant(0.2);
const GAMMA: Schedule = Schedule::Constant(0.1);

/// After each step, what the rule follows against what it stands for.
fn check<R: Rule<B>>(
    name: &str,
    rule: R,
    differences: impl Fn(&dyn Oracle<B>, R::Memory) -> Vec<Vector<B>>,
) {
    let oracle = Setup::read().whole().oracle();
    let run = Run::new(rule, &oracle, 0);
    let (_, failure) = run.run(run.start(oracle.first()), STEPS, &mut |state| {
        for difference in differences(&oracle, state.memory.clone()) {
            let off = size(&difference);
            assert!(off < 1e-12, "{name}, step {}: off by {off:.1e}", state.step);
        }
    });
    assert_eq!(failure, None, "{name}");
}

/// `D` of a sum with `terms` terms at a point.
fn directions(oracle: &dyn Oracle<B>, terms: usize, at: &Iterate<B>) -> Iterate<B> {
    let series = NeumannSeries::new(NeumannForm::Sum, terms, 0.25).expect("valid");
    Iterate {
        x: series.hypergradient(oracle, &series.all(), at),
        y: oracle.lower_gradient(Block::All, at),
    }
}

fn minus(a: Iterate<B>, b: Iterate<B>) -> Vec<Vector<B>> {
    vec![a.x - b.x, a.y - b.y]
}

#[test]
fn recursions_are_exact_on_all_samples() {
    let (all, terms) = (Block::All, 6);
    for n in [1, 2, 5] {
        let vrbo = Vrbo::new(n, RHO, GAMMA, LONGER, terms, 0.25).expect("valid");
        check("VRBO", vrbo, |oracle, memory| {
            let estimate = memory.estimate.expect("after a step");
            let exact = directions(oracle, terms, &estimate.before);
            minus(estimate.direction, exact)
        });
    }
    let mrbo = Mrbo::new(RHO, GAMMA, ETA, terms, 0.25).expect("valid");
    check("MRBO", mrbo, |oracle, memory| {
        let estimate = memory.expect("after a step");
        let exact = directions(oracle, terms, &estimate.before);
        minus(estimate.direction, exact)
    });
    // Of a product with one term the length is not random.
    let sustain = Sustain::new(RHO, GAMMA, ETA, 1, 0.25).expect("valid");
    check("SUSTAIN", sustain, |oracle, memory| {
        let estimate = memory.expect("after a step");
        minus(estimate.direction, directions(oracle, 1, &estimate.before))
    });
    let srba = Srba::new(RHO, GAMMA, LONGER).expect("valid");
    check("SRBA", srba, |oracle, memory| {
        let (d, at) = memory.estimate.expect("after a step");
        let exact = at.directions(oracle, all, all);
        vec![d.x - exact.x, d.y - exact.y, d.q - exact.q]
    });
    let fsla = Fsla::new(RHO, GAMMA, ETA).expect("valid");
    check("FSLA", fsla, |oracle, memory| {
        let at: IterateWithAdjoint<B> = memory.before.expect("after a step");
        vec![memory.h - at.directions(oracle, all, all).x]
    });
    let f3sa = F3sa::new(RHO, Schedule::Constant(0.05), ETA, 2.0, None).expect("valid");
    check("F3SA", f3sa, |oracle, memory| {
        let estimates = memory.estimates.expect("after a step");
        let [f, g, z] = estimates.gradients;
        let [at, plain] = estimates.points;
        [
            minus(f, oracle.upper_gradients(all, &at).into()),
            minus(g, oracle.lower_gradients(all, &at).into()),
            minus(z, oracle.lower_gradients(all, &plain).into()),
        ]
        .concat()
    });
}

/// A long period is as good as looking at all samples in every step, even with a single step of y.
#[test]
fn vrbo_solves_the_lower_problem_whatever_its_period() {
    let slope = |period| {
        let oracle = Setup::read().whole().oracle();
        let vrbo = Vrbo::new(1, RHO, GAMMA, period, 6, 0.25).expect("valid");
        let run = Run::new(vrbo, &oracle, 0);
        let (state, failure) = run.run(run.start(oracle.first()), 80, &mut |_| ());
        assert_eq!(failure, None);
        size(&oracle.lower_gradient(Block::All, &state.at))
    };
    let slopes = [1, 20, LONGER].map(slope);
    assert!(slopes.iter().all(|s| *s < 1e-3), "{slopes:?}");
}
