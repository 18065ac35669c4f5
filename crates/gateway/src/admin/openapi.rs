//! The interface described: OpenAPI 3.1, made of the table of routes and the types of its handlers.
//!
//! There is no second list of paths: what is served is described, and nothing else.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::http::Method;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, Header, HttpMethod, Info, ObjectBuilder, OpenApi, OpenApiBuilder,
        PathItem, Paths, PathsBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        extensions::ExtensionsBuilder,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{KnownFormat, OneOfBuilder, SchemaFormat, Type},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    answer::{APPLIED, AnswerDoc, BEHIND, Kinds, REVISION, Text},
    call::Call,
    change::IDEMPOTENCY_KEY,
    manner::{MannerParams, PreviewBody},
    policy::Policy,
    problem::{Problem, ProblemBody},
    query, route,
    row::{Description, Row},
};

/// The name of the extension that says which permission an operation needs.
pub const PERMISSION: &str = "x-nexus-permission";

/// The schemas the operations refer to, by name.
#[derive(Default)]
pub struct Components(BTreeMap<String, RefOr<Schema>>);

impl Components {
    /// A reference to the type's schema, which is kept with everything it refers to.
    pub fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schema_named::<T>(T::name().into_owned())
    }

    /// The same under another name: a generic type's own is the same whatever it is made of.
    pub fn schema_named<T: ToSchema>(&mut self, name: String) -> RefOr<Schema> {
        let mut inner = Vec::new();
        T::schemas(&mut inner);
        self.0.extend(inner);
        self.0.insert(name.clone(), <T as PartialSchema>::schema());
        Ref::from_schema_name(name).into()
    }
}

/// The description, made once.
pub static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| document(&route::table()));

/// `GET /admin/v1/openapi.json`
pub async fn show(_: Call) -> Result<Text<JsonText>, Problem> {
    Ok(Text::new("application/json", DOCUMENT.to_json().unwrap_or_default()))
}

pub struct JsonText;

impl Kinds for JsonText {
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];
}

fn document(table: &[Row]) -> OpenApi {
    let mut components = Components::default();
    let problem = components.schema::<ProblemBody>();
    let mut paths = PathsBuilder::new();
    for row in table {
        let operation = operation(row, &problem, &mut components);
        paths = paths.path(row.path, PathItem::new(http_method(&row.method), operation));
    }
    let mut info = Info::new("NexusAI administration", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Everything is JSON; members that are not known are refused. Lists are walked with `next_cursor`. A change \
         needs the `ETag` it was read with as `If-Match`. Times are Unix seconds, whole numbers \
         are written without a fraction."
            .to_owned(),
    );
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        "__Host-nexus",
        "a session of the console; changes need its `csrf_token` as `x-csrf-token` too",
    ));
    let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("an admin key")).build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([utoipa::openapi::Server::new(route::PREFIX)]))
        .paths(collected(paths))
        .components(Some(
            ComponentsBuilder::new()
                .schemas_from_iter(components.0)
                .security_scheme("key", SecurityScheme::Http(bearer))
                .security_scheme("session", SecurityScheme::ApiKey(cookie))
                .build(),
        ))
        .security(Some(["key", "session"].map(|scheme| SecurityRequirement::new(scheme, [] as [&str; 0]))))
        .build()
}

fn collected(paths: PathsBuilder) -> Paths {
    paths.build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PATCH => HttpMethod::Patch,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(row: &Row, problem: &RefOr<Schema>, components: &mut Components) -> Operation {
    let Description { query, body, answer } = row.describe(components);
    // what is put in the place of something that has a version names it, as a patch does
    let is_conditional = row.method == Method::PATCH || row.method == Method::PUT && answer.has_etag;
    let headers = header_parameters(is_conditional, answer.is_recorded);
    let is_recorded = answer.is_recorded;
    let mut preview = is_recorded.then(|| components.schema::<PreviewBody>());
    let (status, response) = (answer.status, response(answer, &mut preview));
    let failed = ResponseBuilder::new()
        .description("A problem, RFC 9457")
        .content("application/problem+json", ContentBuilder::new().schema(Some(problem.clone())).build());
    let body = body.map(|schema| {
        RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content("application/json", ContentBuilder::new().schema(Some(schema)).build())
            .build()
    });
    let manner = if is_recorded { query::described::<MannerParams>() } else { Vec::new() };
    let parameters = path_parameters(row.path).chain(query).chain(manner).chain(headers);
    let mut operation = OperationBuilder::new();
    if row.policy == Policy::Anyone {
        operation = operation.securities(Some([SecurityRequirement::default()]));
    }
    if let Some(preview) = preview {
        let content = ContentBuilder::new().schema(Some(preview)).build();
        let shown =
            ResponseBuilder::new().description("What would change").content("application/json", content);
        operation = operation.response("200", shown.build());
    }
    operation
        .operation_id(Some(operation_id(row)))
        .tag(row.path.split('/').nth(1).unwrap_or_default())
        .summary(Some(row.summary))
        .parameters(Some(parameters))
        .request_body(body)
        .response(status.to_string(), response)
        .response("default", failed.build())
        .extensions(Some(ExtensionsBuilder::new().add(PERMISSION, row.policy.word()).build()))
        .build()
}

/// The answer as it is described; one that is 200 may also be the preview, which is taken then.
fn response(answer: AnswerDoc, preview: &mut Option<RefOr<Schema>>) -> Response {
    let mut response = ResponseBuilder::new().description(answer.description);
    for (media_type, mut schema) in answer.content {
        if answer.status == 200
            && let Some(preview) = preview.take()
        {
            let either = |schema| OneOfBuilder::new().item(schema).item(preview).build();
            schema = schema.map(|schema| Schema::OneOf(either(schema)).into());
        }
        response = response.content(media_type, ContentBuilder::new().schema(schema).build());
    }
    if answer.has_etag {
        response = response.header("ETag", text_header("The version, for `If-Match`."));
    }
    if answer.has_location {
        response = response.header("Location", text_header("The path of what was made."));
    }
    if answer.is_recorded {
        response = response.header(REVISION.as_str(), text_header("The revision it made."));
        let said = "Whether every node has it in force, where `wait` says so.";
        response = response.header(APPLIED.as_str(), text_header(said));
        response = response.header(BEHIND.as_str(), text_header("The nodes that have not."));
    }
    response.build()
}

fn text_header(description: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(description.to_owned());
    header
}

/// `get_teams_id` for `GET /teams/{id}`: one for each row, as method and path are.
fn operation_id(row: &Row) -> String {
    let path = row.path.replace(['/', '-', '.'], "_").replace(['{', '}'], "");
    format!("{}{path}", row.method.as_str().to_lowercase())
}

/// The parameters in the path: `{id}` and what ends in `_id` are ids, others are texts.
fn path_parameters(path: &'static str) -> impl Iterator<Item = Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let mut schema = ObjectBuilder::new().schema_type(Type::String);
        if name == "id" || name.ends_with("_id") {
            schema = schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        }
        parameter(name, ParameterIn::Path).required(Required::True).schema(Some(schema)).build()
    })
}

