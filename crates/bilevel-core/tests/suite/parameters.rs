use bilevel_core::parameters::{
    load_values, named_values, non_finite_parameter, pack, pack_gradients, repeated, unpack,
    unpack_gradients,
};
use bilevel_core::{ErrorKind, Tape};
use burn::module::{Module, Param, ParamId};
use burn::optim::{Optimizer, SgdConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use double_precision::Number;

use crate::{B, row, rows, vector};

#[derive(Module, Debug)]
struct Layer<B: Backend> {
    weight: Param<Tensor<B, 2>>,
    bias: Option<Param<Tensor<B, 1>>>,
}

#[derive(Module, Debug)]
struct Net<B: Backend> {
    scale: Param<Tensor<B, 1>>,
    layers: Vec<Layer<B>>,
    skip: Option<Layer<B>>,
    head: Option<Layer<B>>,
}

type Taped = Tape<B>;

fn param<const D: usize>(shape: [usize; D], first: f64) -> Param<Tensor<Taped, D>> {
    let count: usize = shape.iter().product();
    let data: Vec<f64> = (0..count).map(|i| first + i as f64).collect();
    Param::from_data(TensorData::new(data, shape), &Default::default())
}

/// Trainable: scale 1, layers.0.bias 10 11 12, layers.1.weight 20 to 25, head.weight 30 31 32 33.
/// Frozen: layers.0.weight 100 to 105.
fn net() -> Net<Taped> {
    Net {
        scale: param([1], 1.0),
        layers: vec![
            Layer {
                weight: param([2, 3], 100.0).no_grad(),
                bias: Some(param([3], 10.0)),
            },
            Layer {
                weight: param([3, 2], 20.0),
                bias: None,
            },
        ],
        skip: None,
        head: Some(Layer {
            weight: param([2, 2], 30.0),
            bias: None,
        }),
    }
}

/// The trainable values of [`net`] in the order of the fields.
const VALUES: [f64; 14] = [
    1.0, 10.0, 11.0, 12.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 30.0, 31.0, 32.0, 33.0,
];

fn packed(net: &Net<Taped>) -> Vec<f64> {
    rows(&pack(net, 1)).concat()
}

fn frozen(net: &Net<Taped>) -> Vec<f64> {
    net.layers[0].weight.val().into_data().iter().collect()
}

fn ids(net: &Net<Taped>) -> Vec<ParamId> {
    let head = net.head.as_ref().expect("a head");
    let bias = net.layers[0].bias.as_ref().expect("a bias");
    vec![
        net.scale.id,
        net.layers[0].weight.id,
        bias.id,
        net.layers[1].weight.id,
        head.weight.id,
    ]
}

/// Each parameter once, times its coefficient: the gradient is known.
fn linear_loss(net: &Net<Taped>) -> Tensor<Taped, 1> {
    let head = net.head.as_ref().expect("a head");
    net.scale.val().sum() * 2.0
        + net.layers[0].weight.val().sum() * 3.0
        + net.layers[1].weight.val().sum() * 5.0
        + (head.weight.val() * head.weight.val()).sum() * 0.5
}

/// Of [`linear_loss`]; it does not reach `layers.0.bias`.
fn slopes() -> Vec<f64> {
    [vec![2.0], vec![0.0; 3], vec![5.0; 6], VALUES[10..].to_vec()].concat()
}

#[test]
fn pack_takes_the_trainable_values_in_the_order_of_the_fields() {
    assert_eq!(packed(&net()), VALUES);
}

#[test]
fn unpack_replaces_them_and_nothing_else() {
    let before = net();
    let (ids_before, frozen_before) = (ids(&before), frozen(&before));
    let new: Vec<f64> = (0..14).map(|i| -f64::from(i)).collect();
    let after = unpack(before, row(&new));
    assert_eq!(packed(&after), new);
    assert_eq!(ids(&after), ids_before);
    assert_eq!(frozen(&after), frozen_before);
    assert!(!after.layers[0].weight.is_require_grad());
    assert!(after.skip.is_none());

    // Values landed in the right parameters, and these are leaves that a backward pass reaches.
    let weight: Vec<f64> = after.layers[1].weight.val().into_data().iter().collect();
    assert_eq!(weight, new[4..10]);
    let gradients = linear_loss(&after).backward();
    let scale = after.scale.val().grad(&gradients).expect("a leaf");
    assert!((scale.number() - 2.0).abs() < 1e-15);
}

#[test]
fn pack_gradients_has_the_layout_of_pack() {
    let net = net();
    let gradients = pack_gradients(&net, &linear_loss(&net).backward(), 1);
    assert_eq!(rows(&gradients), [slopes()]);
}

#[test]
fn gradients_reach_an_optimizer_and_move_the_trainable_values() {
    let before = net();
    let gradients = unpack_gradients(&before, row(&slopes()));
    let mut sgd = SgdConfig::new().init::<Taped, Net<Taped>>();
    let frozen_before = frozen(&before);
    let after = sgd.step(0.25, before, gradients);
    let expected: Vec<f64> = VALUES
        .iter()
        .zip(slopes())
        .map(|(v, g)| v - 0.25 * g)
        .collect();
    assert_eq!(packed(&after), expected);
    assert_eq!(frozen(&after), frozen_before);
}

#[derive(Module, Debug)]
struct Stack<B: Backend> {
    a: Param<Tensor<B, 2>>,
    b: Param<Tensor<B, 3>>,
}

#[test]
fn row_i_holds_system_i_of_every_parameter() {
    let stack = Stack {
        a: param([3, 1], 0.0),
        b: param([3, 2, 2], 10.0),
    };
    let expected = [
        vec![0.0, 10.0, 11.0, 12.0, 13.0],
        vec![1.0, 14.0, 15.0, 16.0, 17.0],
        vec![2.0, 18.0, 19.0, 20.0, 21.0],
    ];
    assert_eq!(rows(&pack(&stack, 3)), expected);

    let twice = pack(&stack, 3) * 2.0;
    let doubled = unpack(stack, twice);
    let b: Vec<f64> = doubled.b.val().into_data().iter().collect();
    assert_eq!(b, (10..22).map(|i| 2.0 * f64::from(i)).collect::<Vec<_>>());
    assert_eq!(doubled.b.dims(), [3, 2, 2]);

    let loss = doubled.a.val().square().sum() * 0.5 + doubled.b.val().sum();
    let gradients = rows(&pack_gradients(&doubled, &loss.backward(), 3));
    for (i, row) in gradients.iter().enumerate() {
        assert_eq!(*row, [2.0 * i as f64, 1.0, 1.0, 1.0, 1.0]);
    }
}

#[test]
fn repeated_copies_are_rows() {
    let net = net();
    let copies = repeated(net.clone(), 3);
    let expected = [VALUES.to_vec(), VALUES.to_vec(), VALUES.to_vec()];
    assert_eq!(rows(&pack(&copies, 3)), expected);
    // What is frozen is repeated too, and stays frozen; the copies are leaves.
    assert_eq!(copies.layers[0].weight.dims(), [6, 3]);
    assert_eq!(frozen(&copies)[6..12], frozen(&net)[..]);
    assert!(!copies.layers[0].weight.is_require_grad());
    assert_eq!(ids(&copies), ids(&net));
    let loss = copies.layers[1].weight.val().narrow(0, 3, 3).sum();
    let gradients = rows(&pack_gradients(&copies, &loss.backward(), 3));
    assert_eq!(gradients[0], vec![0.0; 14]);
    assert_eq!(gradients[1][4..10], [1.0; 6]);
    assert_eq!(gradients[2], vec![0.0; 14]);
}

#[test]
#[should_panic(expected = "the vector has 9 entries a row, the module more than 10")]
fn a_vector_that_is_too_short_panics_with_both_numbers() {
    unpack(net(), row(&[0.0; 9]));
}

#[test]
#[should_panic(expected = "left: 15\n right: 14")]
fn a_vector_that_is_too_long_panics_with_both_numbers() {
    unpack(net(), row(&[0.0; 15]));
}

#[test]
#[should_panic(expected = "left: 15\n right: 14")]
fn gradients_that_are_too_long_panic_with_both_numbers() {
    unpack_gradients(&net(), row(&[0.0; 15]));
}

#[test]
#[should_panic(
    expected = "the problem has 2 systems, a parameter has shape [3, 2, 2]: its first axis must be a multiple of that"
)]
fn a_parameter_without_a_row_for_each_system_panics_with_both_shapes() {
    let stack = Stack {
        a: param([2, 1], 0.0),
        b: param([3, 2, 2], 10.0),
    };
    pack(&stack, 2);
}

