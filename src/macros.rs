//! The macro by which a folder lists its plug-ins.

/// Declares the plug-ins of one folder: each name is a file that exports `pub(super) static ITEM`.
///
/// Expands to the `mod` lines and to `ALL`, a slice of references in the order given. Everything
/// that lists plug-ins (`--help`, `list`, `explain`, docs, schema) reads `ALL`.
macro_rules! registry {
    ($(#[$meta:meta])* $item:ty : $($module:ident),+ $(,)?) => {
        $(mod $module;)+
        $(#[$meta])*
        pub static ALL: &[&$item] = &[$(&$module::ITEM),+];
    };
}
