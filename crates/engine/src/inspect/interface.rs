//! What a module imports and exports: host functions of ours with their types, and the doors that the host enters by.

use std::collections::BTreeSet;

use vestibule_abi::{
    codes::RefusalCode,
    host::{self, Capability, HostFunction},
};
use wasmparser::{ExternalKind, FuncType, TypeRef, ValType};

use super::sections::Sections;
use crate::refusal::{Refusal, shown};

/// The namespaces of the host, as messages list them; a test compares them with the contract.
const NAMESPACES: &str = "vestibule_v1, vestibule_hash_v1, vestibule_http_v1 and vestibule_file_v1";
/// What helps against imports that this host does not have.
const REBUILD: &str = "build it again with the SDK of this version";

/// How a module and the host meet.
pub(super) struct Interface {
    /// The host functions it imports, each once.
    pub(super) imports: Vec<&'static HostFunction>,
    /// Whether it has an initialiser.
    pub(super) has_initializer: bool,
}

impl Interface {
    /// What it asks for.
    pub(super) fn capabilities(&self) -> BTreeSet<Capability> {
        let asked = self.imports.iter().filter_map(|function| Capability::of_namespace(function.namespace));
        asked.chain([Capability::Core]).collect()
    }
}

impl Sections<'_, '_> {
    /// Holds imports and exports against the contract.
    pub(super) fn interface(&self) -> Result<Interface, Refusal> {
        let imports = self.host_imports()?;
        self.export_is_memory()?;
        self.export_is_function(host::RUN_EXPORT, true)?;
        let has_initializer = self.export_is_function(host::INITIALIZE_EXPORT, false)?;
        Ok(Interface { imports, has_initializer })
    }

    fn host_imports(&self) -> Result<Vec<&'static HostFunction>, Refusal> {
        let mut found: Vec<&'static HostFunction> = Vec::new();
        for (namespace, name, ty) in &self.imports {
            let function = self.host_import(namespace, name, ty)?;
            if !found.contains(&function) {
                found.push(function);
            }
        }
        Ok(found)
    }

    fn host_import(&self, namespace: &str, name: &str, ty: &TypeRef) -> Result<&'static HostFunction, Refusal> {
        let import = format!("`{}.{}`", shown(namespace), shown(name));
        if Capability::of_namespace(namespace).is_none() && is_other_version(namespace) {
            let message = format!(
                "the module imports {import}, another version of the ABI; this host speaks {NAMESPACES}: {REBUILD}"
            );
            return Err(Refusal::new(RefusalCode::AbiVersionUnsupported, message));
        }
        let unknown = || {
            let message = format!(
                "the module imports {import}, which no capability offers; a rule may import only functions of \
                 {NAMESPACES}: {REBUILD}"
            );
            Refusal::new(RefusalCode::ImportUnknown, message)
        };
        let TypeRef::Func(index) = ty else { return Err(unknown()) };
        let function = host::lookup(namespace, name).ok_or_else(unknown)?;
        let signature = usize::try_from(*index).ok().and_then(|index| self.types.get(index)).and_then(Option::as_ref);
        if signature.is_some_and(|signature| has_type_of(signature, function)) {
            return Ok(function);
        }
        let message = format!("the module imports {import} with another type; its type is {function}: {REBUILD}");
        Err(Refusal::new(RefusalCode::ImportTypeMismatch, message))
    }

    fn export(&self, name: &str) -> Option<(ExternalKind, u32)> {
        self.exports.iter().find(|(export, ..)| *export == name).map(|&(_, kind, index)| (kind, index))
    }

    fn export_is_memory(&self) -> Result<(), Refusal> {
        match self.export(host::MEMORY_EXPORT) {
            Some((ExternalKind::Memory, _)) => Ok(()),
            Some(_) => Err(Refusal::new(
                RefusalCode::ExportTypeMismatch,
                "the export `memory` is not a memory: export the linear memory under that name, as the SDKs do",
            )),
            None => Err(Refusal::new(
                RefusalCode::ExportMissing,
                "the module exports no `memory`: export its linear memory under that name, as the SDKs do",
            )),
        }
    }

    /// Whether there is such an export; an error if it is required and absent, or is not `() -> ()`.
    fn export_is_function(&self, name: &str, required: bool) -> Result<bool, Refusal> {
        let Some((kind, index)) = self.export(name) else {
            if !required {
                return Ok(false);
            }
            let message =
                format!("the module exports no `{name}`: export a function of that name, () -> (), as the SDKs do");
            return Err(Refusal::new(RefusalCode::ExportMissing, message));
        };
        let signature = match kind {
            ExternalKind::Func => self.signature_of(index),
            _ => None,
        };
        if signature.is_some_and(|signature| signature.params().is_empty() && signature.results().is_empty()) {
            return Ok(true);
        }
        let message = format!("the export `{name}` is not a function of type () -> (): make it one, as the SDKs do");
        Err(Refusal::new(RefusalCode::ExportTypeMismatch, message))
    }

    fn signature_of(&self, function: u32) -> Option<&FuncType> {
        let type_index = match function.checked_sub(self.imported_functions) {
            Some(defined) => *self.functions.get(usize::try_from(defined).ok()?)?,
            None => self
                .imports
                .iter()
                .filter_map(|(.., ty)| if let TypeRef::Func(index) = ty { Some(*index) } else { None })
                .nth(usize::try_from(function).ok()?)?,
        };
        self.types.get(usize::try_from(type_index).ok()?)?.as_ref()
    }
}

fn has_type_of(signature: &FuncType, function: &HostFunction) -> bool {
    signature.params().len() == function.params.len()
        && signature.results().len() == usize::from(function.returns)
        && signature.params().iter().chain(signature.results()).all(|ty| *ty == ValType::I32)
}

/// Whether a namespace looks like ours with another version number, such as `vestibule_v2`.
fn is_other_version(namespace: &str) -> bool {
    let Some((family, version)) = namespace.rsplit_once("_v") else { return false };
    matches!(family, "vestibule" | "vestibule_http" | "vestibule_file" | "vestibule_hash")
        && !version.is_empty()
        && version.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_list_every_namespace_of_the_contract() {
        let listed: BTreeSet<&str> = NAMESPACES.split([',', ' ']).filter(|word| word.contains("_v")).collect();
        let offered: BTreeSet<&str> = host::FUNCTIONS.iter().map(|function| function.namespace).collect();
        assert_eq!(listed, offered);
        assert!(offered.iter().all(|namespace| is_other_version(namespace)), "a later version is told from a typo");
    }
}