/// What is recorded may be repeated under its key, whatever the method.
fn header_parameters(is_conditional: bool, is_recorded: bool) -> Vec<Parameter> {
    let header = |name: &str, required, said: &str, pattern: &str| {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        let header = parameter(name, ParameterIn::Header).required(required).description(Some(said));
        header.schema(Some(schema)).build()
    };
    let mut headers = Vec::new();
    if is_conditional {
        let said = "The `ETag` it was read with.";
        headers.push(header("If-Match", Required::True, said, "^\"[0-9]{1,9}\"$"));
    }
    if is_recorded {
        let said = "The same request with the same key within a day is made once and answered alike.";
        headers.push(header(IDEMPOTENCY_KEY.as_str(), Required::False, said, "^[!-~]{1,255}$"));
    }
    headers
}

fn parameter(name: &str, place: ParameterIn) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn described() -> Value {
        serde_json::to_value(&*DOCUMENT).unwrap()
    }

    #[test]
    fn the_description_has_the_tables_rows_and_their_policies_and_no_others() {
        let expected: BTreeSet<_> = route::table()
            .iter()
            .map(|row| {
                (row.method.as_str().to_lowercase(), row.path.to_owned(), row.policy.word().to_owned())
            })
            .collect();
        let described = described();
        let mut found = BTreeSet::new();
        for (path, item) in described["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                found.insert((
                    method.clone(),
                    path.clone(),
                    operation[PERMISSION].as_str().unwrap().to_owned(),
                ));
            }
        }
        assert_eq!(found, expected);
        assert_eq!(found.len(), route::table().len(), "no two rows are the same");
    }

    #[test]
    fn every_schema_that_is_referred_to_is_there_and_takes_no_unknown_members() {
        let described = described();
        let text = described.to_string();
        let schemas = described["components"]["schemas"].as_object().unwrap();
        let referred: BTreeSet<_> =
            text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        for name in referred {
            assert!(schemas.contains_key(name), "{name}");
        }
        for item in described["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
                if let Some(name) = schema.as_str().and_then(|path| path.rsplit('/').next()) {
                    assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_list_says_what_it_is_a_list_of() {
        let described = described();
        for (path, item) in [("/teams", "Team"), ("/keys", "Key"), ("/audit-logs", "AuditRow")] {
            let content = &described["paths"][path]["get"]["responses"]["200"]["content"];
            let list = format!("{item}List");
            assert_eq!(content["application/json"]["schema"]["$ref"], format!("#/components/schemas/{list}"));
            let data = &described["components"]["schemas"][list]["properties"]["data"];
            assert_eq!(data["items"]["$ref"], format!("#/components/schemas/{item}"), "{path}");
        }
    }

    #[test]
    fn a_change_of_a_thing_needs_a_version_and_what_is_recorded_takes_a_key() {
        let described = described();
        for (path, method, expected) in [
            ("/teams", "get", &[][..]),
            ("/teams", "post", &["idempotency-key"]),
            ("/teams/{id}", "patch", &["If-Match", "idempotency-key"]),
            ("/teams/{id}", "delete", &["idempotency-key"]),
            ("/routing-rules/{id}", "put", &["If-Match", "idempotency-key"]),
            ("/settings/{name}", "put", &["idempotency-key"]),
            ("/config/diff", "post", &[]),
            ("/config/apply", "post", &["idempotency-key"]),
            ("/providers/{id}/test", "post", &[]),
            ("/session", "post", &[]),
        ] {
            let parameters = described["paths"][path][method]["parameters"].as_array();
            let headers = parameters.into_iter().flatten().filter(|parameter| parameter["in"] == "header");
            let names: Vec<_> = headers.filter_map(|parameter| parameter["name"].as_str()).collect();
            assert_eq!(names, expected, "{method} {path}");
        }
    }
}
