//! The translated template, and the files that it is held to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The template as CloudFormation gets it.
pub struct Template(Value);

impl Template {
    /// The one that `TRANSLATED_TEMPLATE` names: what scripts/template prints. `None`: the test is skipped.
    pub fn translated() -> Option<Self> {
        let text = std::fs::read_to_string(tests::given("TRANSLATED_TEMPLATE")?).unwrap();
        Some(Self(serde_json::from_str(&text).unwrap()))
    }

    /// The properties of all resources of a type, by their logical ids.
    pub fn of_type(&self, of: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        let found = resources.filter(|(_, resource)| resource["Type"] == of);
        found.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
    }

    /// The properties of one resource.
    pub fn resource(&self, id: &str) -> &Value {
        self.0["Resources"].get(id).map_or_else(|| panic!("no {id}"), |resource| &resource["Properties"])
    }

    /// How a parameter is declared.
    pub fn parameter(&self, name: &str) -> &Value {
        self.0["Parameters"].get(name).unwrap_or_else(|| panic!("no parameter {name}"))
    }
}

/// The resource that a `Ref` or a `GetAtt` names.
pub fn name_in(reference: &Value) -> &str {
    let name = reference.get("Ref").or_else(|| reference.get("Fn::GetAtt")?.get(0));
    name.and_then(Value::as_str).unwrap_or_else(|| panic!("{reference} names no resource"))
}

/// The root of the work tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the work tree.
pub fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