#[test]
#[should_panic(expected = "no parameter that requires a gradient")]
fn a_module_that_is_frozen_altogether_panics() {
    pack(&net().no_grad(), 1);
}

#[test]
fn named_values_survive_a_round_trip() {
    let values = named_values(&net());
    let paths: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "head.weight",
            "layers.0.bias",
            "layers.0.weight",
            "layers.1.weight",
            "scale"
        ]
    );

    let blank = net();
    let blank = unpack(blank, row(&[0.0; 14]));
    let blank_ids = ids(&blank);
    let loaded = load_values(blank, &values).expect("values of the same module");
    assert_eq!(packed(&loaded), VALUES);
    assert_eq!(frozen(&loaded), frozen(&net()));
    assert_eq!(ids(&loaded), blank_ids);
    assert!(!loaded.layers[0].weight.is_require_grad());
}

#[test]
fn values_that_do_not_fit_are_errors() {
    let mut values = named_values(&net());
    let bias = values.remove("layers.0.bias").expect("it was stored");
    let error = load_values(net(), &values).expect_err("a value is missing");
    let path = "layers.0.bias".to_owned();
    assert_eq!(*error.kind(), ErrorKind::MissingParameter { path });
    assert!(
        error.to_string().contains("`layers.0.bias` is missing"),
        "{error}"
    );

    values.insert("layers.0.bias".to_owned(), bias);
    let wide = TensorData::new(vec![0.0; 6], [2, 3]);
    values.insert("layers.1.weight".to_owned(), wide);
    let error = load_values(net(), &values).expect_err("a shape is wrong");
    assert!(
        error
            .to_string()
            .contains("`layers.1.weight` has shape [2, 3], the module expects [3, 2]"),
        "{error}"
    );
}

#[test]
fn the_parameter_that_is_not_finite_is_named() {
    let named = |entry: usize, bad: f64| {
        let mut values = VALUES.to_vec();
        values[entry] = bad;
        non_finite_parameter(&net(), row(&values))
    };
    assert_eq!(named(0, 0.0), None);
    let places = [
        (0, "scale"),
        (1, "layers.0.bias"),
        (3, "layers.0.bias"),
        (4, "layers.1.weight"),
        (9, "layers.1.weight"),
        (10, "head.weight"),
        (13, "head.weight"),
    ];
    for (entry, path) in places {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(named(entry, bad).as_deref(), Some(path), "{entry} {bad}");
        }
    }

    let stack = Stack {
        a: param([3, 1], 0.0),
        b: param([3, 2, 2], 10.0),
    };
    let mut values = vec![vec![0.0; 5]; 3];
    values[2][4] = f64::NAN;
    let path = non_finite_parameter(&stack, vector(&values));
    assert_eq!(path.as_deref(), Some("b"));
    values[1][0] = f64::NAN;
    let path = non_finite_parameter(&stack, vector(&values));
    assert_eq!(path.as_deref(), Some("a"));
}
