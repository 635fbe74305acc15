//! Projections onto convex sets, and products with their Jacobians.

use bilevel::burn::tensor::backend::Backend;
use bilevel::projection::{
    Affine, Bounds, HalfSpace, L1Ball, L2Ball, NonNegative, Projection, Simplex,
};

use crate::quadratic::{DIM, Instance, tensor};
use crate::row::{Rows, entries};

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Projections and their Jacobians");
    let instance = Instance::new(3);
    let z = tensor::<B>(instance.right());
    let v = tensor::<B>(&instance.solution());
    let normal = &instance.right()[1];
    let mut add = |name, set: &dyn Projection<B>| {
        let numbers = entries([set.project(z.clone()), set.jacobian(&z, v.clone())]);
        rows.golden(name, numbers, 1e-5);
    };
    add("non-negative numbers", &NonNegative);
    add("box", &Bounds::all(-0.2, 0.3).expect("ordered"));
    add("L2 ball", &L2Ball::new(0.5).expect("positive"));
    add("L1 ball", &L1Ball::new(0.5).expect("positive"));
    add("simplex", &Simplex::new(1.0).expect("positive"));
    add(
        "half-space",
        &HalfSpace::new(normal, -0.5).expect("a normal"),
    );
    add(
        "affine space",
        &Affine::new(&[normal.clone(), vec![1.0; DIM]], &[0.5, 0.1]).expect("consistent"),
    );
}
