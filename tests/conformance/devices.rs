//! Tensors on two devices.

use bilevel::backend::{Wgpu, WgpuDevice};
use bilevel::burn::module::Module;
use bilevel::{
    ConjugateGradient, DoubleBackward, Hypergradient, ImplicitDifferentiation, Tolerance,
};

use crate::quadratic::{At, Instance};

/// Both are the software driver here; to Burn they are two devices.
#[test]
#[should_panic(
    expected = "x, y and data on several devices: [DefaultDevice, Cpu]; move them to one with Module::to_device"
)]
fn two_devices_in_one_problem_are_refused() {
    let instance = Instance::new(2);
    let at = At::<Wgpu> {
        x: instance.x(),
        y: instance.y().to_device(&WgpuDevice::Cpu),
        batch: instance.data(),
    };
    let method = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 5,
            tolerance: Tolerance::Relative(1e-6),
        },
    };
    method.estimate(at.point(), None, 0);
}
