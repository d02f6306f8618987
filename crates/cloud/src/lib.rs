//! What a call leaves behind and where its settings come from: the call folder in an object store, and
//! country profiles from files or the environment.

pub mod call_folder;
pub mod profiles;
