//! One way to configure: a value with defaults, and a method named after each field that sets it.

/// Writes the methods: `setters!(Name<S> { field: Type, .. });`.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    ($name:ident $(<$($generic:ident),+>)? { $($field:ident: $type:ty),+ $(,)? }) => {
        impl $(<$($generic),+>)? $name $(<$($generic),+>)? {
            $(
                #[doc = concat!("The same with another [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )+
        }
    };
}
