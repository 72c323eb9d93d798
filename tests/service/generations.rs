//! The rules of a service in a test, as they are deployed.

use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Map;
use vestibule_abi::limits::Budget;
use vestibule_engine::{Grants, InProcessCompiler, LoadedPipeline, Profile, Tier, http::Egress, inspect};
use vestibule_pipeline::{Digest, Manifest, Pipeline, Rule};
use vestibule_server::app::{Generation, Generations};
use vestibule_store::{GenerationNumber, TenantId};
use vestibule_testkit::deploy::engine;

/// The generations of a test: number 1, 2, … as they are deployed.
#[derive(Default)]
pub(super) struct TestGenerations(Mutex<Vec<Option<Arc<Generation>>>>);

impl TestGenerations {
    /// Deploys these rules, in order, with this way out.
    pub(super) fn deploy(&self, rules: Vec<TestRule>, egress: Arc<Egress>) {
        let mut deployed = self.0.lock().unwrap();
        let is_empty = rules.is_empty();
        let (mut loaded, mut of_pipeline) = (Vec::new(), Vec::new());
        for TestRule(manifest, wasm, grants) in rules {
            let rule = Rule::new(manifest, Digest::of(&wasm), &Budget::CEILING).unwrap();
            let inspected = inspect(&wasm).expect("the fixture is a rule");
            let engine = engine(Profile::Fast);
            let compiled = compiler().compile(engine, &inspected, Tier::Optimised).expect("the fixture compiles");
            loaded.push(engine.load(&compiled, grants).expect("the fixture is granted what it imports"));
            of_pipeline.push(rule);
        }
        let pipeline = Arc::new(Pipeline::new(of_pipeline).expect("a pipeline"));
        let number = (!is_empty).then(|| GenerationNumber(i64::try_from(deployed.len()).unwrap()));
        deployed.push(Some(Arc::new(Generation {
            number,
            loaded: LoadedPipeline { pipeline, rules: loaded },
            configuration: Map::new(),
            egress,
        })));
    }

    /// Revokes all but the active one.
    pub(super) fn revoke_older(&self) {
        let mut deployed = self.0.lock().unwrap();
        let last = deployed.len() - 1;
        deployed[..last].fill_with(|| None);
    }
}

impl Generations for TestGenerations {
    fn active(&self, _: &TenantId) -> Arc<Generation> {
        self.0.lock().unwrap().iter().flatten().last().cloned().expect("a generation")
    }

    fn pinned(&self, _: &TenantId, number: GenerationNumber) -> Option<Arc<Generation>> {
        self.0.lock().unwrap().get(usize::try_from(number.0).unwrap()).cloned().flatten()
    }
}

/// A rule to be deployed: its manifest, its module, what it is granted.
pub(crate) struct TestRule(pub(crate) Manifest, pub(crate) Vec<u8>, pub(crate) Grants);

fn compiler() -> &'static InProcessCompiler {
    static COMPILER: OnceLock<InProcessCompiler> = OnceLock::new();
    COMPILER.get_or_init(|| InProcessCompiler::new(10_000_000).expect("a compiler"))
}
