//! Between the plain structs and flatc's tables. The macros are filled in by the generated `messages.rs`, one line a table, so that no field can be
//! forgotten on one of the two ways. Nothing outside this file touches flatc's accessors.

use crate::error::{DecodeError, Path};
use crate::generated::fb;
use crate::message::{Done, DoneBody};
use flatbuffers::{FlatBufferBuilder, Follow, ForwardsUOffset, Vector, WIPOffset};

pub(crate) type Builder<'b> = FlatBufferBuilder<'b>;

/// A value as flatc's builder takes it.
pub(crate) trait Pack<'b> {
    type Packed;
    fn pack(&self, builder: &mut Builder<'b>) -> Self::Packed;
}

/// A struct that is a table of its own.
pub(crate) trait PackTable<'b> {
    type Table;
    fn pack_table(&self, builder: &mut Builder<'b>) -> WIPOffset<Self::Table>;
}

/// A value from what flatc's accessors give.
pub(crate) trait Unpack<S>: Sized {
    fn unpack(source: S, path: &Path) -> Result<Self, DecodeError>;
}

macro_rules! scalars {
    ($($scalar:ty),*) => { $(
        impl<'b> Pack<'b> for $scalar {
            type Packed = $scalar;
            fn pack(&self, _builder: &mut Builder<'b>) -> $scalar { *self }
        }
        impl<'b> Pack<'b> for Option<$scalar> {
            type Packed = Option<$scalar>;
            fn pack(&self, _builder: &mut Builder<'b>) -> Option<$scalar> { *self }
        }
        impl Unpack<$scalar> for $scalar {
            fn unpack(source: $scalar, _path: &Path) -> Result<$scalar, DecodeError> { Ok(source) }
        }
    )* };
}
scalars!(bool, u8, u16, u32, u64);

impl<'b> Pack<'b> for String {
    type Packed = Option<WIPOffset<&'b str>>;
    fn pack(&self, builder: &mut Builder<'b>) -> Self::Packed {
        Some(builder.create_string(self))
    }
}

impl<'b> Pack<'b> for Option<String> {
    type Packed = Option<WIPOffset<&'b str>>;
    fn pack(&self, builder: &mut Builder<'b>) -> Self::Packed {
        self.as_ref().map(|text| builder.create_string(text))
    }
}

impl<'b> Pack<'b> for Vec<String> {
    type Packed = Option<WIPOffset<Vector<'b, ForwardsUOffset<&'b str>>>>;
    fn pack(&self, builder: &mut Builder<'b>) -> Self::Packed {
        let entries: Vec<_> = self.iter().map(|text| builder.create_string(text)).collect();
        Some(builder.create_vector(&entries))
    }
}

macro_rules! scalar_vectors {
    ($($scalar:ty),*) => { $(
        impl<'b> Pack<'b> for Vec<$scalar> {
            type Packed = Option<WIPOffset<Vector<'b, $scalar>>>;
            fn pack(&self, builder: &mut Builder<'b>) -> Self::Packed { Some(builder.create_vector(self)) }
        }
    )* };
}
scalar_vectors!(u8, u16);

impl<'b, const N: usize> Pack<'b> for [u8; N] {
    type Packed = Option<WIPOffset<Vector<'b, u8>>>;
    fn pack(&self, builder: &mut Builder<'b>) -> Self::Packed {
        Some(builder.create_vector(self.as_slice()))
    }
}

impl Unpack<&str> for String {
    fn unpack(source: &str, _path: &Path) -> Result<String, DecodeError> {
        Ok(source.to_owned())
    }
}

impl<S, T: Unpack<S>> Unpack<Option<S>> for Option<T> {
    fn unpack(source: Option<S>, path: &Path) -> Result<Option<T>, DecodeError> {
        source.map(|value| T::unpack(value, path)).transpose()
    }
}

impl<'a, F: Follow<'a> + 'a, T: Unpack<F::Inner>> Unpack<Vector<'a, F>> for Vec<T> {
    fn unpack(source: Vector<'a, F>, path: &Path) -> Result<Vec<T>, DecodeError> {
        source.iter().enumerate().map(|(index, entry)| T::unpack(entry, &path.index(index))).collect()
    }
}

impl<'a, const N: usize> Unpack<Vector<'a, u8>> for [u8; N] {
    fn unpack(source: Vector<'a, u8>, path: &Path) -> Result<[u8; N], DecodeError> {
        source.bytes().try_into().map_err(|_| path.error(format_args!("expected {N} bytes, got {}", source.len())))
    }
}

/// Closed enums: a number without a name is an error, not a value.
macro_rules! enums {
    ($($name:ident { $($member:ident),* })*) => { $(
        impl<'b> $crate::pack::Pack<'b> for $name {
            type Packed = $crate::generated::fb::$name;
            fn pack(&self, _builder: &mut $crate::pack::Builder<'b>) -> Self::Packed {
                match self { $($name::$member => $crate::generated::fb::$name::$member),* }
            }
        }
        impl $crate::pack::Unpack<$crate::generated::fb::$name> for $name {
            fn unpack(source: $crate::generated::fb::$name, path: &Path) -> Result<$name, DecodeError> {
                match source {
                    $($crate::generated::fb::$name::$member => Ok($name::$member),)*
                    other => Err(path.error(format_args!("{} is no {}", other.0, stringify!($name)))),
                }
            }
        }
    )* };
}

/// A struct and its table, field by field under the same names.
macro_rules! tables {
    ($($name:ident via $args:ident { $($field:ident),* })*) => { $(
        impl<'b> $crate::pack::PackTable<'b> for $name {
            type Table = $crate::generated::fb::$name<'b>;
            #[allow(unused_variables)] // a table without fields
            fn pack_table(&self, builder: &mut $crate::pack::Builder<'b>) -> flatbuffers::WIPOffset<Self::Table> {
                let fields = $crate::generated::fb::$args { $($field: $crate::pack::Pack::pack(&self.$field, builder)),* };
                $crate::generated::fb::$name::create(builder, &fields)
            }
        }
        impl<'b> $crate::pack::Pack<'b> for $name {
            type Packed = Option<flatbuffers::WIPOffset<$crate::generated::fb::$name<'b>>>;
            fn pack(&self, builder: &mut $crate::pack::Builder<'b>) -> Self::Packed {
                Some($crate::pack::PackTable::pack_table(self, builder))
            }
        }
        impl<'b> $crate::pack::Pack<'b> for Option<$name> {
            type Packed = Option<flatbuffers::WIPOffset<$crate::generated::fb::$name<'b>>>;
            fn pack(&self, builder: &mut $crate::pack::Builder<'b>) -> Self::Packed {
                self.as_ref().map(|table| $crate::pack::PackTable::pack_table(table, builder))
            }
        }
        impl<'b> $crate::pack::Pack<'b> for Vec<$name> {
            type Packed =
                Option<flatbuffers::WIPOffset<flatbuffers::Vector<'b, flatbuffers::ForwardsUOffset<$crate::generated::fb::$name<'b>>>>>;
            fn pack(&self, builder: &mut $crate::pack::Builder<'b>) -> Self::Packed {
                let entries: Vec<_> = self.iter().map(|table| $crate::pack::PackTable::pack_table(table, builder)).collect();
                Some(builder.create_vector(&entries))
            }
        }
        impl<'a> $crate::pack::Unpack<$crate::generated::fb::$name<'a>> for $name {
            #[allow(unused_variables)] // a table without fields
            fn unpack(source: $crate::generated::fb::$name<'a>, path: &Path) -> Result<$name, DecodeError> {
                Ok($name { $($field: $crate::pack::Unpack::unpack(source.$field(), &path.field(stringify!($field)))?),* })
            }
        }
    )* };
}

/// Unions: the member's table, and the number that says which.
macro_rules! unions {
    ($($name:ident in $holder:ident { $($member:ident by $accessor:ident),* $(,)? })*) => { $(
        impl $name {
            pub(crate) fn pack<'b>(
                &self,
                builder: &mut $crate::pack::Builder<'b>,
            ) -> ($crate::generated::fb::$name, flatbuffers::WIPOffset<flatbuffers::UnionWIPOffset>) {
                match self {
                    $($name::$member(message) => (
                        $crate::generated::fb::$name::$member,
                        $crate::pack::PackTable::pack_table(message, builder).as_union_value(),
                    )),*
                }
            }

            pub(crate) fn unpack(source: $crate::generated::fb::$holder<'_>, path: &Path) -> Result<$name, DecodeError> {
                $(if let Some(member) = source.$accessor() {
                    return Ok($name::$member($crate::pack::Unpack::unpack(member, &path.field(stringify!($member)))?));
                })*
                Err(path.error(format_args!("{} is no {}", source.body_type().0, stringify!($name))))
            }

            /// The name of the member.
            pub fn name(&self) -> &'static str {
                match self { $($name::$member(_) => stringify!($member)),* }
            }
        }
        impl Bounds for $name {
            fn check(&self, path: &Path) -> Result<(), DecodeError> {
                match self { $($name::$member(message) => message.check(&path.field(stringify!($member)))),* }
            }
        }
        $(impl From<$member> for $name {
            fn from(message: $member) -> $name { $name::$member(message) }
        })*
    )* };
}

// `Done` holds a union, which the macro for tables does not know.
impl<'b> PackTable<'b> for Done {
    type Table = fb::Done<'b>;
    fn pack_table(&self, builder: &mut Builder<'b>) -> WIPOffset<Self::Table> {
        let (body_type, body) = self.body.pack(builder);
        fb::Done::create(builder, &fb::DoneArgs { body_type, body: Some(body) })
    }
}

impl<'a> Unpack<fb::Done<'a>> for Done {
    fn unpack(source: fb::Done<'a>, path: &Path) -> Result<Done, DecodeError> {
        Ok(Done { body: DoneBody::unpack(source, &path.field("body"))? })
    }
}

pub(crate) use {enums, tables, unions};
