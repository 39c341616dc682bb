//! The two macros that turn a table of variables into a struct.

/// Declares a section of the process configuration.
///
/// Each row of the first block is a documented field with its variable; `others` holds variables that are known
/// but give no field. The macro writes the struct, `entries()` for the registry and `read()`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $name:ident, $title:literal {
            $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $variable:expr; )*
        }
        $( others { $( $(#[doc = $other_doc:literal])+ $other:expr; )* } )?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $visibility struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
        }

        impl $name {
            /// The rows of the registry, in the order of the table.
            pub(crate) fn entries() -> Vec<$crate::registry::Entry> {
                vec![
                    $( $crate::registry::typed::<$type, _>($variable).entry($title, concat!($($doc),+)), )*
                    $( $( ($other).entry($title, concat!($($other_doc),+)), )* )?
                ]
            }

            /// Reads every field; `None` when one is unusable, which the reader has recorded.
            pub(crate) fn read(reader: &mut $crate::registry::Reader<'_>) -> Option<Self> {
                // All fields are read before the first `?`, so that all errors are reported together.
                $( let $field = reader.read(&$crate::registry::typed::<$type, _>($variable)); )*
                Some(Self { $( $field: $field?, )* })
            }
        }
    };
}

/// Declares a group of persistent settings; as `section!`, with access by key on top.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $name:ident, $title:literal {
            $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $variable:expr; )*
        }
        $( others { $( $(#[doc = $other_doc:literal])+ $other:expr; )* } )?
    ) => {
        $crate::registry::section! {
            $(#[doc = $about])+
            $visibility struct $name, $title {
                $( $(#[doc = $doc])+ $field: $type = $variable; )*
            }
            $( others { $( $(#[doc = $other_doc])+ $other; )* } )?
        }

        impl $crate::settings::Group for $name {
            fn get(&self, key: &str) -> Option<serde_json::Value> {
                $( if $crate::registry::typed::<$type, _>($variable).key == key { return serde_json::to_value(&self.$field).ok(); } )*
                None
            }

            fn apply(
                &mut self,
                key: &str,
                value: &serde_json::Value,
            ) -> Option<Result<(), $crate::SettingError>> {
                $( if $crate::registry::typed::<$type, _>($variable).key == key {
                    return Some($crate::settings::store($crate::registry::typed::<$type, _>($variable).key, value, &mut self.$field));
                } )*
                None
            }

            fn keys() -> Vec<&'static str> {
                vec![ $( $crate::registry::typed::<$type, _>($variable).key, )* ]
            }
        }
    };
}

pub(crate) use {section, settings};
