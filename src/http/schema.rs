//! Shapes of JSON values, as far as the document of the API tells them.
//!
//! A shape is what programs may rely on, not all there is: objects may have more fields than are
//! named. Knows no routes.

use serde_json::{Value, json};

/// What a value looks like.
#[derive(Debug)]
pub(super) enum Shape {
    /// Nothing is said.
    Any,
    /// A string.
    Text,
    /// `true` or `false`; in requests also the strings of that.
    Flag,
    /// A whole number.
    Integer,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// An object with at least these fields, or with some of them.
    Object(&'static [Field]),
    /// That, `null`, or (what RabbitMQ says for an empty table) an empty list.
    Maybe(&'static Shape),
    /// A bare list, or a page of one when the query has `page`.
    Page(&'static Shape),
}

/// A field of an object, or a parameter of a query.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
    pub(super) required: bool,
}

/// An object of which nothing is said.
pub(super) static OPEN: Shape = Shape::Object(&[]);

/// What `{"error": …, "reason": …}` looks like.
pub(super) static FAILURE: Shape =
    Shape::Object(&[always("error", &Shape::Text), always("reason", &Shape::Any)]);

/// What a failed health check answers, and a broker that cannot do something now.
pub(super) static UNAVAILABLE: Shape = Shape::Object(&[
    maybe("error", &Shape::Text),
    maybe("status", &Shape::Text),
    always("reason", &Shape::Any),
]);

/// A field that is always there, or that has to be given.
pub(super) const fn always(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, required: true }
}

/// A field that may be missing.
pub(super) const fn maybe(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, required: false }
}

impl Shape {
    /// As a JSON Schema of something that is answered.
    pub(super) fn answered(&self) -> Value {
        self.schema(false)
    }

    /// As a JSON Schema of something that is asked with.
    pub(super) fn asked(&self) -> Value {
        self.schema(true)
    }

    fn schema(&self, asked: bool) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({"type": "string"}),
            Self::Flag if asked => {
                json!({"oneOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]})
            }
            Self::Flag => json!({"type": "boolean"}),
            Self::Integer => json!({"type": "integer"}),
            Self::OneOf(values) => json!({"type": "string", "enum": values}),
            Self::List(of) => json!({"type": "array", "items": of.schema(asked)}),
            Self::Object(fields) => object(fields, asked),
            Self::Maybe(of) => json!({"anyOf": [
                of.schema(asked), {"type": "null"}, {"type": "array", "maxItems": 0}
            ]}),
            Self::Page(of) => {
                let list = json!({"type": "array", "items": of.schema(asked)});
                let page = page_of(&list);
                json!({"oneOf": [list, page]})
            }
        }
    }
}

fn object(fields: &[Field], asked: bool) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|field| (field.name.to_owned(), field.shape.schema(asked))).collect();
    let required: Vec<_> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn page_of(list: &Value) -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "type": "object",
        "required": ["items", "page", "page_count", "page_size", "item_count",
                     "filtered_count", "total_count"],
        "properties": {
            "items": list, "page": count, "page_count": count, "page_size": count,
            "item_count": count, "filtered_count": count, "total_count": count,
        }
    })
}
