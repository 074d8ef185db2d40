use serde::{Serialize, Serializer};

use crate::database_error::DatabaseError;
use crate::error::{Error, ErrorKind};
use crate::report::Report;
use crate::serialize::PlaceShape;

#[derive(Serialize)]
struct ErrorShape<'a> {
    kind: ErrorKind,
    message: String,
    /// What the database said, and what caused that.
    causes: Vec<String>,
    place: Option<PlaceShape<'a>>,
    help: Option<&'a str>,
    report: Option<&'a Report>,
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = std::error::Error::source(self);
        let causes = std::iter::successors(first, |cause| cause.source()).map(ToString::to_string).collect();
        let shape = ErrorShape {
            kind: self.kind(),
            message: self.to_string(),
            causes,
            place: self.place().map(PlaceShape::from),
            help: self.help_text(),
            report: self.report(),
        };
        shape.serialize(serializer)
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[derive(Serialize)]
struct DatabaseErrorShape<'a> {
    message: &'a str,
    code: Option<&'a str>,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
}

impl Serialize for DatabaseError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (message, code) = (self.message(), self.code());
        DatabaseErrorShape { message, code, detail: self.detail(), hint: self.hint() }.serialize(serializer)
    }
}
