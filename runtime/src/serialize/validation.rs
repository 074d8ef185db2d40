use serde::{Serialize, Serializer};

use crate::validation::Validation;

#[derive(Serialize)]
struct ValidationShape<'a> {
    valid: bool,
    compared: usize,
    verified: usize,
    problems: &'a [String],
    differences: &'a [String],
    unmanaged: &'a [String],
    unchecked: &'a [String],
}

impl Serialize for Validation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = ValidationShape {
            valid: self.is_valid(),
            compared: self.compared,
            verified: self.verified,
            problems: &self.problems,
            differences: &self.differences,
            unmanaged: &self.unmanaged,
            unchecked: &self.unchecked,
        };
        shape.serialize(serializer)
    }
}
