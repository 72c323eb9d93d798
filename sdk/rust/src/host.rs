//! The host functions as safe calls: the real ones in wasm, a test host of this thread natively.

/// Declares the imports. In wasm this is the `extern` block; in tests it is the list that is compared with the contract.
#[cfg(any(test, target_arch = "wasm32"))]
macro_rules! imports {
    ($declare:ident) => {
        $declare! {
            core "vestibule_v1" {
                fn event_len(form: i32) -> i32;
                fn event_read(form: i32, ptr: *mut u8);
                fn answer(ptr: *const u8, len: usize);
                fn fail(ptr: *const u8, len: usize);
                fn log(level: i32, ptr: *const u8, len: usize);
            }
            http "vestibule_http_v1" {
                fn start(head_ptr: *const u8, head_len: usize, body_ptr: *const u8, body_len: usize) -> i32;
                fn wait(handles_ptr: *const i32, n: usize) -> i32;
                fn result_len(handle: i32) -> i32;
                fn result_read(handle: i32, ptr: *mut u8);
                fn body_read(handle: i32, offset: usize, ptr: *mut u8, len: usize) -> i32;
            }
            file "vestibule_file_v1" {
                fn open(path_ptr: *const u8, path_len: usize) -> i32;
                fn size(handle: i32) -> i32;
                fn read(handle: i32, offset: usize, ptr: *mut u8, len: usize) -> i32;
            }
        }
    };
}
#[cfg(target_arch = "wasm32")]
pub(crate) use imports;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::host::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::wasm::imports::*;

#[cfg(test)]
mod tests {
    use vestibule_abi::host::{FUNCTIONS, HASH};

    /// The declarations as `namespace.name(params)`, with whether they return.
    macro_rules! list {
        ($($module:ident $namespace:literal { $(fn $name:ident($($param:ident: $type:ty),*) $(-> $result:ty)?;)* })*) => {
            vec![$($(
                ($namespace, stringify!($name), vec![$(stringify!($param)),*], false $(|| stringify!($result) == "i32")?),
            )*)*]
        };
    }

    #[test]
    fn the_imports_are_those_of_the_contract() {
        let declared: Vec<(&str, &str, Vec<&str>, bool)> = imports!(list);
        let contract: Vec<_> = FUNCTIONS
            .iter()
            .filter(|function| function.namespace != HASH) // Rules in Rust hash with a crate.
            .map(|function| (function.namespace, function.name, function.params.to_vec(), function.returns))
            .collect();
        assert_eq!(declared, contract);
    }
}
