//! The OpenAPI 3.1 document, made from the table of routes: it cannot name what is not answered, nor miss what is.

use serde_json::{Map, Value, json};

use super::routes::{ROUTES, Route, Schema, Shape};
use crate::dialect::Needs;

/// The document.
///
/// # Panics
/// Never: schemas are plain JSON.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Vec::new();
    let mut paths = Map::new();
    for route in ROUTES {
        for shape in [route.takes, route.gives].into_iter().flatten() {
            if let Shape::One(schema) | Shape::Page(schema) = shape {
                (schema.collect)(&mut schemas);
            }
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    let mut components: Map<String, Value> = schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema is plain JSON")))
        .collect();
    components.insert("Error".to_owned(), error_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quartermaster",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A high-availability license master: licenses, stacks, pools, slaves and usage, answered alike by every node.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Some(takes) = route.takes {
        operation["requestBody"] = json!({"required": true, "content": content(takes)});
    }
    match route.needs {
        Needs::Nobody => operation["security"] = json!([]),
        Needs::Somebody | Needs::Work => {}
        Needs::Right(right) => operation["x-needs-right"] = json!(right.name()),
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Value> =
        names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
    let query = route.query.iter().copied().chain((route.method == "GET").then_some("consistency"));
    all.extend(
        query.map(|name| json!({"name": name, "in": "query", "description": describe(name), "schema": kind(name)})),
    );
    if route.method != "GET" {
        let schema = json!({"type": "string", "maxLength": crate::dialect::KEY_BYTES});
        let says = "two requests with the same key are the same request";
        all.push(json!({"name": "Idempotency-Key", "in": "header", "description": says, "schema": schema}));
    }
    all
}

fn describe(name: &str) -> &'static str {
    match name {
        "limit" => "at most so many; 0 means all, streamed",
        "after" => "begin after this: the last page's `next`",
        "all" => "everything, streamed",
        "consistency" => "linearizable (default), or stale: what this node has, with its age in Quartermaster-Age-Ms",
        "slaves_after" => "begin slaves_used_bytes after this GUID: the last answer's `slaves_next`",
        "wait_ms" => "wait so long for the next record, at most 30000",
        "dry_run" => "check only; nothing is installed",
        "from" => "the first license day, as 2026-11-22",
        "to" => "the last license day",
        "by" => "pool, stack, sourcetype, host, source or index",
        _ => "only those that have this",
    }
}

fn kind(name: &str) -> Value {
    match name {
        "limit" | "wait_ms" | "seq" => json!({"type": "integer", "minimum": 0}),
        "all" | "dry_run" => json!({"type": "boolean"}),
        "consistency" => json!({"type": "string", "enum": ["linearizable", "stale"]}),
        "by" => json!({"type": "string", "enum": ["pool", "stack", "sourcetype", "host", "source", "index"]}),
        "from" | "to" => json!({"type": "string", "format": "date"}),
        _ => json!({"type": "string"}),
    }
}

fn reference(schema: Schema) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", schema.name)})
}

fn content(shape: Shape) -> Value {
    let schema = match shape {
        Shape::One(schema) => reference(schema),
        Shape::Page(schema) => json!({
            "type": "object",
            "required": ["items", "next", "total"],
            "properties": {
                "items": {"type": "array", "items": reference(schema)},
                "next": {"type": ["string", "null"]},
                "total": {"type": ["integer", "null"]},
            },
        }),
        Shape::License | Shape::Text => return json!({"text/plain": {"schema": {"type": "string"}}}),
        Shape::OpenApi => json!({"type": "object"}),
    };
    json!({"application/json": {"schema": schema}})
}

fn responses(route: &Route) -> Value {
    let (code, good) = match route.gives {
        Some(shape) => (success(route), json!({"description": "done", "content": content(shape)})),
        None => ("204", json!({"description": "done"})),
    };
    let error = json!({
        "description": "not done, or unknown: the body says which",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    json!({code: good, "default": error})
}

fn success(route: &Route) -> &'static str {
    let creates = matches!(
        route.id,
        "createUser" | "createToken" | "trustKey" | "installLicense" | "grant" | "createPool" | "createTicket"
    );
    if creates { "201" } else { "200" }
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message", "numbers", "hint", "done"],
            "properties": {
                "code": {"type": "string", "description": "for programs"},
                "message": {"type": "string", "description": "for people"},
                "numbers": {"type": "object", "description": "the numbers and names in the message"},
                "hint": {"type": "string", "description": "what helps"},
                "done": {"type": "string", "enum": ["no", "unknown"], "description": "whether a write surely did not happen"},
            },
        }},
    })
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::*;
    use crate::dialect::native::endpoint;

    #[test]
    fn every_documented_path_is_an_endpoint_and_every_reference_leads_somewhere() {
        let document = document();
        let paths = document["paths"].as_object().expect("has paths");
        let mut operations = 0;
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().expect("has methods") {
                let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).expect("is a method");
                let path: Vec<String> = path
                    .trim_start_matches('/')
                    .split('/')
                    .map(|part| if part.starts_with('{') { "7".into() } else { part.to_owned() })
                    .collect();
                let matched = endpoint::parse(&method, &path).expect("is an endpoint");
                assert_eq!(operation["operationId"], matched.route.id);
                operations += 1;
            }
        }
        assert_eq!(operations, ROUTES.len());
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("is quoted");
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not there");
        }
    }

    #[test]
    fn every_route_has_a_name_of_its_own_and_says_what_it_does() {
        for (at, route) in ROUTES.iter().enumerate() {
            assert!(!route.summary.is_empty() && !route.id.is_empty(), "{}", route.path);
            assert!(ROUTES[..at].iter().all(|other| other.id != route.id), "{}", route.id);
        }
    }
}
