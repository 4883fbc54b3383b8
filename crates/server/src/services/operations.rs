//! The list of a neighbour's operations.

/// `operations! { GetItem Reading, PutItem Mutating, }` is an enum `Operation` of these, with their names and what they do
/// to the state.
macro_rules! operations {
    ($($name:ident $access:ident,)*) => {
        /// An operation of this service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($name,)*
        }

        impl Operation {
            /// The operation of this name.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            /// Its name, as in the model.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it does to the state.
            pub(crate) const fn access(self) -> $crate::services::Access {
                match self { $(Self::$name => $crate::services::Access::$access,)* }
            }
        }
    };
}

pub(crate) use operations;
